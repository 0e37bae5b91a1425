"""One zip file with the state of an installation; each member is checked by its hash."""

import hashlib
import io
import os
import secrets
import shutil
import sqlite3
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from viecomrec.adapters import atomic_files
from viecomrec.domain.backup import MANIFEST, BackupManifest, require_restorable
from viecomrec.errors import BackupError

CHUNK = 1 << 20
SPOOL_BYTES = 16 << 20
"""A copy larger than this goes to the disk, not into memory."""

STABLE_ATTEMPTS = 5
LOCK_FOLDERS = frozenset({"locks", ".locks"})
UNREADABLE = (
    OSError,
    KeyError,
    EOFError,
    ValidationError,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,  # a method of compression that a flipped bit made up
    RuntimeError,  # a flipped bit says that a member is encrypted
)


class BackupWriter:
    """Adds files under their names from the project root, and their hashes to the manifest."""

    def __init__(self, archive: zipfile.ZipFile, root: Path) -> None:
        self._archive = archive
        self._root = root
        self.sha256: dict[str, str] = {}

    def add_content(self, name: str, content: bytes) -> None:
        self._add_stream(name, io.BytesIO(content))

    def add_file(self, file: Path) -> None:
        """Add a file as it was at one instant; one that vanishes meanwhile is left out.

        A file that changes while it is read is read again; one that only grows (a log) is cut
        where it ended at the first look.
        """
        for _ in range(STABLE_ATTEMPTS):
            with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as copy:
                try:
                    is_stable = _copy_at_one_instant(file, copy)
                except FileNotFoundError:
                    return
                if is_stable:
                    copy.seek(0)
                    self._add_stream(self.name_of(file), copy)
                    return
        raise BackupError(f"{file} is being written all the time; try again when that has ended.")

    def _add_stream(self, name: str, source: IO[bytes]) -> None:
        if name in self.sha256:
            return
        digest = hashlib.sha256()
        with self._archive.open(name, "w", force_zip64=True) as target:
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                target.write(chunk)
        self.sha256[name] = digest.hexdigest()

    def add_folder(self, folder: Path) -> None:
        """Add all files below; names that begin with a dot are somebody's unfinished work."""
        for file in sorted(folder.rglob("*")):
            parts = file.relative_to(folder).parts
            if file.is_file() and not any(part.startswith(".") for part in parts):
                self.add_file(file)

    def add_database(self, file: Path) -> None:
        """Add a consistent copy of an SQLite file, whoever writes to it meanwhile."""
        if not file.is_file():
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / file.name
            try:
                with (
                    closing(sqlite3.connect(file, timeout=30)) as source,
                    closing(sqlite3.connect(copy)) as target,
                ):
                    source.backup(target)
            except sqlite3.Error as error:
                raise BackupError(f"{file} cannot be copied: {error}") from error
            with copy.open("rb") as content:
                self._add_stream(self.name_of(file), content)

    def name_of(self, file: Path) -> str:
        return file.relative_to(self._root).as_posix()


def _copy_at_one_instant(file: Path, copy: IO[bytes]) -> bool:
    """Copy the bytes there were at the first look; whether they are one state of the file."""
    before = file.stat()
    left = before.st_size
    with file.open("rb") as source:
        while left and (chunk := source.read(min(CHUNK, left))):
            copy.write(chunk)
            left -= len(chunk)
    after = file.stat()
    if before.st_ino == after.st_ino and file.suffix in {".jsonl", ".log"}:
        return True
    return (before.st_size, before.st_mtime_ns, before.st_ino) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ino,
    )


@contextmanager
def new_archive(file: Path, root: Path) -> Iterator[BackupWriter]:
    """Yield a writer; the archive appears under its name when it is whole, or never."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}.tmp")
    try:
        # Who may read a backup may read the shop's customers and the addresses of its alerts.
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with (
            os.fdopen(descriptor, "w+b") as target,
            zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        ):
            yield BackupWriter(archive, root)
        atomic_files.sync_file(temporary)
        temporary.replace(file)
        atomic_files.sync_folder(file.parent)
    finally:
        temporary.unlink(missing_ok=True)


def add_manifest(writer: BackupWriter, manifest: BackupManifest) -> None:
    writer.add_content(MANIFEST, manifest.model_dump_json(indent=2).encode())


def extract(file: Path, folder: Path) -> BackupManifest:
    """Check the whole archive and write it below `folder`, which must not exist yet.

    BackupError where it is torn, altered, of a newer program, or leads outside.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = BackupManifest.model_validate_json(archive.read(MANIFEST))
            require_restorable(manifest, archive.namelist())
            for name, expected in manifest.sha256.items():
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                if _copy_member(archive, name, target) != expected:
                    raise BackupError(f"{file} is damaged: {name} was altered.")
    except UNREADABLE as error:
        raise BackupError(f"{file} is no whole backup of VieComRec: {error}") from error
    return manifest


def _copy_member(archive: zipfile.ZipFile, name: str, target: Path) -> str:
    digest = hashlib.sha256()
    with archive.open(name) as source, target.open("wb") as out:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def move_into_place(restored: Path, root: Path, aside: Path) -> None:
    """Put what was restored into `root`; what stood there under its names moves to `aside`.

    Locks stay where they are: the restoring run holds them, and others ask for them there.
    """
    for folder in sorted(restored.iterdir()):
        target = root / folder.name
        target.mkdir(exist_ok=True)
        for standing in sorted(target.iterdir()):
            if standing.name not in LOCK_FOLDERS:
                (aside / folder.name).mkdir(parents=True, exist_ok=True)
                standing.replace(aside / folder.name / standing.name)
        for child in sorted(folder.iterdir()):
            child.replace(target / child.name)
        atomic_files.sync_folder(target)
    atomic_files.sync_folder(root)
    shutil.rmtree(restored, ignore_errors=True)
