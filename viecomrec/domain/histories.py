"""What each user has done, as one flat table: the memory of the service."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viecomrec.domain.interactions import RATED
from viecomrec.domain.user_lookup import UserLookup


@dataclass(frozen=True)
class History:
    """The events of one user, oldest first: columns, confidences, and how strong each kind is.

    `strengths` orders kinds as the training does: a rating, then a purchase, a cart, a view.
    """

    items: NDArray[np.int32]
    confidences: NDArray[np.float32]
    strengths: NDArray[np.int8]

    @classmethod
    def rated(cls, items: Sequence[int], confidence: float) -> "History":
        """Products that somebody says to like, all with the same confidence."""
        n = len(items)
        return cls(
            np.array(items, dtype=np.int32),
            np.full(n, confidence, dtype=np.float32),
            np.full(n, RATED, dtype=np.int8),
        )

    def __len__(self) -> int:
        return len(self.items)

    def and_then(self, later: "History") -> "History":
        return History(
            np.concatenate([self.items, later.items]),
            np.concatenate([self.confidences, later.confidences]),
            np.concatenate([self.strengths, later.strengths]),
        )

    def resolved(self, group_of: NDArray[np.int32]) -> "History":
        """Each product once, as in the training matrix, in the order of first appearance.

        Of several events with one product the strongest kind counts, then the latest: a newer
        review corrects an older one. Variants of one product (equal `group_of`) are one product
        with the highest of their confidences; the first stands for all.
        """
        groups: list[int] = group_of[self.items].tolist()
        if len(set(groups)) == len(groups):
            return self
        kept = _of_each_item(self.items.tolist(), self.strengths.tolist())
        standing: dict[int, int] = {}
        highest: dict[int, float] = {}
        for item, place in kept.items():
            group = int(group_of[item])
            standing.setdefault(group, place)
            highest[group] = max(highest.get(group, 0.0), float(self.confidences[place]))
        places = list(standing.values())
        return History(
            self.items[places],
            np.array(list(highest.values()), dtype=np.float32),
            self.strengths[places],
        )


def _of_each_item(items: list[int], strengths: list[int]) -> dict[int, int]:
    """The place of the event that counts for each item, items in order of first appearance."""
    kept: dict[int, int] = {}
    for place, (item, strength) in enumerate(zip(items, strengths, strict=True)):
        if item not in kept or strength >= strengths[kept[item]]:
            kept[item] = place
    return kept


NO_HISTORY = History(
    np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32), np.empty(0, dtype=np.int8)
)


@dataclass(frozen=True)
class Histories:
    """Histories of all users, trainable or not; held-out events are in them too.

    User r owns the entries `offsets[r]:offsets[r + 1]` of the other arrays, oldest first.
    """

    users: UserLookup
    offsets: NDArray[np.int64]
    items: NDArray[np.int32]
    confidences: NDArray[np.float32]
    strengths: NDArray[np.int8]

    def of(self, user_id: str) -> History:
        """The user's history; an empty one for an unknown user."""
        return self.at(self.events_of(user_id))

    def at(self, events: slice) -> History:
        """What stands at some place of the arrays."""
        return History(self.items[events], self.confidences[events], self.strengths[events])

    def events_of(self, user_id: str) -> slice:
        """Where the user's events stand in the arrays; an empty slice for an unknown user."""
        row = self.users.row(user_id)
        if row is None:
            return slice(0, 0)
        return slice(int(self.offsets[row]), int(self.offsets[row + 1]))

    def events_of_all(self, user_ids: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """As `events_of` for each user: where the events begin and where they end."""
        rows = self.users.rows(user_ids)
        known = rows >= 0
        starts, ends = np.zeros((2, len(rows)), dtype=np.int64)
        starts[known], ends[known] = self.offsets[rows[known]], self.offsets[rows[known] + 1]
        return starts, ends

    def __contains__(self, user_id: str) -> bool:
        return self.users.row(user_id) is not None
