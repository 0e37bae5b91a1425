"""The second protocol: one cut in time for everybody, beside leave-last-out.

What happened before the cut trains, what each user newly liked after it is asked for. Nothing
later than the cut is known, as on the day of a deployment.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from viecomrec.domain.matrices import HeldOut, TrainingMatrices
from viecomrec.domain.recipes import AlsRecipe
from viecomrec.models.evaluation import constant_scores
from viecomrec.models.popularity import popularity
from viecomrec.models.trainer import TrainingData, train_als

TRAINING_SHARE = 0.9
"""This share of the interactions lies before the cut."""


@dataclass(frozen=True)
class TimedPairs:
    """Interactions of trainable users, one row each; `at` is any number that grows with time."""

    user: NDArray[np.int64]
    product: NDArray[np.int64]
    at: NDArray[np.int64]
    confidence: NDArray[np.float32]
    is_positive: NDArray[np.bool_]


def cut_in_time(pairs: TimedPairs, shape: tuple[int, int]) -> tuple[TrainingMatrices, HeldOut, int]:
    """Training matrices before the cut, what users newly liked from it on, and the cut itself."""
    cut = int(np.quantile(pairs.at, TRAINING_SHARE, method="higher")) if len(pairs.at) else 0
    before = pairs.at < cut
    known = _matrix(pairs, before, shape)
    liked = _matrix(pairs, before & pairs.is_positive, shape)
    later = _matrix(pairs, ~before & pairs.is_positive, shape)
    has_history = np.diff(known.indptr) > 0
    asked = csr_array(later - later * (known > 0)).tocoo()
    kept = (asked.data > 0) & has_history[asked.row]
    users, products = asked.row[kept].astype(np.int32), asked.col[kept].astype(np.int32)
    held_out = HeldOut(users, products, np.zeros(len(users), dtype=bool))
    binary = csr_array((np.ones_like(liked.data), liked.indices, liked.indptr), shape=shape)
    return TrainingMatrices(known, binary), held_out, cut


def measure_time_cut(
    pairs: TimedPairs, data: TrainingData, recipe: AlsRecipe, threads: int = 1
) -> dict[str, Any] | None:
    """Recall@10 and NDCG@10 of the recipe's factors and of popularity; None without users."""
    shape = (data.matrices.n_users, data.matrices.n_items)
    matrices, held_out, cut = cut_in_time(pairs, shape)
    if held_out.n_users == 0 or matrices.confidence.nnz == 0:
        return None
    past = TrainingData(matrices, held_out, data.content)
    ways = {
        "factors": train_als(past, recipe, threads=threads).scores,
        "popularity": constant_scores(popularity(matrices.binary)),
    }
    found: dict[str, Any] = {"cut": cut, "n_users": held_out.n_users}
    for name, scores in ways.items():
        summary = past.evaluate(scores, held_out, threads).summary
        found[name] = {key: summary[key] for key in ("recall@10", "ndcg@10")}
    return found


def _matrix(pairs: TimedPairs, rows: NDArray[np.bool_], shape: tuple[int, int]) -> csr_array:
    """The highest confidence of each pair among `rows`."""
    keys = pairs.user[rows] * np.int64(shape[1]) + pairs.product[rows]
    distinct, place = np.unique(keys, return_inverse=True)
    highest = np.zeros(len(distinct), dtype=np.float32)
    np.maximum.at(highest, place, pairs.confidence[rows])
    user, product = np.divmod(distinct, max(shape[1], 1))
    indptr = np.concatenate(([0], np.cumsum(np.bincount(user, minlength=shape[0]))))
    return csr_array((highest, product, indptr), shape=shape)
