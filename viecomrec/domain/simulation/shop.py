"""A whole simulated shop from a seed."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from viecomrec.domain.simulation.catalogue import build_catalogue
from viecomrec.domain.simulation.comments import draw_stars, write_comments
from viecomrec.domain.simulation.faults import break_some_rows
from viecomrec.domain.simulation.purchases import draw_purchases, draw_tastes
from viecomrec.domain.simulation.tables import (
    attribute_table,
    product_table,
    review_table,
    shop_table,
)

SIMULATOR_VERSION = 1
"""Counts up whenever the same seed gives another shop."""

SMALLEST_CATALOGUE, LARGEST_CATALOGUE = 100, 2244
USERS_PER_PRODUCT = 50
"""The real shop has 136; fewer leave a small shop enough products to tell tastes apart."""


@dataclass(frozen=True)
class SimulatedShop:
    """The four tables of an export; every column of `reviews` is text, broken rows included."""

    reviews: pl.DataFrame
    products: pl.DataFrame
    attributes: pl.DataFrame
    shops: pl.DataFrame


def catalogue_size(n_users: int) -> int:
    """Products for a shop of so many users: 100 for a small one, the real shop's 2,244 at most."""
    return min(LARGEST_CATALOGUE, max(SMALLEST_CATALOGUE, n_users // USERS_PER_PRODUCT))


def simulate_shop(n_users: int, n_products: int, rng: np.random.Generator) -> SimulatedShop:
    """Simulate a Vietnamese cosmetics shop in the proportions of the real ViEcomRec data.

    The same arguments and generator state give the same tables. ValueError without users or
    with a catalogue of impossible size.
    """
    if n_users < 1:
        raise ValueError(f"a shop has at least one user, not {n_users}")
    catalogue = build_catalogue(n_products, rng)
    purchases = draw_purchases(catalogue, draw_tastes(n_users, rng), rng)
    stars = draw_stars(catalogue.quality[purchases.listing], rng)[purchases.copy_of]
    comments = write_comments(stars, catalogue.category[purchases.listing], rng)
    comments = [comments[row] for row in purchases.copy_of.tolist()]
    reviews = review_table(catalogue, purchases, stars, comments)
    return SimulatedShop(
        reviews=break_some_rows(reviews, rng),
        products=product_table(catalogue, reviews, rng),
        attributes=attribute_table(catalogue),
        shops=shop_table(catalogue, rng),
    )
