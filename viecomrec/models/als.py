"""Implicit-feedback ALS: alternating exact solves (Hu, Koren, Volinsky 2008)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from viecomrec.domain.recipes import AlsRecipe
from viecomrec.errors import TrainingError
from viecomrec.models.fold_in import FoldIn
from viecomrec.models.row_solver import RowSolver
from viecomrec.models.threads import single_threaded_blas

__all__ = ["FoldIn", "Progress", "als_loss", "fit_als", "user_factors"]

Floats = NDArray[np.float32]

RANDOM_SCALE = 0.1
"""Random factors have standard deviation RANDOM_SCALE / sqrt(factors) (Rendle et al. 2022)."""


@dataclass(frozen=True)
class Progress:
    """The state between two iterations; the item factors alone determine what follows."""

    iteration: int
    item: Floats

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As plain arrays, for a checkpoint."""
        return {"iteration": np.array(self.iteration), "item": self.item}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> "Progress":
        return cls(int(arrays["iteration"]), arrays["item"])


def fit_als(
    confidence: csr_array,
    recipe: AlsRecipe,
    *,
    start: Progress,
    threads: int = 1,
    on_iteration: Callable[[Progress], None] = lambda _: None,
) -> Floats:
    """Return V (n_items x factors) after `recipe.iterations` sweeps over users and items.

    `confidence` is n_users x n_items with positive entries; `start` holds the first item factors,
    or those of a checkpoint: the result has the same bytes either way. Users follow from V by
    `user_factors`. Raises TrainingError where there is nothing to learn from.
    """
    require_trainable(confidence)
    by_user = observed_weights(confidence, recipe.alpha)
    by_item = by_user.T.tocsr()
    item = np.ascontiguousarray(start.item, dtype=np.float32)
    with single_threaded_blas():
        for iteration in range(start.iteration, recipe.iterations):
            user = row_solver(item, recipe, threads).solve_in_eigenbasis(by_user)
            item = row_solver(user, recipe, threads).solve_in_eigenbasis(by_item)
            on_iteration(Progress(iteration + 1, item))
    return item


def row_solver(fixed: Floats, recipe: AlsRecipe, threads: int = 1) -> RowSolver:
    return RowSolver(
        fixed,
        unobserved_weight=recipe.unobserved_weight,
        strength=recipe.regularization,
        exponent=recipe.regularization_exponent,
        threads=threads,
    )


def observed_weights(confidence: csr_array, alpha: float) -> csr_array:
    """The weights w = alpha x confidence, float32, same pattern."""
    data = np.float32(alpha) * confidence.data.astype(np.float32)
    return csr_array((data, confidence.indices, confidence.indptr), shape=confidence.shape)


def random_items(n_items: int, factors: int, rng: np.random.Generator) -> Floats:
    scale = RANDOM_SCALE / np.sqrt(factors)
    return rng.normal(scale=scale, size=(n_items, factors)).astype(np.float32)


def require_trainable(confidence: csr_array) -> None:
    """Raise TrainingError with the reason where no factor model can be learnt."""
    n_users, n_items = confidence.shape
    if n_users < 2 or n_items < 2:  # noqa: PLR2004 - co-occurrence needs two of each
        raise TrainingError(
            f"Training needs at least 2 trainable users and 2 products; the snapshot has {n_users} "
            f"and {n_items}. A user is trainable with two different products, one of them positive "
            "(rating 4 or 5, or a purchase). Add reviews to data/published_data, or check the "
            "rating column in config/data_source.json, and refresh the data."
        )
    if confidence.nnz == 0:
        raise TrainingError("The training matrix is empty: no interaction is left to learn from.")
    if not (np.isfinite(confidence.data).all() and (confidence.data > 0).all()):
        raise TrainingError(
            "The training matrix holds a confidence that is not a positive number. Rebuild it "
            "with: python -m automation.data_refresh --force-full"
        )


def user_factors(
    confidence: csr_array, item: Floats, recipe: AlsRecipe, threads: int = 1
) -> Floats:
    """U (n_users x factors) for frozen item factors: the fold-in of every row."""
    with single_threaded_blas():
        return row_solver(item, recipe, threads).solve(observed_weights(confidence, recipe.alpha))


def als_loss(confidence: csr_array, user: Floats, item: Floats, recipe: AlsRecipe) -> float:
    """The objective that the sweeps minimise, in float64 (tests and benchmarks)."""
    weights = observed_weights(confidence, recipe.alpha)
    rows = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    u, v = user.astype(np.float64), item.astype(np.float64)
    scores = np.einsum("nf,nf->n", u[rows], v[weights.indices])
    w0, w = recipe.unobserved_weight, weights.data.astype(np.float64)
    fit = float(((w0 + w) * (1 - scores) ** 2 - w0 * scores**2).sum())
    everywhere = w0 * float(np.sum((u.T @ u) * (v.T @ v)))
    return fit + everywhere + _penalty(weights, u, recipe) + _penalty(weights.T.tocsr(), v, recipe)


def _penalty(weights: csr_array, factors: NDArray[np.float64], recipe: AlsRecipe) -> float:
    mass = np.asarray(weights.sum(axis=1), dtype=np.float64)
    mass += recipe.unobserved_weight * weights.shape[1]
    ridge = recipe.regularization * mass**recipe.regularization_exponent
    return float((ridge * (factors**2).sum(axis=1)).sum())
