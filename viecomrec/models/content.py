"""What product texts tell the factor model: where items start, and who cold items are.

Rows are aligned to item indices before they come here (`ProductEmbeddings.aligned`); a row of
zeros is a product without text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viecomrec.errors import TrainingError
from viecomrec.models.blend_inputs import centred, unit_rows
from viecomrec.models.threads import single_threaded_blas

Floats = NDArray[np.float32]
RIDGE_GRID = np.logspace(-3, 3, 13)
"""Ridge strengths that `learn_text_map` chooses among, relative to the mean eigenvalue."""


def require_finite(vectors: Floats, product_ids: Sequence[str]) -> None:
    """Raise TrainingError that names the first product whose embedding is not a number."""
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise TrainingError(
            f"The text embeddings of {len(bad)} products are not finite, first "
            f"{product_ids[bad[0]]!r}. Make them again: "
            "python -m automation.bert_embeddings --force"
        )


def principal_components(vectors: Floats, n_components: int) -> Floats:
    """Centre the known rows and project them on their first components; unknown rows stay zero.

    Returns n_items x n_components, float32, C order; columns beyond the rank are zero. Signs are
    fixed, so that the same vectors give the same bytes.
    """
    rows = centred(vectors)
    with single_threaded_blas():
        values, axes = np.linalg.eigh(rows.T @ rows)
        kept = np.argsort(-values, kind="stable")[:n_components]
        kept = kept[values[kept] > values.max(initial=0) * 1e-10]
        axes = axes[:, kept] * np.sign(axes[np.abs(axes[:, kept]).argmax(axis=0), kept])
        projected = np.zeros((len(vectors), n_components), dtype=np.float32)
        projected[:, : len(kept)] = rows @ axes
    return projected


def initial_items(vectors: Floats, random: Floats, scale: float) -> Floats:
    """Start item factors from content: projected to the factor space, unit length x `scale`.

    `random` (n_items x factors) fills products without text. C order.
    """
    start = unit_rows(principal_components(vectors, random.shape[1])) * np.float32(scale)
    unknown = np.abs(start).max(axis=1, initial=0) == 0
    start[unknown] = random[unknown]
    return np.ascontiguousarray(start, dtype=np.float32)


@dataclass(frozen=True)
class TextMap:
    """An affine map text -> factor: features @ weights + intercept."""

    weights: Floats
    intercept: Floats
    ridge: float

    def factors(self, features: Floats) -> Floats:
        mapped: Floats = features @ self.weights + self.intercept
        return mapped


def learn_text_map(features: Floats, factors: Floats) -> TextMap:
    """Ridge regression of the factors of warm items on their features.

    The strength minimises the exact leave-one-out error (Golub, Heath, Wahba 1979): each item is
    predicted by the map that the others teach, which is the situation of a cold item.
    """
    x, y = features.astype(np.float64), factors.astype(np.float64)
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    with single_threaded_blas():
        left, singular, right = np.linalg.svd(x - x_mean, full_matrices=False)
        turned = left.T @ (y - y_mean)
        strengths = RIDGE_GRID * float(np.mean(singular**2)) if singular.any() else RIDGE_GRID
        errors = [_leave_one_out(left, singular, turned, y - y_mean, s) for s in strengths]
        best = float(strengths[int(np.argmin(errors))])
        weights = right.T @ ((singular / (singular**2 + best))[:, None] * turned)
    intercept = y_mean - x_mean @ weights
    return TextMap(weights.astype(np.float32), intercept.astype(np.float32), best)


def _leave_one_out(
    left: NDArray[np.float64],
    singular: NDArray[np.float64],
    turned: NDArray[np.float64],
    centred: NDArray[np.float64],
    strength: float,
) -> float:
    shrink = singular**2 / (singular**2 + strength)
    leverage = (left**2) @ shrink + 1 / len(left)
    residual = centred - left @ (shrink[:, None] * turned)
    return float(np.mean((residual / np.maximum(1 - leverage, 1e-6)[:, None]) ** 2))


def fill_cold_items(
    item: Floats, vectors: Floats, n_interactions: NDArray[np.int64], threshold: int
) -> tuple[Floats, int]:
    """Give items with fewer than `threshold` interactions the factor that their text predicts.

    Returns the factors (a copy) and how many were filled. Nothing is filled where fewer than two
    warm items have a text: there is no map to learn.
    """
    known = np.abs(vectors).max(axis=1, initial=0) > 0
    warm = known & (n_interactions >= max(threshold, 1))
    cold = known & (n_interactions < threshold)
    filled = item.copy()
    if warm.sum() < 2 or not cold.any():  # noqa: PLR2004 - a line through one point
        return filled, 0
    features = principal_components(vectors, min(vectors.shape[1], 2 * item.shape[1]))
    filled[cold] = learn_text_map(features[warm], item[warm]).factors(features[cold])
    return filled, int(cold.sum())
