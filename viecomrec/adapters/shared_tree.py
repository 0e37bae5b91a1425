"""Deleting versions and models both here and in the store that several hosts share."""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from viecomrec.adapters.deletion import DeletionTree
from viecomrec.adapters.sharing import KeptFolders, SharedFolder
from viecomrec.domain.cleanup import Entry


class SharedTree(DeletionTree):
    """What lies in a folder, in the store, or in both; the store's age counts where it has one.

    `kept` names the folders of the store by their place below the root, "." for the root itself.
    """

    def __init__(self, root: Path, kept: Mapping[str, KeptFolders]) -> None:
        super().__init__(root)
        self._kept = kept

    def entries(self, pattern: str) -> list[Entry]:
        found = {entry.path: entry for entry in super().entries(pattern)}
        for place, folders in self._kept.items():
            if PurePosixPath(place, "name").match(pattern):
                for shared in folders.listed():
                    path = self._root / place / shared.name
                    found[path] = _united(found.get(path), shared, path)
        return [found[path] for path in sorted(found)]

    def entry(self, path: Path) -> Entry | None:
        here = super().entry(path)
        folders = self._folders_of(path)
        there = [] if folders is None else folders.listed()
        shared = next((one for one in there if one.name == path.name), None)
        return here if shared is None else _united(here, shared, path)

    def put_away(self, entries: Iterable[Entry]) -> None:
        """Out of sight here, then gone from the store; a crash in between leaves the latter."""
        chosen = list(entries)
        super().put_away(chosen)
        for entry in chosen:
            folders = self._folders_of(entry.path)
            if folders is not None:
                folders.remove(entry.name)

    def sweep(self) -> None:
        super().sweep()
        for folders in self._kept.values():
            folders.forget_removed()

    def _folders_of(self, path: Path) -> KeptFolders | None:
        return self._kept.get(path.parent.relative_to(self._root).as_posix())


def _united(here: Entry | None, shared: SharedFolder, path: Path) -> Entry:
    n_bytes = shared.n_bytes + (0 if here is None else here.n_bytes)
    return Entry(shared.name, path, shared.modified_at, n_bytes, is_folder=True)
