"""Weeks of a shop in which nothing changes, and weeks with a known shift.

Proportions of the ViEcomRec reviews: 2,231 products with log-normal popularity (median 23,
mean 152 events), 95.7 % five stars. Events are independent, counts of a week are Poisson.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from viecomrec.domain.drift import Window

START = datetime(2025, 1, 6, tzinfo=UTC)
N_PRODUCTS = 2231
POPULARITY_SIGMA = 1.94
STARS = np.array([2271, 1308, 3207, 9147, 353166], dtype=float)
TOP = 20
SWAPPED = 7
"""7 of 20 products swapped out: 13 / 27 = .48 of both top lists are the same."""


@dataclass
class StationaryShop:
    """A shop whose true shares are fixed; `window` draws what is seen of them."""

    weekly: int
    rng: np.random.Generator

    def __post_init__(self):
        shares = self.rng.lognormal(0, POPULARITY_SIGMA, N_PRODUCTS)
        self.popularity = shares / shares.sum()
        self.stars = STARS / STARS.sum()

    def window(self, n_weeks, *, popularity=None, stars=None, rate=1.0):
        weekly = self.rng.poisson(self.weekly * rate, n_weeks)
        n = int(weekly.sum())
        items = self.rng.multinomial(n, self.popularity if popularity is None else popularity)
        ratings = self.rng.multinomial(n, self.stars if stars is None else stars)
        return Window(
            start=START,
            end=START + timedelta(weeks=n_weeks),
            ratings=tuple(int(count) for count in ratings),
            items={f"p{row}": int(count) for row, count in enumerate(items) if count},
            weekly=tuple(int(count) for count in weekly),
        )

    def shifted_stars(self):
        """A tenth of all events falls from five stars to one: a total difference of .2."""
        return self.stars + np.array([0.1, 0, 0, 0, -0.1])

    def shifted_popularity(self):
        """Seven of the top 20 change places with products from rank 200 on."""
        order = np.argsort(-self.popularity)
        out = self.rng.choice(order[:TOP], SWAPPED, replace=False)
        into = order[200 : 200 + SWAPPED]
        shifted = self.popularity.copy()
        shifted[out], shifted[into] = self.popularity[into], self.popularity[out]
        return shifted
