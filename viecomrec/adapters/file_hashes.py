"""SHA-256 of large files, calculated again only when a file was touched."""

import json
import time
from pathlib import Path

from viecomrec.adapters import atomic_files
from viecomrec.adapters.raw_files import not_allowed

SETTLED_NS = 2_000_000_000
"""A file that was touched less than this long before it was read may be written to once more
within one tick of the file system's clock, so its hash is not remembered."""


class FileHashes:
    """What was read is remembered by size, inode and the instants of the last changes.

    A file counts as untouched only when all of them are the same; a lost record costs a reading.
    """

    def __init__(self, record: Path) -> None:
        self._record = record

    def sha256(self, path: Path, *, remember: bool) -> str:
        """The hash of what the file holds; with `remember` it is kept for the next time."""
        known = self._read()
        name, state = str(path.resolve()), _state(path)
        if known.get(name, {}).get("state") == state:
            return str(known[name]["sha256"])
        started = time.time_ns()
        try:
            found = atomic_files.sha256(path)
        except PermissionError as error:
            raise not_allowed(path) from error
        is_settled = max(state[1:3]) < started - SETTLED_NS and _state(path) == state
        if remember and is_settled:
            atomic_files.write_json(
                self._record, {**known, name: {"state": state, "sha256": found}}
            )
        return found

    def _read(self) -> dict[str, dict[str, object]]:
        try:
            content = json.loads(self._record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}


def _state(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
