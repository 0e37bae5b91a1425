"""Has the shop changed, or is it chance? The guide's three measures, each with its noise band.

A difference counts as drift where it passes the guide's threshold AND is larger than sampling
alone makes it. What sampling alone makes is found by resampling under "nothing changed":
baseline and recent events are pooled and dealt out anew (a permutation test: Good 2005,
Permutation, Parametric and Bootstrap Tests of Hypotheses, chapter 3), so that the false-alarm
rate holds for a shop of any size.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

RATINGS = (1, 2, 3, 4, 5)
DAYS_PER_WEEK = 7


@dataclass(frozen=True)
class Window:
    """What happened in (start, end], events counted once however many rows tell of them.

    `ratings` counts the stars 1 to 5 (unrated events are in none), `items` counts events by
    product, variants as one, and `weekly` the events of each full week, the oldest first.
    """

    start: datetime
    end: datetime
    ratings: tuple[int, ...]
    items: Mapping[str, int]
    weekly: tuple[int, ...]

    @property
    def n_events(self) -> int:
        return sum(self.items.values())

    @property
    def days(self) -> float:
        return (self.end - self.start) / timedelta(days=1)


@dataclass(frozen=True)
class DriftLimits:
    """The guide's thresholds, and how strictly chance is ruled out."""

    rating_difference: float = 0.1
    min_jaccard: float = 0.8
    rate_change: float = 0.3
    top_items: int = 20
    alpha: float = 0.002
    """Chance of one measure to look like more than noise while nothing changed."""

    n_resamples: int = 999

    def __post_init__(self) -> None:
        needed = math.ceil(1 / self.alpha) - 1
        if self.n_resamples < needed:
            raise ValueError(
                f"alpha {self.alpha:g} needs at least {needed} resamples, got {self.n_resamples}"
            )


class NoiseBand(BaseModel):
    """Where a measure lies with probability 1 - alpha while nothing changed."""

    model_config = ConfigDict(frozen=True)

    low: float
    high: float
    p_value: float
    """Share of resamples at least as far out as what was found."""


class Measure(BaseModel):
    """What every measure says; `is_comparable` is false where there is too little to compare."""

    model_config = ConfigDict(frozen=True)

    drift_detected: bool
    threshold: float
    passes_threshold: bool
    is_comparable: bool
    noise_band: NoiseBand | None
    evidence: str


class RatingDrift(Measure):
    total_difference: float
    """Sum over the stars of |share now - share in the baseline|, from 0 to 2."""

    baseline_shares: tuple[float, ...]
    recent_shares: tuple[float, ...]


class PopularityDrift(Measure):
    jaccard_similarity: float
    new_items: tuple[str, ...]
    dropped_items: tuple[str, ...]


class RateDrift(Measure):
    change_rate: float
    """Events a week now / in the baseline - 1: 0.3 is 30 % more."""

    baseline_weekly: float
    recent_weekly: float


def compare_ratings(
    baseline: Window, recent: Window, limits: DriftLimits, rng: np.random.Generator
) -> RatingDrift:
    """The guide's total absolute difference of the rating distribution."""
    before, now = np.array(baseline.ratings), np.array(recent.ratings)
    comparable = bool(before.sum() and now.sum())
    difference = float(_total_difference(before, now)) if comparable else 0.0
    passes = difference > limits.rating_difference
    band = None
    if comparable:
        dealt = _deal(before + now, int(now.sum()), limits.n_resamples, rng)
        chance = _total_difference(before + now - dealt, dealt)
        band = _upper_band(chance, difference, limits.alpha)
    return RatingDrift(
        drift_detected=passes and _is_beyond(band, limits.alpha),
        threshold=limits.rating_difference,
        passes_threshold=passes,
        is_comparable=comparable,
        noise_band=band,
        evidence=f"{before.sum()} rated events in the baseline, {now.sum()} recent ones",
        total_difference=difference,
        baseline_shares=_shares(before),
        recent_shares=_shares(now),
    )


def compare_popularity(
    baseline: Window, recent: Window, limits: DriftLimits, rng: np.random.Generator
) -> PopularityDrift:
    """The guide's Jaccard similarity of the most popular products (ties: by product id)."""
    products = sorted({*baseline.items, *recent.items})
    before = np.array([baseline.items.get(product, 0) for product in products])
    now = np.array([recent.items.get(product, 0) for product in products])
    comparable = bool(before.sum() and now.sum())
    top_before, top_now = _top(before, limits.top_items), _top(now, limits.top_items)
    similarity = float(_jaccard(top_before, top_now)[0]) if comparable else 1.0
    passes = similarity < limits.min_jaccard
    band = None
    if comparable:
        dealt = _deal(before + now, int(now.sum()), limits.n_resamples, rng)
        chance = _jaccard(
            _top(before + now - dealt, limits.top_items), _top(dealt, limits.top_items)
        )
        band = _lower_band(chance, similarity, limits.alpha)
    return PopularityDrift(
        drift_detected=passes and _is_beyond(band, limits.alpha),
        threshold=limits.min_jaccard,
        passes_threshold=passes,
        is_comparable=comparable,
        noise_band=band,
        evidence=(
            f"{np.count_nonzero(before)} products sold in the baseline ({before.sum()} events), "
            f"{np.count_nonzero(now)} recently ({now.sum()} events)"
        ),
        jaccard_similarity=similarity,
        new_items=_named(products, top_now & ~top_before, now),
        dropped_items=_named(products, top_before & ~top_now, before),
    )


def compare_rate(
    baseline: Window, recent: Window, limits: DriftLimits, rng: np.random.Generator
) -> RateDrift:
    """Events a week against the baseline's weeks, whose own spread is part of the noise."""
    n_now = recent.n_events
    weekly = np.array(baseline.weekly, dtype=np.float64)
    comparable = len(weekly) > 0 and bool(weekly.sum()) and recent.days >= DAYS_PER_WEEK
    usual = float(weekly.mean()) if len(weekly) else 0.0
    change = n_now / usual - 1 if comparable else 0.0
    passes = abs(change) > limits.rate_change
    band = None
    if comparable:
        band = _two_sided_band(_chance_rates(weekly, limits, rng), change, limits.alpha)
    return RateDrift(
        drift_detected=passes and _is_beyond(band, limits.alpha),
        threshold=limits.rate_change,
        passes_threshold=passes,
        is_comparable=comparable,
        noise_band=band,
        evidence=f"{len(weekly)} full weeks in the baseline, {recent.days:.1f} recent days",
        change_rate=change,
        baseline_weekly=usual,
        recent_weekly=float(n_now),
    )


def _chance_rates(
    weekly: NDArray[np.float64], limits: DriftLimits, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Changes between such weeks and one more of the same kind.

    Counts are Poisson around a level that itself varies from week to week as much as the
    baseline's weeks show (gamma-Poisson, dispersion by moments, never below Poisson).
    """
    mean = weekly.mean()
    spread = weekly.var(ddof=1) if len(weekly) > 1 else mean
    dispersion = max(0.0, (spread - mean) / mean**2)
    shape = (limits.n_resamples, len(weekly) + 1)
    levels = np.full(shape, mean)
    if dispersion > 0:
        levels = rng.gamma(1 / dispersion, mean * dispersion, shape)
    counts = rng.poisson(levels)
    usual = counts[:, :-1].mean(axis=1)
    changes: NDArray[np.float64] = counts[:, -1] / np.maximum(usual, 1 / len(weekly)) - 1
    return changes


# --- resampling --------------------------------------------------------------------------
def _deal(
    pooled: NDArray[np.int64], n: int, n_resamples: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw `n` of the pooled events without replacement, n_resamples times; rows are draws."""
    return rng.multivariate_hypergeometric(pooled, n, size=n_resamples, method="marginals")


def _total_difference(before: NDArray[np.int64], now: NDArray[np.int64]) -> NDArray[np.float64]:
    shares_before = before / before.sum(axis=-1, keepdims=True)
    shares_now = now / now.sum(axis=-1, keepdims=True)
    difference: NDArray[np.float64] = np.abs(shares_now - shares_before).sum(axis=-1)
    return difference


def _top(counts: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
    """Mark the k largest positive counts of each row; of equal ones the earlier column wins."""
    rows = np.atleast_2d(counts)
    n = rows.shape[1]
    # One number that orders by count, then by column: no ties are left to the sorting.
    keys = rows * n + np.arange(n - 1, -1, -1)
    marked = np.zeros(rows.shape, dtype=np.bool_)
    k = min(k, n)
    best = np.argpartition(keys, n - k, axis=1)[:, n - k :]
    np.put_along_axis(marked, best, values=True, axis=1)
    return marked & (rows > 0)


def _jaccard(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.float64]:
    both = (one & other).sum(axis=-1)
    either = (one | other).sum(axis=-1)
    similarity: NDArray[np.float64] = both / np.maximum(either, 1)
    return similarity


def _upper_band(chance: NDArray[np.float64], found: float, alpha: float) -> NoiseBand:
    high = float(np.quantile(chance, 1 - alpha, method="higher"))
    return NoiseBand(low=0.0, high=high, p_value=_p_value(chance >= found))


def _lower_band(chance: NDArray[np.float64], found: float, alpha: float) -> NoiseBand:
    low = float(np.quantile(chance, alpha, method="lower"))
    return NoiseBand(low=low, high=1.0, p_value=_p_value(chance <= found))


def _two_sided_band(chance: NDArray[np.float64], found: float, alpha: float) -> NoiseBand:
    low = float(np.quantile(chance, alpha / 2, method="lower"))
    high = float(np.quantile(chance, 1 - alpha / 2, method="higher"))
    # How far out on the log scale: half as many is as far as twice as many.
    return NoiseBand(
        low=low, high=high, p_value=_p_value(np.abs(_log(chance)) >= abs(_log(np.array(found))))
    )


def _log(change: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        logarithm: NDArray[np.float64] = np.log1p(change)
    return logarithm


def _p_value(is_as_far: NDArray[np.bool_]) -> float:
    """Counting the finding itself keeps the test honest (Phipson and Smyth 2010)."""
    return float((1 + np.count_nonzero(is_as_far)) / (1 + len(is_as_far)))


def _is_beyond(band: NoiseBand | None, alpha: float) -> bool:
    return band is not None and band.p_value <= alpha


def _shares(counts: NDArray[np.int64]) -> tuple[float, ...]:
    total = counts.sum()
    return tuple(float(count / total) if total else 0.0 for count in counts)


def _named(
    products: list[str], marked: NDArray[np.bool_], counts: NDArray[np.int64]
) -> tuple[str, ...]:
    """The marked products, the most frequent first."""
    columns = np.flatnonzero(marked[0])
    order = sorted(columns, key=lambda column: (-counts[column], products[column]))
    return tuple(products[column] for column in order)
