"""From scores to a list: what may be shown, in which order, and why."""

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
Mask = NDArray[np.bool_]


def top_k(scores: Scores, allowed: Mask, k: int) -> NDArray[np.intp]:
    """The allowed columns with the k highest scores, best first, ties by column.

    The list is shorter than k where fewer are allowed; a forbidden column is never in it.
    """
    return best(np.where(allowed, scores, _NEVER), k)


def best(scores: Scores, k: int) -> NDArray[np.intp]:
    """As `top_k`, with forbidden columns marked by -inf in `scores` already."""
    threshold = _lower_bound(scores, k)
    mask = scores > _NEVER if threshold == _NEVER else scores >= threshold
    candidates = mask.nonzero()[0]
    # Stable on the negated scores: equal scores keep the order of the columns.
    order = (-scores.take(candidates)).argsort(kind="stable")
    chosen: NDArray[np.intp] = candidates.take(order[:k])
    return chosen


_NEVER = np.float32(-np.inf)
_BLOCK = 16


def _lower_bound(scores: Scores, k: int) -> np.float32:
    """A value that at least k scores reach, if so many exist; few others reach it.

    The k-th largest of the maxima of disjoint blocks: cheaper than a partition of all scores.
    """
    n_blocks = len(scores) // _BLOCK
    if n_blocks <= k:
        return _NEVER
    # A block is a column, so that the inner loop runs over all of them.
    maxima = np.maximum.reduce(scores[: n_blocks * _BLOCK].reshape(_BLOCK, n_blocks))
    maxima.partition(n_blocks - k)
    bound: np.float32 = maxima[n_blocks - k]
    return bound


def one_per_group(
    ordered: NDArray[np.intp], groups: NDArray[np.int32], k: int, taken: set[int]
) -> list[int]:
    """The first k of `ordered` whose group is not in `taken`; `taken` grows by theirs."""
    kept: list[int] = []
    for column, group in zip(ordered.tolist(), groups[ordered].tolist(), strict=True):
        if group in taken:
            continue
        taken.add(group)
        kept.append(column)
        if len(kept) == k:
            break
    return kept


def diverse_top_k(scores: Scores, groups: NDArray[np.int32], k: int, taken: set[int]) -> list[int]:
    """The k best columns of different groups; forbidden columns are -inf.

    Shorter only where fewer groups are allowed.
    """
    n_asked = 2 * k
    while True:
        ordered = best(scores, n_asked)
        kept = one_per_group(ordered, groups, k, set(taken))
        if len(kept) == k or len(ordered) < n_asked:
            return kept
        n_asked *= 4


def without(allowed: Mask, columns: NDArray[np.int32]) -> Mask:
    """`allowed` less the given columns; the argument stays as it is."""
    rest = allowed.copy()
    rest[columns] = False
    return rest


def standardise(values: NDArray[np.floating]) -> Scores:
    """Zero mean and unit deviation over the catalogue; zeros where nothing varies."""
    values32: Scores = values.astype(np.float32)
    deviation = float(values32.std())
    if deviation < 1e-12:  # noqa: PLR2004 - below float32 resolution of any real signal
        return np.zeros_like(values32)
    standard: Scores = (values32 - values32.mean()) / np.float32(deviation)
    return standard


def popularity_scores(recent: NDArray[np.int64], ever: NDArray[np.int64]) -> Scores:
    """Popularity of the last weeks; what was chosen at any time decides between equals."""
    scores: Scores = (np.log1p(recent) + 1e-3 * np.log1p(ever)).astype(np.float32)
    return scores


def smoothed_means(sums: NDArray[np.float64], counts: NDArray[np.integer]) -> Scores:
    """Mean per product, drawn towards the mean of all: a product of one review is no champion."""
    n_all = int(counts.sum())
    if n_all == 0:
        return np.zeros(len(counts), dtype=np.float32)
    means: Scores = ((sums + PRIOR_REVIEWS * sums.sum() / n_all) / (counts + PRIOR_REVIEWS)).astype(
        np.float32
    )
    return means


PRIOR_REVIEWS = 10
"""How many average reviews a product is given beside its own."""
