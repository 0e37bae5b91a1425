"""Variants of one product are one product: a shop repeats one review on each of its pages.

Models learn and are measured over variant groups; every variant then carries the factors of its
group, so that `V.npy` has a row for each product of the catalogue.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from viecomrec.domain.matrices import HeldOut, TrainingMatrices

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class VariantGroups:
    """`group_of` (n_items,) names the group of each item by a number without gaps."""

    group_of: NDArray[np.int32]

    @classmethod
    def from_names(cls, names: Sequence[str]) -> "VariantGroups":
        """Items with equal names are variants; groups stand in the order of their first item."""
        number: dict[str, int] = {}
        groups = [number.setdefault(name, len(number)) for name in names]
        return cls(np.array(groups, dtype=np.int32))

    @property
    def n_groups(self) -> int:
        return int(self.group_of.max(initial=-1)) + 1

    def matrices(self, items: TrainingMatrices) -> TrainingMatrices:
        """Users x groups: a user's confidence in a product is the highest in its variants."""
        return TrainingMatrices(self._merged(items.confidence), self._merged(items.binary))

    def held_out(self, items: HeldOut) -> HeldOut:
        """Targets as groups, each once per user."""
        groups = self.group_of[items.item_index]
        _, kept = np.unique(np.stack([items.user_index, groups], axis=1), axis=0, return_index=True)
        return HeldOut(items.user_index[kept], groups[kept], items.is_validation[kept])

    def content(self, items: Floats) -> Floats:
        """The mean text of the variants, n_groups x d; zero where no variant has a text."""
        members = np.bincount(
            self.group_of[np.abs(items).max(axis=1, initial=0) > 0], minlength=self.n_groups
        )
        total = np.zeros((self.n_groups, items.shape[1]), dtype=np.float32)
        np.add.at(total, self.group_of, items)
        mean: Floats = total / np.maximum(members, 1).astype(np.float32)[:, None]
        return mean

    def expand(self, rows: Floats) -> Floats:
        """One row per item from one row per group."""
        return np.ascontiguousarray(rows[self.group_of])

    def _merged(self, items: csr_array) -> csr_array:
        users = np.repeat(np.arange(items.shape[0]), np.diff(items.indptr))
        pairs = users * np.int64(max(self.n_groups, 1)) + self.group_of[items.indices]
        distinct, place = np.unique(pairs, return_inverse=True)
        highest = np.zeros(len(distinct), dtype=np.float32)
        np.maximum.at(highest, place, items.data.astype(np.float32))
        rows, columns = np.divmod(distinct, max(self.n_groups, 1))
        indptr = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=items.shape[0]))))
        return csr_array((highest, columns, indptr), shape=(items.shape[0], self.n_groups))
