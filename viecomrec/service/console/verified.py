"""Stores for looking only: what was found unaltered stays so while no file of it is touched."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from viecomrec.adapters.embeddings import EmbeddingStore
from viecomrec.adapters.registry import ModelStore
from viecomrec.adapters.sharing import KeptFolders
from viecomrec.adapters.snapshots import Snapshot, SnapshotStore
from viecomrec.domain.embeddings import ProductEmbeddings


class VerifiedSnapshots(SnapshotStore):
    """Snapshots whose hashes are checked when their files change, not at every look."""

    _sound: Hashable = None

    def current(self) -> Snapshot | None:
        """The snapshot in force; SnapshotError where one of its files was altered."""
        snapshot = super().current()
        if snapshot is None:
            return None
        signature = _signature(snapshot.folder / name for name in snapshot.manifest.files)
        if signature != self._sound:
            snapshot.verify()
            self._sound = signature
        return _Sound(snapshot.folder, snapshot.manifest)


class _Sound(Snapshot):
    """A snapshot that was verified already."""

    def verify(self) -> None:
        return


class VerifiedEmbeddings(EmbeddingStore):
    """Embeddings told by their manifest alone: their products and vectors are not kept."""

    _sound: tuple[Hashable, ProductEmbeddings] | None = None

    def open(self, version: str) -> ProductEmbeddings:
        """The version without its products; ArtifactError if a file is missing or altered."""
        self._kept.folders.bring(version)
        signature = _signature((self._root / version).glob("*"))
        if self._sound is None or self._sound[0] != signature:
            found = super().open(version)
            empty = replace(found, product_ids=(), text_hashes=(), vectors=found.vectors[:0].copy())
            self._sound = (signature, empty)
        return self._sound[1]


class VerifiedModels(ModelStore):
    """Models whose hashes are checked when their files change, not at every look."""

    def __init__(self, root: Path, folders: Mapping[str, KeptFolders] | None = None) -> None:
        super().__init__(root, folders)
        self._sound: dict[str, Hashable] = {}

    def require_unaltered(self, model_id: str, folder: Path) -> None:
        """Hashes are compared again once a file of the model came, went or was written."""
        signature = _signature(folder.glob("*"))
        if self._sound.get(model_id) != signature:
            super().require_unaltered(model_id, folder)
            self._sound[model_id] = signature


def _signature(files: Iterable[Path]) -> Hashable:
    """Changes with every file that comes, goes or is written, not only with its content."""
    return tuple(
        (file, (stat := file.stat()).st_mtime_ns, stat.st_ctime_ns, stat.st_size)
        for file in sorted(files)
    )
