"""The staging log: append-only files of JSON lines, one for each writing process."""

import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import structlog
from filelock import FileLock
from pydantic import ValidationError

from viecomrec.adapters import atomic_files
from viecomrec.domain.events import Event

CLAIMED = ".claimed"

_SEGMENT = re.compile(r"events-\d+-[0-9a-f]{12}\.jsonl")

log = structlog.get_logger()


class StagingLog:
    """`data/staging/`: what `append` returned from is on disk, is readable, and will be merged.

    Each process writes files of its own, so that lines never mix. A reader takes whole lines
    only: a half-written one is not there yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._segment: Path | None = None

    def append(self, events: Sequence[Event]) -> None:
        """Write the events and have them on disk (fsync) before returning; all or none."""
        if not events:
            return
        content = "".join(event.as_line() + "\n" for event in events).encode()
        # A merge or an erasure takes a segment away under its lock; then a new one begins.
        while self._segment is None or not _append_to_existing(self._segment, content):
            self._segment = self._new_segment()

    def pending(self) -> list[Event]:
        """Every event that is not in a published snapshot yet, the same id once."""
        events, _ = self.read_from({})
        return list({event.event_id: event for event in reversed(events)}.values())[::-1]

    def read_from(self, position: Mapping[str, int]) -> tuple[list[Event], dict[str, int]]:
        """The events that came after `position` ({} is the beginning), and the new position.

        Files that were taken away since drop out of the position; an event may come twice,
        never not at all. Lines that are no events are skipped with a warning.
        """
        events: list[Event] = []
        reached: dict[str, int] = {}
        for file in self._readable():
            try:
                # A rewritten file is another one, though it has the same name.
                name = f"{file.name.removesuffix(CLAIMED)}@{file.stat().st_ino}"
            except FileNotFoundError:  # merged between the listing and the reading
                continue
            lines, reached[name] = _whole_lines(file, position.get(name, 0))
            events.extend(_parsed(lines, name))
        return events, reached

    def _readable(self) -> list[Path]:
        """Segments, claimed ones included."""
        files = sorted(self._folder.glob("events-*"))
        return [file for file in files if is_segment(file.name.removesuffix(CLAIMED))]

    def _new_segment(self) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        segment = new_segment_path(self._folder)
        segment.touch()
        atomic_files.sync_folder(self._folder)
        return segment


def is_segment(name: str) -> bool:
    """Whether a file is one of ours; anything else in the folder was dropped by somebody."""
    return _SEGMENT.fullmatch(name) is not None


def segments(folder: Path) -> list[Path]:
    """The segments that no merge has claimed."""
    return [path for path in sorted(folder.glob("events-*")) if is_segment(path.name)]


def new_segment_path(folder: Path) -> Path:
    """A name that nobody had before, and nobody will have again."""
    return folder / f"events-{os.getpid()}-{secrets.token_hex(6)}.jsonl"


def segment_lock(segment: Path) -> FileLock:
    """Excludes the writer of a segment from whoever takes it away."""
    return FileLock(segment.with_name(f".{segment.name}.lock"), timeout=30)


def _append_to_existing(segment: Path, content: bytes) -> bool:
    """Append to the segment unless it was taken away; a full disk leaves no half of a batch."""
    with segment_lock(segment):
        try:
            descriptor = os.open(segment, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            return False
        try:
            _write_all(descriptor, content)
        finally:
            os.close(descriptor)
    return True


def _write_all(descriptor: int, content: bytes) -> None:
    before = os.fstat(descriptor).st_size
    try:
        written = 0
        while written < len(content):
            written += os.write(descriptor, content[written:])
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, before)
        raise


def _whole_lines(file: Path, start: int) -> tuple[list[bytes], int]:
    """The complete lines from byte `start` on, and the byte after the last of them."""
    try:
        with file.open("rb") as stream:
            stream.seek(start)
            content = stream.read()
    except FileNotFoundError:  # merged between the listing and the reading
        return [], start
    complete = content[: content.rfind(b"\n") + 1]
    return complete.splitlines(), start + len(complete)


def _parsed(lines: Sequence[bytes], name: str) -> Iterator[Event]:
    for line in lines:
        try:
            yield Event.model_validate_json(line)
        except ValidationError as error:
            log.warning("a staged line is no event", file=name, error=str(error))
