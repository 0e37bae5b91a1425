"""Users in a fixed number of buckets, so that a few users are a small part of every file."""

import polars as pl

from viecomrec.domain import columns as c

N_BUCKETS = 512
"""Sixty events touch about a ninth of them; more would make writing all of them costlier."""


def bucket() -> pl.Expr:
    """The bucket of each user, UInt16: a fixed property of the id."""
    return (pl.col(c.USER_ID).hash() % N_BUCKETS).cast(pl.UInt16).alias(c.BUCKET)


def bounds(rows: pl.DataFrame) -> list[tuple[int, int, int]]:
    """(bucket, first row, row after the last) of each bucket of rows in the canonical order."""
    runs = rows.select(bucket()).to_series().rle().struct.unnest()
    found, start = [], 0
    for length, number in runs.select("len", "value").iter_rows():
        found.append((number, start, start + length))
        start += length
    return found
