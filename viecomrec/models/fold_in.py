"""Vectors for users whom the training did not see: exactly the solver's own row solve.

NumPy alone, so that the service starts without a compiler. `models.row_solver` solves the same
equations for many rows; a test holds the two together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class FoldIn:
    """Folds users in on frozen item factors, one row per product (variant group).

    The user's x minimises  sum_{i in S} (w0 + w_i)(1 - x.v_i)^2 + w0 sum_{i not in S} (x.v_i)^2
    + ridge |x|^2  with w_i = alpha x confidence (Hu, Koren, Volinsky 2008, equation 4).
    """

    item: Floats
    alpha: float
    unobserved_weight: float
    regularization: float
    regularization_exponent: float
    group_of: NDArray[np.int32] | None = None
    length: float | None = None
    """Vectors are stretched to this length where a bias beside V gives scores a scale (BPR)."""

    @classmethod
    def from_model(
        cls,
        item_factors: Floats,
        params: Mapping[str, Any],
        group_of: NDArray[np.int32] | None = None,
    ) -> "FoldIn":
        """`params` is the content of `params.json`; its key `solver` says how rows are solved.

        `group_of` (n_items,) numbers variant groups without gaps; variants count once then, as
        in the training. Without it each item is a product of its own.
        """
        solver = params["solver"]
        if group_of is not None:
            item_factors = item_factors[representatives(item_factors, group_of)]
        return cls(
            group_of=group_of,
            item=item_factors,
            alpha=float(solver["alpha"]),
            unobserved_weight=float(solver["unobserved_weight"]),
            regularization=float(solver["regularization"]),
            regularization_exponent=float(solver["regularization_exponent"]),
            length=solver.get("length"),
        )

    @cached_property
    def _basis(self) -> tuple[Floats, Floats, Floats]:
        """Eigenvalues of w0 V'V, eigenvectors Q, and V Q: computed once for all users."""
        gram = self.item.T @ self.item
        values, vectors = np.linalg.eigh(gram.astype(np.float64))
        shared = (np.maximum(values, 0) * self.unobserved_weight).astype(np.float32)
        rotation = np.ascontiguousarray(vectors, dtype=np.float32)
        return shared, rotation, self.item @ rotation

    def user_vector(self, item_indices: NDArray[Any], confidences: NDArray[Any]) -> Floats:
        """The factors (factors,) of one user with these interactions; zeros without any.

        `confidences` (all > 0) belong to `item_indices`; an index occurs once. Of several variants
        of one product the highest confidence counts.
        """
        if self.group_of is not None:
            item_indices, confidences = _merged(self.group_of[item_indices], confidences)
        if len(item_indices) == 0:
            return np.zeros(self.item.shape[1], dtype=np.float32)
        shared, rotation, rotated = self._basis
        weights = np.float32(self.alpha) * np.asarray(confidences, dtype=np.float32)
        diagonal = shared + self._ridge(weights)
        rows = rotated[item_indices]
        target = np.float32(self.unobserved_weight) + weights
        if len(weights) <= len(shared):
            scaled = rows / diagonal
            system = scaled @ rows.T
            system.flat[:: len(weights) + 1] += 1 / weights
            solution = np.linalg.solve(system, target / weights) @ scaled
        else:
            system = (rows.T * weights) @ rows
            system.flat[:: len(shared) + 1] += diagonal
            solution = np.linalg.solve(system, target @ rows)
        return self._stretched(rotation @ solution)

    def _stretched(self, vector: Floats) -> Floats:
        norm = float(np.linalg.norm(vector))
        if self.length is None or norm == 0:
            return vector
        return vector * np.float32(self.length / norm)

    def _ridge(self, weights: Floats) -> np.float32:
        if self.regularization_exponent == 0:
            return np.float32(self.regularization)
        mass = float(weights.sum()) + self.unobserved_weight * self.item.shape[0]
        return np.float32(self.regularization * mass**self.regularization_exponent)


def representatives(item: Floats, group_of: NDArray[np.int32]) -> NDArray[np.intp]:
    """One row for each group: the longest, so that a new variant's zero row never stands for it."""
    lengths = np.einsum("nf,nf->n", item, item)
    order = np.lexsort((-lengths, group_of))
    _, first = np.unique(group_of[order], return_index=True)
    rows: NDArray[np.intp] = order[first]
    return rows


def _merged(groups: NDArray[Any], confidences: NDArray[Any]) -> tuple[NDArray[Any], Floats]:
    if len(groups) == len(set(groups.tolist())):
        return groups, confidences
    distinct, place = np.unique(groups, return_inverse=True)
    highest = np.zeros(len(distinct), dtype=np.float32)
    np.maximum.at(highest, place, confidences)
    return distinct, highest
