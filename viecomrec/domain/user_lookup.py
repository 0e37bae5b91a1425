"""Finds the row of a user among hundreds of thousands without an object for each of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class UserLookup:
    """Sorted hashes with their rows, and all ids in one string of bytes to be sure.

    About 30 bytes a user, where a dictionary of strings takes 200. Valid in one process only,
    since Python's hashes are.
    """

    _hashes: NDArray[np.int64]
    _rows: NDArray[np.int32]
    _ids: bytes
    _ends: NDArray[np.int64]

    @classmethod
    def build(cls, user_ids: Sequence[str]) -> "UserLookup":
        """Row r is `user_ids[r]`."""
        hashes = np.fromiter(map(hash, user_ids), dtype=np.int64, count=len(user_ids))
        order = np.argsort(hashes, kind="stable")
        encoded = [user_id.encode() for user_id in user_ids]
        lengths = np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded))
        return cls(hashes[order], order.astype(np.int32), b"".join(encoded), np.cumsum(lengths))

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, user_id: str) -> int | None:
        """The row of a user; None for an unknown one."""
        wanted = hash(user_id)
        place = int(self._hashes.searchsorted(wanted))
        while place < len(self._hashes) and self._hashes[place] == wanted:
            row = int(self._rows[place])
            if self._id(row) == user_id.encode():
                return row
            place += 1
        return None

    def rows(self, user_ids: Sequence[str]) -> NDArray[np.int32]:
        """The row of each user; -1 for an unknown one."""
        if len(self) == 0:
            return np.full(len(user_ids), -1, dtype=np.int32)
        wanted = np.fromiter(map(hash, user_ids), dtype=np.int64, count=len(user_ids))
        places = self._hashes.searchsorted(wanted)
        rows: NDArray[np.int32] = self._rows[np.minimum(places, len(self) - 1)]
        for index, (row, user_id) in enumerate(zip(rows.tolist(), user_ids, strict=True)):
            if self._id(row) != user_id.encode():
                # Unknown, or another user has the same hash.
                one = self.row(user_id)
                rows[index] = -1 if one is None else one
        return rows

    def _id(self, row: int) -> bytes:
        start = int(self._ends[row - 1]) if row else 0
        return self._ids[start : int(self._ends[row])]
