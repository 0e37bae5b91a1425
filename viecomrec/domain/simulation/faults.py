"""The few broken rows that every real export has."""

import numpy as np
import polars as pl

FAULTS = (
    ("rating", "0"),
    ("rating", "9"),
    ("cmt_date", "31/02/2026 99:00"),
    ("user_id", ""),
    ("product_id", ""),
)
"""Which column is damaged, and what stands there then."""

ROWS_PER_FAULT = 10_000


def break_some_rows(reviews: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Append damaged copies of a few rows: one of each kind for every 10,000 rows, at least one.

    Copies, so that what a refresh learns from the good rows does not depend on them.
    """
    n_each = max(1, reviews.height // ROWS_PER_FAULT)
    broken = []
    for column, value in FAULTS:
        rows = np.sort(rng.choice(reviews.height, n_each, replace=False))
        damaged = reviews[rows].with_columns(pl.lit(value).alias(column))
        broken.append(damaged)
    return pl.concat([reviews, *broken])
