"""Where artifacts are kept: on this host's disk alone, or in an object store for several hosts."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from viecomrec.adapters.sharing import OWN_FOLDERS, Kept, KeptFile, KeptFolders, OwnFile

if TYPE_CHECKING:
    # Imported where they are built: the idle scheduler of one machine pays for none of them.
    from viecomrec.adapters.object_files import ObjectFile
    from viecomrec.adapters.object_folders import ObjectFolders
    from viecomrec.adapters.object_store import ObjectStore

MODEL_TYPES = ("als", "bpr")


class Artifacts(Protocol):
    """Builds what stores keep their files through."""

    @property
    def url(self) -> str | None:
        """The address that several hosts share; None where this host is alone."""

    def file(self, key: str, file: Path, mode: int | None = None) -> KeptFile:
        """A small file that is `file` on this host."""

    def versions(self, kind: str, root: Path, pointer: Path) -> Kept:
        """Folders named by their content, and the pointer to the one in force."""

    def models(self, root: Path) -> Mapping[str, KeptFolders]:
        """The folders of models, which an erasure may rewrite."""

    def check(self) -> None:
        """Raise ArtifactStoreError where the store refuses or does not answer."""


class OwnArtifacts:
    """The embedded default."""

    url = None

    def file(self, key: str, file: Path, mode: int | None = None) -> KeptFile:  # noqa: ARG002
        return OwnFile(file, mode)

    def versions(self, kind: str, root: Path, pointer: Path) -> Kept:  # noqa: ARG002
        return Kept(OwnFile(pointer), OWN_FOLDERS)

    def models(self, root: Path) -> Mapping[str, KeptFolders]:  # noqa: ARG002
        return dict.fromkeys(MODEL_TYPES, OWN_FOLDERS)

    def check(self) -> None:
        return


class SharedArtifacts:
    """What lies below ARTIFACT_URL; `notes` is where this host remembers what it has of it."""

    def __init__(self, store: "ObjectStore", notes: Path, *, is_patient: bool) -> None:
        self._store = store
        self._notes = notes
        self._is_patient = is_patient

    @property
    def url(self) -> str:
        return self._store.url

    def file(self, key: str, file: Path, mode: int | None = None) -> "ObjectFile":
        from viecomrec.adapters.object_files import ObjectFile

        note = self._notes / key
        return ObjectFile(self._store, key, file, note, is_patient=self._is_patient, mode=mode)

    def versions(self, kind: str, root: Path, pointer: Path) -> Kept:
        return Kept(
            self.file(f"pointers/{kind}.json", pointer),
            self._folders(kind, root, named_by_content=True),
        )

    def models(self, root: Path) -> Mapping[str, KeptFolders]:
        return {
            model_type: self._folders(
                f"models/{model_type}", root / model_type, named_by_content=False
            )
            for model_type in MODEL_TYPES
        }

    def check(self) -> None:
        self._store.read("installation.json")

    def _folders(self, kind: str, root: Path, *, named_by_content: bool) -> "ObjectFolders":
        from viecomrec.adapters.object_folders import ObjectFolders

        return ObjectFolders(
            self._store,
            kind,
            root,
            self._notes / kind / "folders",
            named_by_content=named_by_content,
            is_patient=self._is_patient,
        )
