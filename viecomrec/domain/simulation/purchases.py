"""Who buys what, and when: tastes, orders whose products share a second, repeat reviews."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viecomrec.domain.simulation.catalogue import Catalogue
from viecomrec.domain.simulation.words import BRANDS, CATEGORIES, CONCERNS

N_PRICE_LEVELS = 3

LISTINGS_PER_USER = np.array([0.9135, 0.0748, 0.0094, 0.0016, 0.0004, 0.0002, 0.0001])
"""Shares of users with 1, 2, 3 ... listings. Pages of variants add to these, and together they
give the real shares of distinct products: 90.7 %, 8.0 %, 1.1 %, 0.2 %."""

SAME_ORDER_SHARE = 0.55
"""Of the further listings of a user: bought with the one before, in the same second."""

STRAY_SHARE = 0.15
"""Of the users: their brand is not of their price level."""

REPEATED_SHARE = 0.065
REPEATS_STOP = 0.71
"""Of the pairs 6.5 % are reviewed again, geometrically often: 8.4 % of all rows."""

COPIED_SHARE = 0.3
"""Of the repeats: the export holds the same review twice, to the second."""

CONCERN_TASTE, BRAND_TASTE, PRICE_TASTE = 2.0, 3.4, 0.9
NEXT_STEP, SAME_KIND, SAME_SHOP = 1.0, -1.5, 1.2
"""What moves a choice, in log-odds."""

LAST_SECOND = np.datetime64("2026-06-30T21:47:12", "s")
YEARS = (0.019, 1.0, 1.0, 1.0, 1.0, 1.0)
ROWS_OF_YEARS = np.array([5000, 209500, 115500, 29500, 6500, 2500], dtype=np.float64)
"""Length in years and rows of the periods before the last second, the newest first."""

ROWS_OF_HOURS = np.array(
    [3, 1, 1, 1, 1, 1, 2, 4, 6, 7, 8, 8, 9, 8, 7, 7, 7, 8, 8, 9, 12, 13, 11, 7], dtype=np.float64
)
MEAN_GAP_SECONDS = 90 * 86_400
YEAR_SECONDS = 365.25 * 86_400
CHUNK = 4096


@dataclass(frozen=True)
class Tastes:
    """What each user likes: a concern, a brand and a price level. int64, length n_users."""

    concern: NDArray[np.int64]
    brand: NDArray[np.int64]
    price_level: NDArray[np.int64]

    @property
    def segment(self) -> NDArray[np.int64]:
        """One number for the three; rows of `segment_log_odds`."""
        return (self.concern * len(BRANDS) + self.brand) * N_PRICE_LEVELS + self.price_level


@dataclass(frozen=True)
class Purchases:
    """One row for each review of a listing: who, what, when (seconds since 1970, shop's time).

    `copy_of` is the row whose review this one repeats to the letter, or the row itself.
    """

    user: NDArray[np.int64]
    listing: NDArray[np.int64]
    at: NDArray[np.int64]
    copy_of: NDArray[np.int64]


def draw_tastes(n_users: int, rng: np.random.Generator) -> Tastes:
    """Draw tastes; people of a price level mostly like a brand of that level."""
    brand_level = np.array([brand.price_level for brand in BRANDS])
    brand = rng.integers(0, len(BRANDS), n_users)
    strays = rng.random(n_users) < STRAY_SHARE
    return Tastes(
        concern=rng.choice(len(CONCERNS), n_users, p=[one.share for one in CONCERNS]),
        brand=brand,
        price_level=np.where(strays, rng.integers(0, N_PRICE_LEVELS, n_users), brand_level[brand]),
    )


def segment_log_odds(catalogue: Catalogue) -> NDArray[np.float64]:
    """Log-odds of every listing for every taste (n_segments x n_listings), popularity included."""
    shape = (len(CONCERNS), len(BRANDS), N_PRICE_LEVELS)
    concern, brand, level = np.unravel_index(np.arange(np.prod(shape)), shape)
    log_odds: NDArray[np.float64] = (
        np.log(catalogue.popularity)
        + CONCERN_TASTE * (concern[:, None] == catalogue.concern)
        + BRAND_TASTE * (brand[:, None] == catalogue.brand)
        - PRICE_TASTE * np.abs(level[:, None] - catalogue.price_level)
    )
    return log_odds


def draw_purchases(catalogue: Catalogue, tastes: Tastes, rng: np.random.Generator) -> Purchases:
    """Let every user choose, order and review; rows in no particular order."""
    n_users = len(tastes.brand)
    log_odds = segment_log_odds(catalogue)
    segment = tastes.segment
    wanted = 1 + rng.choice(len(LISTINGS_PER_USER), n_users, p=LISTINGS_PER_USER)
    wanted = np.minimum(wanted, catalogue.n_listings)
    users = [np.arange(n_users)]
    listings = [_first_choices(log_odds, segment, rng)]
    times = [_first_times(n_users, rng)]
    chosen = np.full((n_users, int(wanted.max())), -1)
    chosen[:, 0] = listings[0]
    at = times[0].copy()
    for step in range(1, int(wanted.max())):
        again = np.flatnonzero(wanted > step)
        same_order = rng.random(len(again)) < SAME_ORDER_SHARE
        at[again] = np.where(same_order, at[again], _later(at[again], rng))
        chosen[again, step] = _next_choices(
            catalogue, log_odds, segment[again], chosen[again, :step], same_order, rng
        )
        users.append(again)
        listings.append(chosen[again, step])
        times.append(at[again])
    return _with_repeats(
        np.concatenate(users), np.concatenate(listings), np.concatenate(times), rng
    )


def _first_choices(
    log_odds: NDArray[np.float64], segment: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """One draw per user by inversion: row s of the cumulated shares lies in (s, s + 1]."""
    odds = np.exp(log_odds)
    cumulated = np.cumsum(odds / odds.sum(axis=1, keepdims=True), axis=1)
    cumulated[:, -1] = 1.0
    ladder = (cumulated + np.arange(len(odds))[:, None]).ravel()
    position = np.searchsorted(ladder, segment + rng.random(len(segment)), side="right")
    listing: NDArray[np.int64] = position - segment * odds.shape[1]
    return np.clip(listing, 0, odds.shape[1] - 1)


def _next_choices(
    catalogue: Catalogue,
    log_odds: NDArray[np.float64],
    segment: NDArray[np.int64],
    chosen: NDArray[np.int64],
    same_order: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """One more listing per row, none twice, by the Gumbel trick (argmax of noisy log-odds)."""
    follow = _follow_up_log_odds()
    picks = np.empty(len(chosen), dtype=np.int64)
    for start in range(0, len(chosen), CHUNK):
        rows = slice(start, start + CHUNK)
        last = chosen[rows, -1]
        score = log_odds[segment[rows]] + follow[catalogue.category[last]][:, catalogue.category]
        same_shop = catalogue.shop[last][:, None] == catalogue.shop
        score += SAME_SHOP * (same_shop & same_order[rows, None])
        score += rng.gumbel(size=score.shape)
        np.put_along_axis(score, chosen[rows], -np.inf, axis=1)
        picks[rows] = score.argmax(axis=1)
    return picks


def _follow_up_log_odds() -> NDArray[np.float64]:
    """How buying one kind moves the next (n_categories x n_categories)."""
    names = [kind.name for kind in CATEGORIES]
    table = np.zeros((len(names), len(names)))
    for row, kind in enumerate(CATEGORIES):
        table[row, row] = SAME_KIND
        for name in kind.next_steps:
            table[row, names.index(name)] = NEXT_STEP
    return table


def _first_times(n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Seconds of first purchases: the real growth over the years, evenings busiest."""
    edges = np.concatenate(([0.0], np.cumsum(YEARS)))
    period = rng.choice(len(YEARS), n, p=ROWS_OF_YEARS / ROWS_OF_YEARS.sum())
    age = edges[period] + rng.random(n) * np.array(YEARS)[period]
    last = int(LAST_SECOND.astype(np.int64))
    day = (last - age * YEAR_SECONDS) // 86_400
    hour = rng.choice(24, n, p=ROWS_OF_HOURS / ROWS_OF_HOURS.sum())
    seconds = (day * 86_400).astype(np.int64) + hour * 3600 + rng.integers(0, 3600, n)
    first: NDArray[np.int64] = np.minimum(seconds, last)
    return first


def _later(at: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """An instant after each of `at`, usually some weeks, never after the last second."""
    last = int(LAST_SECOND.astype(np.int64))
    gap = 3600 + rng.exponential(MEAN_GAP_SECONDS, len(at))
    inside = at + rng.random(len(at)) * (last - at)
    later: NDArray[np.int64] = np.where(at + gap <= last, at + gap, inside).astype(np.int64)
    return later


def _with_repeats(
    user: NDArray[np.int64],
    listing: NDArray[np.int64],
    at: NDArray[np.int64],
    rng: np.random.Generator,
) -> Purchases:
    """Add the second and third reviews that people write of the same thing."""
    repeated = np.flatnonzero(rng.random(len(user)) < REPEATED_SHARE)
    source = np.repeat(repeated, np.minimum(rng.geometric(REPEATS_STOP, len(repeated)), 6))
    copied = rng.random(len(source)) < COPIED_SHARE
    own = len(user) + np.arange(len(source))
    return Purchases(
        user=np.concatenate((user, user[source])),
        listing=np.concatenate((listing, listing[source])),
        at=np.concatenate((at, np.where(copied, at[source], _later(at[source], rng)))),
        copy_of=np.concatenate((np.arange(len(user)), np.where(copied, source, own))),
    )
