"""One row of alternating least squares, solved exactly.

With the other side's factors Y fixed, a row x with observed columns S minimises
(Hu, Koren, Volinsky 2008, equation 3, with the unobserved weight w0 written out)

    sum_{i in S} (w0 + w_i) (1 - x.y_i)^2  +  w0 sum_{i not in S} (x.y_i)^2  +  ridge |x|^2

where w_i = alpha x confidence. In the eigenbasis of Y'Y the part that all rows share is diagonal,
so that a row with n < factors entries costs an n x n system (Woodbury) whatever its own ridge.
Long rows build their factors x factors system with BLAS. Both are exact up to float32.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from viecomrec.models.row_kernels import solve_rows
from viecomrec.models.threads import run_parts

Floats = NDArray[np.float32]

_PARTS_PER_THREAD = 8

_WORTH_A_THREAD = 50_000
"""Cost below which handing rows to other threads takes longer than solving them."""


@dataclass(frozen=True)
class RowSolver:
    """Solves rows against `fixed` (n_columns x factors, float32, C order).

    The ridge of a row is strength x (mass + w0 x n_columns)^exponent with mass = sum of its w_i:
    exponent 0 is the plain one, 1 the frequency-scaled one of Rendle et al. 2022 (equation 5).
    """

    fixed: Floats
    unobserved_weight: float
    strength: float
    exponent: float
    threads: int = 1

    @cached_property
    def _basis(self) -> tuple[Floats, Floats, Floats]:
        """Eigenvalues of w0 Y'Y, eigenvectors Q, and Y Q."""
        gram = self.fixed.T @ self.fixed
        values, vectors = np.linalg.eigh(gram.astype(np.float64))
        shared = np.maximum(values, 0) * self.unobserved_weight
        rotation = np.ascontiguousarray(vectors, dtype=np.float32)
        return shared.astype(np.float32), rotation, self.fixed @ rotation

    def solve(self, weights: csr_array) -> Floats:
        """The exact solution of each row; zeros for a row without entries.

        `weights` (n_rows x n_columns, float32, all > 0) holds w_i. Returns n_rows x factors.
        """
        turned_back: Floats = self.solve_in_eigenbasis(weights) @ self._basis[1].T
        return turned_back

    def solve_in_eigenbasis(self, weights: csr_array) -> Floats:
        """The solution turned into the eigenbasis of `fixed`.

        The turn is orthogonal and the objective does not see it, so that a sweep which solves
        the other side against these rows next can leave out turning them back.
        """
        shared, _, rotated = self._basis
        indptr = weights.indptr.astype(np.int64)
        indices = weights.indices.astype(np.int32)
        data = weights.data.astype(np.float32, copy=False)
        ridge = self._ridge(data, indptr)
        solution = np.zeros((len(ridge), self.fixed.shape[1]), dtype=np.float32)

        def work(start: int, stop: int) -> None:
            solve_rows(
                start,
                stop,
                indptr,
                indices,
                data,
                rotated,
                shared,
                ridge,
                np.float32(self.unobserved_weight),
                solution,
            )

        run_parts(_equal_parts(indptr, self.fixed.shape[1], self.threads), work, self.threads)
        return solution

    def _ridge(self, data: Floats, indptr: NDArray[np.int64]) -> Floats:
        if self.exponent == 0:
            return np.full(len(indptr) - 1, self.strength, dtype=np.float32)
        total = np.concatenate(([0.0], np.cumsum(data, dtype=np.float64)))
        mass = total[indptr[1:]] - total[indptr[:-1]]
        everywhere = self.unobserved_weight * self.fixed.shape[0]
        ridge: Floats = (self.strength * (mass + everywhere) ** self.exponent).astype(np.float32)
        return ridge


def _equal_parts(indptr: NDArray[np.int64], factors: int, threads: int) -> list[tuple[int, int]]:
    """Borders between rows such that each part costs about the same."""
    n_rows = len(indptr) - 1
    if threads == 1 or n_rows < 2:  # noqa: PLR2004 - nothing to divide
        return [(0, n_rows)]
    entries = np.diff(indptr).astype(np.float64)
    cost = np.cumsum(np.minimum(entries**2 + 1, entries * factors + factors**2 / 3))
    if cost[-1] < _WORTH_A_THREAD:
        return [(0, n_rows)]
    marks = np.linspace(0, cost[-1], threads * _PARTS_PER_THREAD + 1)[1:-1]
    borders = np.unique(np.concatenate(([0], np.searchsorted(cost, marks), [n_rows])))
    return list(zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True))
