"""Deleting inside one tree and nowhere else."""

import os
import secrets
import shutil
import stat
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from viecomrec.adapters.atomic_files import rename, sync_folder
from viecomrec.domain.cleanup import Entry
from viecomrec.errors import CleanupError

TRASH = ".trash-"


class DeletionTree:
    """A folder whose content may be deleted; symbolic links are followed before it is believed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def entries(self, pattern: str) -> list[Entry]:
        """What matches and can be measured; hidden names (locks, half-written ones) never do."""
        found = [
            self.entry(path)
            for path in sorted(self._root.glob(pattern))
            if not any(part.startswith(".") for part in path.relative_to(self._root).parts)
        ]
        return [entry for entry in found if entry is not None]

    def entry(self, path: Path) -> Entry | None:
        """Its newest change and its real size; None where it vanished meanwhile."""
        try:
            stats = [one.lstat() for one in (path, *_inside(path))]
        except FileNotFoundError:
            return None
        return Entry(
            name=path.stem if stat.S_ISREG(stats[0].st_mode) else path.name,
            path=path,
            modified_at=datetime.fromtimestamp(max(one.st_mtime for one in stats), UTC),
            n_bytes=sum(one.st_size for one in stats if not stat.S_ISDIR(one.st_mode)),
            is_folder=path.is_dir(),
        )

    def require_inside(self, path: Path) -> None:
        """Raise CleanupError unless the path, all links followed, lies below the tree's root."""
        real, root = path.resolve(), self._root.resolve()
        if real == root or not real.is_relative_to(root):
            raise CleanupError(
                f"{path} leads to {real}, which is not inside {root}; nothing of this kind was "
                "deleted. Correct the entry, or remove the link by hand."
            )

    def put_away(self, entries: Iterable[Entry]) -> None:
        """Rename all out of sight, or none where one of them lies outside; `sweep` deletes them.

        A crash leaves each whole under its name or under none that loads.
        """
        chosen = list(entries)
        for entry in chosen:
            self.require_inside(entry.path)
        for entry in chosen:
            trash = entry.path.with_name(f"{TRASH}{secrets.token_hex(6)}")
            with suppress(FileNotFoundError):  # somebody else deleted it
                rename(entry.path, trash)
                sync_folder(trash.parent)

    def sweep(self) -> None:
        """Delete what was put away, by a killed cleanup too."""
        for trash in sorted(self._root.rglob(f"{TRASH}*")):
            self.require_inside(trash)
            _destroy(trash)


def _inside(path: Path) -> list[Path]:
    if path.is_symlink() or not path.is_dir():
        return []
    return [Path(folder) / name for folder, _, names in os.walk(path) for name in names]


def _destroy(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)  # removes links inside, never what they lead to
    else:
        path.unlink(missing_ok=True)
