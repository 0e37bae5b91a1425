"""Immutable snapshots of the data, and the pointer that says which one is current."""

import io
import json
import os
import pickle
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from polars.exceptions import PolarsError
from scipy.sparse import csr_array, load_npz

from viecomrec.adapters import atomic_files
from viecomrec.adapters.sharing import Kept, own
from viecomrec.domain import snapshots as layout
from viecomrec.domain.identity import IdMap
from viecomrec.domain.matrices import HeldOut, TrainingMatrices
from viecomrec.domain.snapshots import FileEntry, SnapshotManifest
from viecomrec.errors import SnapshotError, StoreChangedError

NOBODY = pl.Series("user_id", [], dtype=pl.String)


@dataclass(frozen=True)
class Snapshot:
    """One complete version of the data; readers stay on it whatever is published meanwhile."""

    folder: Path
    manifest: SnapshotManifest

    @property
    def version(self) -> str:
        return self.manifest.version

    @cached_property
    def id_map(self) -> IdMap:
        mappings = json.loads((self.folder / layout.MAPPINGS).read_text(encoding="utf-8"))
        users = sorted(mappings["user_to_idx"], key=mappings["user_to_idx"].__getitem__)
        items = sorted(mappings["item_to_idx"], key=mappings["item_to_idx"].__getitem__)
        return IdMap(tuple(users), tuple(items))

    @cached_property
    def statistics(self) -> dict[str, Any]:
        text = (self.folder / layout.STATISTICS).read_text(encoding="utf-8")
        content: dict[str, Any] = json.loads(text)
        return content

    def matrices(self) -> TrainingMatrices:
        return TrainingMatrices(
            confidence=csr_array(load_npz(self.folder / layout.CONFIDENCE_MATRIX)),
            binary=csr_array(load_npz(self.folder / layout.BINARY_MATRIX)),
        )

    def held_out(self) -> HeldOut:
        frame = pl.read_parquet(self.folder / layout.HELD_OUT)
        return HeldOut(
            user_index=frame["user_index"].to_numpy().astype(np.int32),
            item_index=frame["item_index"].to_numpy().astype(np.int32),
            is_validation=frame["is_validation"].to_numpy().astype(np.bool_),
        )

    def held_out_targets(self) -> pl.DataFrame:
        """The held-out events as a table: user_index, item_index, is_validation."""
        return pl.read_parquet(self.folder / layout.HELD_OUT)

    def interactions(self) -> pl.DataFrame:
        return pl.read_parquet(self.folder / layout.INTERACTIONS)

    def event_ids(self, among: pl.Series) -> pl.Series:
        """Those of some event ids that the interactions have."""
        table = pl.scan_parquet(self.folder / layout.INTERACTIONS)
        wanted = pl.col("event_id").is_in(among.implode())
        return table.filter(wanted).select("event_id").collect().to_series()

    def trainable_users(self) -> pl.Series:
        """The ids of the users who have a matrix row, in no order."""
        table = pl.scan_parquet(self.folder / layout.INTERACTIONS)
        is_trainable = pl.col("user_index").is_not_null()
        return table.filter(is_trainable).select(pl.col("user_id").unique()).collect().to_series()

    def products(self) -> pl.DataFrame:
        return pl.read_parquet(self.folder / layout.PRODUCTS)

    def user_metadata(self) -> dict[str, Any]:
        content = load_builtins(self.folder / layout.USER_METADATA)
        if not isinstance(content, dict):
            raise SnapshotError(f"{self.folder / layout.USER_METADATA} does not hold a dict")
        return content

    def verify(self) -> None:
        """Raise SnapshotError unless every file has the size and hash of the manifest."""
        for name, entry in self.manifest.files.items():
            path = self.folder / name
            if not path.is_file():
                raise SnapshotError(f"Snapshot {self.version} lacks {name}.")
            if path.stat().st_size != entry.size or atomic_files.sha256(path) != entry.sha256:
                raise SnapshotError(f"Snapshot {self.version}: {name} was altered.")


class SnapshotStore:
    """`data/snapshots/<version>/` and its pointer; `data/processed/` is a view for people.

    `kept` is given where other hosts share them.
    """

    def __init__(
        self,
        root: Path,
        pointer: Path,
        view: Path,
        kept: Kept | None = None,
    ) -> None:
        self._root = root
        self._pointer = pointer
        self._view = view
        self._kept = kept or own(pointer)

    def current(self) -> Snapshot | None:
        """The snapshot in force, or None before the first refresh."""
        content = self._kept.pointer.read()
        if content is None:
            return None
        try:
            version = json.loads(content)["version"]
        except (ValueError, KeyError, TypeError) as error:
            raise SnapshotError(
                f"{self._pointer} is damaged ({error}). "
                "Rebuild with: python -m automation.data_refresh --force-full"
            ) from error
        return self.open(str(version))

    def readable(self) -> Snapshot | None:
        """The snapshot in force; None where there is none, or where it is damaged."""
        try:
            return self.current()
        except SnapshotError:
            return None

    def known_users(self) -> pl.Series:
        """The trainable users of the snapshot in force; nobody where it is absent or damaged."""
        snapshot = self.readable()
        try:
            return NOBODY if snapshot is None else snapshot.trainable_users()
        except PolarsError:
            return NOBODY

    def require_current(self) -> Snapshot:
        snapshot = self.current()
        if snapshot is None:
            raise SnapshotError(
                "There is no data snapshot yet. Run: python -m automation.data_refresh"
            )
        return snapshot

    def open(self, version: str) -> Snapshot:
        """Open a version whose files all have the right size; hashes: `Snapshot.verify`."""
        folder = self._root / version
        self._kept.folders.bring(version)
        try:
            text = (folder / layout.MANIFEST).read_text(encoding="utf-8")
            manifest = SnapshotManifest.model_validate_json(text)
        except (OSError, ValueError) as error:
            raise SnapshotError(
                f"Snapshot {version} cannot be read ({error}). "
                "Rebuild with: python -m automation.data_refresh --force-full"
            ) from error
        if manifest.schema_version > layout.SCHEMA_VERSION:
            raise SnapshotError(
                f"Snapshot {version} has schema version {manifest.schema_version}; this program "
                f"knows {layout.SCHEMA_VERSION}. Use the program that wrote it, or a newer one."
            )
        for name, entry in manifest.files.items():
            path = folder / name
            if not path.is_file() or path.stat().st_size != entry.size:
                raise SnapshotError(
                    f"Snapshot {version}: {name} is missing or truncated. "
                    "Rebuild with: python -m automation.data_refresh --force-full"
                )
        return Snapshot(folder, manifest)

    def publish(
        self,
        write_files: Callable[[Path], None],
        source: Mapping[str, str],
        at: datetime,
        *,
        before_pointer: Callable[[str], object] = lambda _: None,
        engine: str = "embedded",
    ) -> Snapshot:
        """Let `write_files` fill a folder, name it after its content, and make it current.

        `before_pointer` gets the version and writes what must exist with it. The pointer moves
        last: a crash at any instant leaves the old snapshot or the new one.
        """
        atomic_files.sweep_leftovers(self._root)
        building = self._root / f".building.{os.getpid()}.tmp"
        shutil.rmtree(building, ignore_errors=True)
        try:
            with atomic_files.new_folder(building) as folder:
                write_files(folder)
                manifest = _manifest(folder, source, at, engine)
                atomic_files.write_text(
                    folder / layout.MANIFEST, manifest.model_dump_json(indent=2) + "\n"
                )
        except (OSError, PolarsError) as error:  # polars reports a full disk as an error of its own
            raise SnapshotError(
                f"The new snapshot could not be written: {error}. The previous one stays in "
                "force. Make room (python -m automation.cleanup) and run the refresh again."
            ) from error
        _protect(building)
        final = self._root / manifest.version
        try:
            self._kept.folders.send(manifest.version, building)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
        # A folder of this name holds the same content, unless a disk fault damaged it.
        if final.exists() and not self._is_intact(manifest.version):
            shutil.rmtree(final)
        if final.exists():
            atomic_files.write_text(
                final / layout.MANIFEST, manifest.model_dump_json(indent=2) + "\n"
            )
            shutil.rmtree(building)
        else:
            atomic_files.rename(building, final)
            atomic_files.sync_folder(self._root)
        before_pointer(manifest.version)
        self._point_at(manifest.version)
        self.repair_view()
        return self.open(manifest.version)

    def _point_at(self, version: str) -> None:
        try:
            self._kept.pointer.replace(
                atomic_files.json_bytes({"schema_version": 1, "version": version})
            )
        except StoreChangedError as error:
            raise SnapshotError(
                "Another host published a snapshot while this one was made; the other one is in "
                "force. Run the refresh again: it goes on from there."
            ) from error

    def remove_others(self, kept: str, *, until: datetime, same: str) -> None:
        """Delete every other snapshot made up to an instant, half-made and damaged ones too.

        Later ones go where another source than in `kept` is on record under the name `same`.
        """
        wanted = self.open(kept).manifest.source.get(same)
        for folder in self._root.iterdir():
            if folder.name == kept or not folder.is_dir():
                continue
            made_at, source = _made_of(folder)
            if made_at <= until or source.get(same) != wanted:
                self._kept.folders.remove(folder.name)
                shutil.rmtree(folder)
        for shared in self._kept.folders.listed():
            if shared.name != kept and shared.modified_at <= until:
                self._kept.folders.remove(shared.name)

    def repair_view(self) -> None:
        """Make `data/processed/` show the current snapshot: hard links, else copies."""
        snapshot = self.current()
        if snapshot is None:
            return
        self._view.mkdir(parents=True, exist_ok=True)
        for name in layout.GUIDE_FILES:
            _show(snapshot.folder / name, self._view / name)

    def _is_intact(self, version: str) -> bool:
        try:
            self.open(version).verify()
        except SnapshotError:
            return False
        return True


def _made_of(folder: Path) -> tuple[datetime, Mapping[str, str]]:
    """When a snapshot was made and of what; at the beginning of time where it cannot say."""
    try:
        text = (folder / layout.MANIFEST).read_text(encoding="utf-8")
        manifest = SnapshotManifest.model_validate_json(text)
        return datetime.fromisoformat(manifest.created_at_utc), manifest.source
    except (OSError, ValueError):
        return datetime.min.replace(tzinfo=UTC), {}


def _manifest(
    folder: Path, source: Mapping[str, str], at: datetime, engine: str
) -> SnapshotManifest:
    files = {
        path.name: FileEntry(size=path.stat().st_size, sha256=atomic_files.sha256(path))
        for path in sorted(folder.iterdir())
    }
    return SnapshotManifest(
        version=layout.content_version({name: entry.sha256 for name, entry in files.items()}),
        files=files,
        source=dict(source),
        created_at_utc=at.astimezone(UTC).isoformat(),
        engine=engine,
    )


def _protect(folder: Path) -> None:
    """Make the files read-only: the view is made of hard links to them.

    Windows refuses to replace or delete a read-only file, so there only hashes protect them.
    """
    if os.name == "nt":
        return
    for file in folder.iterdir():
        file.chmod(0o444)


def _show(target: Path, link: Path) -> None:
    if link.exists() and link.samefile(target):
        return
    temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.link(target, temporary)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(target, temporary)
    atomic_files.rename(temporary, link)


class _BuiltinsOnly(pickle.Unpickler):
    """Reads containers of builtins; anything that names a class or function is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "set"):
            return set
        raise pickle.UnpicklingError(f"{module}.{name} is not a builtin container")


def load_builtins(path: Path) -> Any:
    """Read one of the guide's pickles without running code from it."""
    try:
        return _BuiltinsOnly(io.BytesIO(path.read_bytes())).load()
    except (OSError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise SnapshotError(f"{path} cannot be read: {error}") from error
