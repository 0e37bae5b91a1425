"""A small file that lives in the object store; the local one is what was read last."""

import hashlib
from pathlib import Path

import structlog
from pydantic import BaseModel, ValidationError

from viecomrec.adapters import atomic_files
from viecomrec.adapters.object_store import ObjectStore
from viecomrec.errors import ArtifactStoreError, ConfigurationError, StoreChangedError

log = structlog.get_logger()


class _Read(BaseModel, frozen=True):
    """What is known of the object whose content the local file holds."""

    url: str
    tag: str
    sha256: str


class ObjectFile:
    """One object, replaced only if it is still the version that was read.

    `note` remembers the version on disk, so that an unchanged object is not sent again. Where
    `is_patient`, reading goes on with the local file while the store does not answer.
    """

    def __init__(
        self,
        store: ObjectStore,
        key: str,
        file: Path,
        note: Path,
        *,
        is_patient: bool = False,
        mode: int | None = None,
    ) -> None:
        self._store = store
        self._key = key
        self._file = file
        self._note = note
        self._is_patient = is_patient
        self._mode = mode
        self._tag: str | None = None
        self._was_read = False

    def read(self) -> bytes | None:
        """The content in force. ConfigurationError where this host has artifacts of its own."""
        local, known = self._local(), self._known()
        try:
            found = self._ask(local, known)
        except ArtifactStoreError as error:
            if not self._is_patient or local is None or known is None:
                raise
            log.warning("the last known version is used", file=self._file.name, reason=str(error))
            return local
        self._was_read = True
        if found is None:
            self._require_nothing(local, known)
            self._tag = None
            return None
        content, self._tag = found
        if content != local:
            if local is not None and known is None:
                raise ConfigurationError(
                    f"{self._file} belongs to an installation of its own, and "
                    f"{self._store.url} holds another one. Use an empty folder for a host that "
                    "joins, or another ARTIFACT_URL."
                )
            self._keep(content)
        elif known is None:
            self._remember(content)
        return content

    def replace(self, content: bytes) -> None:
        """Write the object, then the local file. StoreChangedError: another host was quicker."""
        if not self._was_read:
            self.read()
        try:
            self._tag = self._write(content)
        except StoreChangedError:
            # A lost reply makes the library write again, and find what it wrote itself.
            now = self._store.read(self._key)
            if now is None or now.content != content:
                raise
            self._tag = now.tag
        self._keep(content)

    def adopt(self) -> bool:
        """Make the object from the local file. ArtifactStoreError where it is another one."""
        local = self._local()
        if local is None:
            return False
        there = self._store.read(self._key)
        if there is not None and there.content != local:
            raise ArtifactStoreError(
                f"{self._store.url}/{self._key} exists already and differs from {self._file}; it "
                "was not touched. Choose an empty prefix in ARTIFACT_URL."
            )
        self._tag = self._store.create(self._key, local) if there is None else there.tag
        self._remember(local)
        return there is None

    def _write(self, content: bytes) -> str:
        if self._tag is None:
            return self._store.create(self._key, content)
        return self._store.replace(self._key, content, self._tag)

    def _ask(self, local: bytes | None, known: _Read | None) -> tuple[bytes, str] | None:
        if local is not None and known is not None and known.sha256 == _sha256(local):
            found = self._store.read_if_changed(self._key, known.tag)
            if found is not None and found.tag == known.tag:
                return local, known.tag
        else:
            found = self._store.read(self._key)
        return None if found is None else (found.content, found.tag)

    def _require_nothing(self, local: bytes | None, known: _Read | None) -> None:
        if local is None:
            return
        if known is not None:
            raise ArtifactStoreError(
                f"{self._store.url}/{self._key} was there and is gone. Bring it back in the "
                "store, or upload this host's: viecomrec artifacts push"
            )
        raise ConfigurationError(
            f"{self._store.url} is empty, and this installation has artifacts of its own "
            f"({self._file}). Upload them first: viecomrec artifacts push"
        )

    def _keep(self, content: bytes) -> None:
        # The note first: a crash in between leaves a note that does not fit, and all is read anew.
        self._remember(content)
        atomic_files.write_bytes(self._file, content, mode=self._mode)

    def _remember(self, content: bytes) -> None:
        note = _Read(url=self._store.url, tag=self._tag or "", sha256=_sha256(content))
        atomic_files.write_text(self._note, note.model_dump_json() + "\n")

    def _local(self) -> bytes | None:
        return self._file.read_bytes() if self._file.is_file() else None

    def _known(self) -> _Read | None:
        """The note, if it is about this store."""
        try:
            note = _Read.model_validate_json(self._note.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        return note if note.url == self._store.url else None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
