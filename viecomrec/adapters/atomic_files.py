"""Files that a crash leaves old or new, never torn."""

import glob
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import lock_descriptor

WINDOWS_WAITS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if os.name == "nt" else ()
"""Seconds between attempts at a rename; elsewhere open files never stand in the way."""


def write_bytes(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Replace `path` in one step: temporary file, fsync, rename, fsync of the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        descriptor = os.open(temporary, flags, 0o666 if mode is None else mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Replace `path` by readable JSON; Vietnamese stays Vietnamese, NaN is refused."""
    write_bytes(path, json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """Readable JSON as it stands in a file."""
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    return (text + "\n").encode()


def append_line(path: Path, line: str) -> None:
    """Append one line and have it on disk before returning.

    Lines of two processes never mix, and a line that a crash or a full disk tore does not swallow
    the next one. Writers take turns: who looks while another writes sees half of its line, and
    would take it for a torn one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
    with _turn(path.with_name(f".{path.name}.lock")):
        descriptor = os.open(path, flags, 0o666)
        try:
            start = "\n" if _ends_torn(descriptor) else ""
            os.write(descriptor, (start + line.rstrip("\n") + "\n").encode("utf-8"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _turn(lock: Path) -> Iterator[None]:
    # A file beside it, since on Windows a lock on the log itself would shut its readers out.
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        lock_descriptor(descriptor, blocking=True, poll_interval=0.005)
        yield
    finally:
        os.close(descriptor)  # which frees the lock


def _ends_torn(descriptor: int) -> bool:
    if os.fstat(descriptor).st_size == 0:
        return False
    os.lseek(descriptor, -1, os.SEEK_END)
    return os.read(descriptor, 1) != b"\n"


@contextmanager
def new_file(final: Path) -> Iterator[Path]:
    """Yield a path to write to that replaces `final` in one step at the end, or disappears."""
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_name(f".{final.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        sync_file(temporary)
        rename(temporary, final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(final.parent)


@contextmanager
def new_folder(final: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes `final` as a whole at the end, or disappears.

    If `final` exists already (another process published the same content), it stays.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_name(f".{final.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    temporary.mkdir()
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                sync_file(file)
        sync_folder(temporary)
        if not final.exists():
            rename(temporary, final)
            sync_folder(final.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def rename(source: Path, target: Path) -> None:
    """Put `source` in the place of `target` in one step.

    Windows refuses while any reader has `target` open. Readers here hold a file for
    milliseconds, so asking again for a while is right; who holds it longer gets the error.
    """
    for wait in WINDOWS_WAITS:
        try:
            source.replace(target)
        except PermissionError:
            time.sleep(wait)
        else:
            return
    source.replace(target)


def sweep_leftovers(folder: Path, older_than_seconds: float = 3600) -> None:
    """Remove temporary files and folders that a killed process left in `folder`.

    A living writer's are younger: writing takes seconds.
    """
    for path in folder.glob(".*.tmp"):
        if time.time() - path.stat().st_mtime < older_than_seconds:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def remove_leftovers_of(final: Path) -> None:
    """Remove what killed processes left of new contents of `final`, however young.

    A living writer of the same file fails and leaves it as it was.
    """
    for path in final.parent.glob(f".{glob.escape(final.name)}.*.tmp"):
        path.unlink(missing_ok=True)


def sync_file(path: Path) -> None:
    """Have a file on disk; one that is read-only is a link to a file that is there already."""
    if not os.access(path, os.W_OK):
        return
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable. Windows has no handle for this and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
