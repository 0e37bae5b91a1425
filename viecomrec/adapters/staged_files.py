"""Taking files out of the staging folder: exactly what was read, nothing that came after."""

import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from viecomrec.adapters import atomic_files
from viecomrec.adapters.raw_files import open_table
from viecomrec.adapters.staging import CLAIMED, is_segment, segment_lock, segments
from viecomrec.domain.contracts import EVENTS
from viecomrec.domain.event_rows import rows_of_lines, rows_of_table
from viecomrec.errors import InputError

SETTLE_SECONDS = 5.0
"""A file that a person drops is left alone until nobody has written to it for this long."""

_LINES = (".jsonl", ".ndjson", ".json")
_TABLES = (".csv", ".tsv", ".txt", ".gz")


@dataclass(frozen=True)
class Claim:
    """A staged file that was taken: `source` names it for ever, `path` is where it lies now."""

    source: str
    path: Path
    is_shared: bool = False
    """Whether other hosts take the same rows under this name."""


class StagedFiles:
    """The files of `data/staging/`: segments of the log, and whatever people drop there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def claim(self, now: datetime) -> list[Claim]:
        """Take every segment and every settled dropped file; earlier claims come first.

        A claimed file keeps its content until `remove`, so that a crash only means reading it
        again. Raises InputError where a dropped file cannot be read; it is left in place.
        """
        for segment in segments(self._folder):
            _claim_segment(segment)
        for dropped in self._dropped(now):
            read_rows(dropped, dropped.name)  # a file that cannot be read is not taken
            taken = dropped.with_name(f"{dropped.name}.{secrets.token_hex(4)}{CLAIMED}")
            atomic_files.rename(dropped, taken)
        if self._folder.is_dir():
            atomic_files.sync_folder(self._folder)
        return self._claimed()

    def waiting(self, now: datetime) -> list[Claim]:
        """What a merge would read; nothing is changed."""
        unclaimed = [*segments(self._folder), *self._dropped(now)]
        return [*self._claimed(), *(Claim(path.name, path) for path in unclaimed)]

    def n_elsewhere(self) -> int:
        """How many events wait in a place that is no file."""
        return 0

    def remove(self, claims: list[Claim]) -> None:
        for claim in claims:
            claim.path.unlink(missing_ok=True)

    def strangers(self) -> list[str]:
        """Files that are neither events nor ours; they are left alone, and worth a word."""
        paths = [path for path in sorted(self._folder.glob("*")) if path.is_file()]
        return [
            path.name
            for path in paths
            if not path.name.startswith(".") and path.suffix != CLAIMED and not _is_readable(path)
        ]

    def _claimed(self) -> list[Claim]:
        paths = sorted(self._folder.glob(f"*{CLAIMED}"))
        return [Claim(path.name.removesuffix(CLAIMED), path) for path in paths]

    def _dropped(self, now: datetime) -> Iterator[Path]:
        for path in sorted(self._folder.glob("*")):
            is_hidden = path.name.startswith(".") or path.suffix == CLAIMED
            if is_hidden or is_segment(path.name) or not path.is_file():
                continue
            if not _is_readable(path):
                continue
            if now.timestamp() - path.stat().st_mtime >= SETTLE_SECONDS:
                yield path


def _is_readable(path: Path) -> bool:
    return path.suffix.lower() in (*_LINES, *_TABLES)


def read_rows(path: Path, source: str) -> pl.DataFrame:
    """The event rows of a segment, a dropped file or a file at the door, unchecked.

    The last line of a segment counts only when it is complete: its writer was killed before
    `append` returned. Raises InputError where the file has no columns of events or no UTF-8.
    """
    name = source.lower()
    plain = name if name.endswith((*_LINES, *_TABLES)) else name.rsplit(".", 1)[0]
    if not plain.endswith(_LINES):
        return rows_of_table(open_table(path, EVENTS, {}).read(), source)
    content = path.read_bytes()
    if is_segment(plain):
        content = content[: content.rfind(b"\n") + 1]
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: not UTF-8. Write the events again as UTF-8."
        ) from error
    return rows_of_lines(lines, source)


def _claim_segment(segment: Path) -> None:
    lock = segment_lock(segment)
    with lock:
        if segment.exists():
            atomic_files.rename(segment, segment.with_name(segment.name + CLAIMED))
    # Nobody writes under this name again: a writer that finds it gone begins another.
    with suppress(PermissionError):  # Windows: the writer is waiting for it just now
        Path(lock.lock_file).unlink(missing_ok=True)
