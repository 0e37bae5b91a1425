"""What a model learns from and what it is measured on."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array


@dataclass(frozen=True)
class TrainingMatrices:
    """Training events only, trainable users x all products, both of one shape.

    `confidence` holds rating + comment quality in [1, 6], float32; the solver's c is
    1 + alpha x confidence (Hu, Koren, Volinsky 2008, equation 1). `binary` holds 1.0 where the
    pair is positive. Indices are sorted, no zero is stored, duplicates are resolved.
    """

    confidence: csr_array
    binary: csr_array

    def __post_init__(self) -> None:
        if self.confidence.shape != self.binary.shape:
            raise ValueError(f"shapes differ: {self.confidence.shape} and {self.binary.shape}")

    @property
    def n_users(self) -> int:
        return int(self.confidence.shape[0])

    @property
    def n_items(self) -> int:
        return int(self.confidence.shape[1])


@dataclass(frozen=True)
class HeldOut:
    """The held-out positive events of trainable users, long form: one row per target product.

    A user appears in validation or in test, never in both; all targets of a user belong to one
    event and are new to that user. int32, int32, bool, all of length n_targets.
    """

    user_index: NDArray[np.int32]
    item_index: NDArray[np.int32]
    is_validation: NDArray[np.bool_]

    @property
    def validation(self) -> "HeldOut":
        return self._where(self.is_validation)

    @property
    def test(self) -> "HeldOut":
        return self._where(~self.is_validation)

    @property
    def n_users(self) -> int:
        return len(np.unique(self.user_index))

    def _where(self, mask: NDArray[np.bool_]) -> "HeldOut":
        return HeldOut(self.user_index[mask], self.item_index[mask], self.is_validation[mask])


def build_matrices(cells: pl.DataFrame, n_users: int, n_items: int) -> TrainingMatrices:
    """Matrices of the cells (user_index, item_index, confidence, is_positive), one per pair."""
    rows, columns = cells["user_index"].to_numpy(), cells["item_index"].to_numpy()
    values = cells["confidence"].to_numpy().astype(np.float32)
    liked = cells["is_positive"].to_numpy()
    ones = np.ones(int(liked.sum()), dtype=np.float32)
    shape = (n_users, n_items)
    confidence = coo_array((values, (rows, columns)), shape=shape).tocsr()
    binary = coo_array((ones, (rows[liked], columns[liked])), shape=shape).tocsr()
    for matrix in (confidence, binary):
        matrix.sort_indices()
    return TrainingMatrices(confidence=confidence, binary=binary)
