"""The matrix that Spark factorises: the shop's, and rows that say what Spark cannot be told.

Spark's implicit ALS solves a row over n interactions as (Zhou et al. 2008, for Hu, Koren,
Volinsky 2008)

    (Y'Y + sum_i alpha r_i y_i y_i' + reg n I) x = sum_i (1 + alpha r_i) y_i

Ours, with the unobserved weight w0 divided out, has the ridge s (alpha sum_i r_i + n_columns)
instead (Rendle et al. 2022, equation 5). With reg = s alpha mean(r) the two differ by the constant
s n_columns = reg K, K = n_columns / (alpha mean(r)): as if each row had K more interactions that
say nothing. That is what fillers are. Spark's first factors are random, so that what the texts
of the products know comes as rows too.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import block_array, csr_array

from viecomrec.domain.recipes import SparkAlsRecipe
from viecomrec.models.blend_inputs import centred_unit_rows

Floats = NDArray[np.float32]

FAINT = np.float32(1e-6)
"""The confidence of a filler: it counts as an interaction and weighs nothing."""

MAX_FILLERS = 20_000_000
"""Pairs; of a shop that would need more, every row gets the same share of its fillers."""

ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Fillers:
    """How many interactions that say nothing each user and each item gets."""

    per_user: int
    per_item: int


def spark_ratings(
    confidence: csr_array, content: Floats | None, recipe: SparkAlsRecipe
) -> csr_array:
    """What Spark is given: users and items first, in their order, all entries positive.

    `content` has a row for each item. Rows of texts follow the users, fillers stand last on
    both sides.
    """
    rows = confidence
    if content is not None and recipe.text_weight > 0:
        weight = recipe.text_weight * float(confidence.data.mean())
        rows = stacked(confidence, text_rows(content, recipe.text_neighbours, weight))
    if not recipe.fillers:
        return rows
    fillers = fillers_of(confidence, recipe.alpha)
    right = faint((rows.shape[0], fillers.per_user))
    below = faint((fillers.per_item, rows.shape[1]))
    return csr_array(block_array([[rows, right], [below, None]], format="csr"))


def fillers_of(confidence: csr_array, alpha: float) -> Fillers:
    """K for rows over all items, and for columns over all users; both rounded."""
    n_users, n_items = confidence.shape
    unit = alpha * float(confidence.data.mean())
    share = min(1.0, MAX_FILLERS * unit / (2.0 * n_users * n_items))
    return Fillers(round(share * n_items / unit), round(share * n_users / unit))


def text_rows(content: Floats, n_neighbours: int, weight: float) -> csr_array:
    """A customer for each product with a text, who likes it and what reads most like it.

    `weight` for the product itself, and by cosine for its neighbours; n_texts x n_items.
    """
    unit = centred_unit_rows(content)
    known = np.flatnonzero(np.abs(unit).max(axis=1, initial=0) > 0)
    n_kept = min(n_neighbours + 1, len(unit))
    parts = [
        _nearest(unit, known[start : start + ROWS_AT_ONCE], n_kept)
        for start in range(0, len(known), ROWS_AT_ONCE)
    ]
    columns = np.concatenate([part[0] for part in parts]) if parts else np.zeros((0, n_kept), int)
    cosines = np.concatenate([part[1] for part in parts]) if parts else np.zeros((0, n_kept))
    rows = np.broadcast_to(np.arange(len(known))[:, None], columns.shape)
    alike = cosines > 0
    values = (weight * cosines[alike]).astype(np.float32)
    return csr_array((values, (rows[alike], columns[alike])), shape=(len(known), len(unit)))


def _nearest(
    unit: Floats, rows: NDArray[np.int64], n_kept: int
) -> tuple[NDArray[np.int64], Floats]:
    cosines = unit[rows] @ unit.T
    # A product is its own nearest, whatever float32 makes of that.
    cosines[np.arange(len(rows)), rows] = 1
    columns = np.argpartition(-cosines, n_kept - 1, axis=1)[:, :n_kept]
    return columns, np.take_along_axis(cosines, columns, axis=1)


def stacked(above: csr_array, below: csr_array) -> csr_array:
    return csr_array(block_array([[above], [below]], format="csr"))


def faint(shape: tuple[int, int]) -> csr_array:
    return csr_array(np.full(shape, FAINT, dtype=np.float32))
