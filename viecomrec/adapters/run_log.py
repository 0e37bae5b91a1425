"""Which of the log files tells of a run: the one that names its id."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

STAMP = re.compile(r"_(\d{8}_\d{6})(?:_\d+)?\.log")
N_TRIED = 10
HEAD_BYTES, TAIL_BYTES = 262_144, 65_536


def find_run_log(
    folders: Sequence[Path], pipeline: str, run_id: str, started: datetime
) -> Path | None:
    """The log of the process that did a run; None where none was written, or it is gone.

    `started` is local without offset, as the names of the logs are. A run says its id when it
    starts and when it ends, so that its log is known for certain, whatever the job is called.
    """
    for folder in folders:
        for file in _candidates(folder, pipeline, started):
            if _names(file, run_id.encode()):
                return file
    return None


def newest(files: Iterable[Path]) -> Path | None:
    """The file that was written last; one that cleanup takes away meanwhile does not count."""
    written = []
    for file in files:
        try:
            written.append((file.stat().st_mtime, file))
        except FileNotFoundError:
            continue
    return max(written)[1] if written else None


def read_end(file: Path, max_bytes: int) -> tuple[str, bool] | None:
    """The last whole lines of a log, at most `max_bytes` of them, and whether any were left out.

    None where the log was deleted since it was found.
    """
    try:
        with file.open("rb") as log:
            left_out = log.seek(0, os.SEEK_END) > max_bytes
            log.seek(-max_bytes if left_out else 0, os.SEEK_END if left_out else os.SEEK_SET)
            content = log.read(max_bytes)
    except FileNotFoundError:
        return None
    if left_out:
        content = content.partition(b"\n")[2] or content
    return content.decode("utf-8", "replace"), left_out


def read_after(file: Path, offset: int, max_bytes: int) -> tuple[str, int] | None:
    """What was written after `offset`, at most the last `max_bytes` of it, and where it ends.

    A log that is shorter than `offset` is read from its beginning; None where it was deleted.
    """
    try:
        with file.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(offset if offset <= size else 0, size - max_bytes))
            return log.read(max_bytes).decode("utf-8", "replace"), log.tell()
    except FileNotFoundError:
        return None


def _candidates(folder: Path, pipeline: str, started: datetime) -> Iterator[Path]:
    """Logs of jobs that began last before the run, then the one that a door's caller keeps."""
    last = f"{started:%Y%m%d_%H%M%S}"
    logs = list(folder.glob("*.log"))
    stamped = [(stamp[1], log) for log in logs if (stamp := STAMP.search(log.name))]
    earlier = sorted((one for one in stamped if one[0] <= last), reverse=True)
    yield from (log for _, log in earlier[:N_TRIED])
    yield from (log for log in logs if log.name == f"{pipeline}.log")


def _names(file: Path, run_id: bytes) -> bool:
    """Whether the id stands near the beginning or the end; False for a log just cleaned up."""
    try:
        with file.open("rb") as log:
            if run_id in log.read(HEAD_BYTES):
                return True
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
            return run_id in log.read()
    except FileNotFoundError:
        return False
