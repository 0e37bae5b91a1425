"""Folders whose files live in the object store; the local ones are a cache, checked by hash.

Below `<kind>/<name>/` lie the files as `<sha256>/<file>` and, written last, `index.json`: a folder
without its index does not exist for anybody.
"""

import os
import shutil
from datetime import datetime
from pathlib import Path

import structlog
from pydantic import BaseModel, ValidationError

from viecomrec.adapters import atomic_files
from viecomrec.adapters.object_store import Listed, ObjectStore
from viecomrec.adapters.sharing import SharedFolder
from viecomrec.errors import ArtifactError, ArtifactStoreError, StoreChangedError

log = structlog.get_logger()

INDEX = "index.json"
CLAIM = "claimed"


class _File(BaseModel, frozen=True):
    size: int
    sha256: str


class _Index(BaseModel, frozen=True):
    """What a folder holds; `tag` and `url` say which version of it is here."""

    schema_version: int = 1
    files: dict[str, _File]
    url: str = ""
    tag: str = ""


class ObjectFolders:
    """The folders of one kind below `root`; `notes` remembers what was sent and brought.

    `named_by_content`: a folder of a name never changes, so that one that lies here whole is not
    asked about again. Where `is_patient`, a local folder is used while the store does not answer.
    """

    def __init__(
        self,
        store: ObjectStore,
        kind: str,
        root: Path,
        notes: Path,
        *,
        named_by_content: bool,
        is_patient: bool = False,
    ) -> None:
        self._store = store
        self._kind = kind
        self._root = root
        self._notes = notes
        self._named_by_content = named_by_content
        self._is_patient = is_patient

    def bring(self, name: str) -> None:
        """Have the folder here; what lies here with the right hash is not downloaded again."""
        folder, known = self._root / name, self._known(name)
        if self._named_by_content and known is not None and _has_sizes(folder, known):
            return
        try:
            index = self._read_index(name, known)
            if index is not None and not (index == known and _has_sizes(folder, index)):
                self._fetch_all(name, index)
        except ArtifactStoreError as error:
            if not self._is_patient or known is None or not _has_sizes(folder, known):
                raise
            log.warning("the last known version is used", folder=name, reason=str(error))
        except OSError as error:
            raise ArtifactError(
                f"{self._kind}/{name} of {self._store.url} cannot be kept in {self._root}: "
                f"{error}. Make room (python -m automation.cleanup) and run it again."
            ) from error

    def send(self, name: str, folder: Path) -> None:
        """Upload the files, then the index. ArtifactError where another host took the name."""
        before = self._read_index(name, None)
        if before is not None and not self._named_by_content:
            raise ArtifactError(f"{self._store.url}/{self._key(name)} exists already.")
        self._upload(name, folder, before)

    def send_again(self, name: str) -> None:
        before = self._read_index(name, None)
        folder = self._root / name
        if before is None or before.files == _described(folder):
            return
        self._upload(name, folder, before)
        kept = {self._file_key(name, file, one.sha256) for file, one in self._sent(name).items()}
        self._store.delete(
            [one.key for one in self._objects(name) if one.key not in kept | self._marks(name)]
        )

    def claim(self, name: str) -> bool:
        try:
            self._store.create(self._key(name, CLAIM), b"")
        except StoreChangedError:
            return False
        return True

    def listed(self) -> list[SharedFolder]:
        objects: dict[str, list[Listed]] = {}
        for one in self._store.listing(self._kind + "/"):
            name = one.key.removeprefix(self._kind + "/").partition("/")[0]
            objects.setdefault(name, []).append(one)
        return [
            SharedFolder(name, sum(one.n_bytes for one in found), _newest(found))
            for name, found in sorted(objects.items())
        ]

    def remove(self, name: str) -> None:
        """The index first: what is half deleted does not exist for anybody."""
        self._store.delete([self._key(name, INDEX)])
        self._store.delete([one.key for one in self._objects(name)])
        self._note(name).unlink(missing_ok=True)

    def forget_removed(self) -> None:
        """Delete local folders that came from the store, or went there, and are gone from it."""
        if not self._notes.is_dir():
            return
        there = {folder.name for folder in self.listed()}
        for note in sorted(self._notes.glob("*.json")):
            if note.stem not in there and self._known(note.stem) is not None:
                shutil.rmtree(self._root / note.stem, ignore_errors=True)
                note.unlink(missing_ok=True)

    def adopt(self) -> int:
        """Upload every local folder that the store does not have, or has otherwise."""
        n_sent = 0
        folders = sorted(self._root.iterdir()) if self._root.is_dir() else []
        for folder in folders:
            if not folder.is_dir() or folder.name.startswith("."):
                continue
            before = self._read_index(folder.name, None)
            if before is None or before.files != _described(folder):
                self._upload(folder.name, folder, before)
                n_sent += 1
            else:
                self._remember(folder.name, before)
        return n_sent

    def _upload(self, name: str, folder: Path, before: _Index | None) -> None:
        files = _described(folder)
        there = {} if before is None else before.files
        for file, one in files.items():
            if there.get(file) != one:
                self._store.upload(self._file_key(name, file, one.sha256), folder / file)
        content = _Index(files=files).model_dump_json(include={"schema_version", "files"}).encode()
        key = self._key(name, INDEX)
        if before is None:
            tag = self._store.create(key, content)
        else:
            tag = self._store.replace(key, content, before.tag)
        self._remember(name, _Index(files=files, url=self._store.url, tag=tag))

    def _read_index(self, name: str, known: _Index | None) -> _Index | None:
        key = self._key(name, INDEX)
        if known is None:
            found = self._store.read(key)
        else:
            found = self._store.read_if_changed(key, known.tag)
            if found is not None and found.tag == known.tag:
                return known
        if found is None:
            return None
        try:
            index = _Index.model_validate_json(found.content)
        except ValidationError as error:
            raise ArtifactStoreError(
                f"{self._store.url}/{key} is damaged. Delete that folder in the store and make "
                "it again."
            ) from error
        return index.model_copy(update={"url": self._store.url, "tag": found.tag})

    def _fetch_all(self, name: str, index: _Index) -> None:
        final = self._root / name
        if final.is_dir():
            for file, one in index.files.items():
                if not _is_same(final / file, one):
                    with atomic_files.new_file(final / file) as temporary:
                        self._fetch(name, file, one, temporary)
        else:
            atomic_files.sweep_leftovers(self._root)
            with atomic_files.new_folder(final) as folder:
                for file, one in index.files.items():
                    self._fetch(name, file, one, folder / file)
        if self._named_by_content:
            _protect(final)
        self._remember(name, index)

    def _fetch(self, name: str, file: str, one: _File, target: Path) -> None:
        if Path(file).name != file:
            raise ArtifactStoreError(f"{self._store.url}/{self._key(name)} names a file {file!r}.")
        found = self._store.download(self._file_key(name, file, one.sha256), target)
        if found is None:
            raise ArtifactStoreError(
                f"{file} of {self._store.url}/{self._key(name)} was replaced or deleted while it "
                "was read; run it again."
            )
        if found != one.sha256:
            raise ArtifactStoreError(
                f"{file} of {self._store.url}/{self._key(name)} is damaged in the store. Delete "
                "that folder there and make it again."
            )

    def _sent(self, name: str) -> dict[str, _File]:
        known = self._known(name)
        return {} if known is None else known.files

    def _objects(self, name: str) -> list[Listed]:
        return self._store.listing(self._key(name) + "/")

    def _marks(self, name: str) -> set[str]:
        return {self._key(name, INDEX), self._key(name, CLAIM)}

    def _key(self, name: str, *parts: str) -> str:
        return "/".join((self._kind, name, *parts))

    def _file_key(self, name: str, file: str, sha256: str) -> str:
        return self._key(name, sha256, file)

    def _note(self, name: str) -> Path:
        return self._notes / f"{name}.json"

    def _remember(self, name: str, index: _Index) -> None:
        atomic_files.write_text(self._note(name), index.model_dump_json() + "\n")

    def _known(self, name: str) -> _Index | None:
        """What was sent to, or brought from, this very store."""
        try:
            known = _Index.model_validate_json(self._note(name).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        return known if known.url == self._store.url else None


def _protect(folder: Path) -> None:
    """Read-only as on the host that made it; Windows could not replace such files."""
    if os.name == "nt":
        return
    for file in folder.iterdir():
        file.chmod(0o444)


def _described(folder: Path) -> dict[str, _File]:
    return {
        path.name: _File(size=path.stat().st_size, sha256=atomic_files.sha256(path))
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(".")
    }


def _has_sizes(folder: Path, index: _Index) -> bool:
    """Whether every file is there and as long as it should be; hashes are the stores' matter."""
    return all(
        (folder / file).is_file() and (folder / file).stat().st_size == one.size
        for file, one in index.files.items()
    )


def _is_same(path: Path, one: _File) -> bool:
    return (
        path.is_file()
        and path.stat().st_size == one.size
        and atomic_files.sha256(path) == one.sha256
    )


def _newest(objects: list[Listed]) -> datetime:
    return max(one.modified_at for one in objects)
