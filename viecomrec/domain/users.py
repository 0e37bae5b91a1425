"""Which users a model is trained on, in which order, and what segment each user is in."""

import polars as pl

from viecomrec.domain import columns as c

SEGMENT_TRAINABLE = "trainable"
SEGMENT_COLD = "cold"


def trainable_users(interactions: pl.DataFrame, min_distinct_products: int) -> pl.DataFrame:
    """user_id, trainable_at and user_index of the trainable users, in the order of their rows.

    Trainable: at least `min_distinct_products` distinct products and one positive. The order is
    the instant of becoming trainable, then the user id. Later events never change an instant, so
    whoever becomes trainable later is appended. `interactions` are in the canonical order.
    """
    # Most users have one row; grouping their texts would cost more than all the rest.
    runs = interactions.select(c.USER_ID, c.PRODUCT_ID, c.AT, c.IS_POSITIVE).with_columns(
        _run=pl.col(c.USER_ID).rle_id()
    )
    enough_rows = runs.filter(pl.len().over("_run") >= min_distinct_products)
    first_seen = enough_rows.group_by(c.USER_ID, c.PRODUCT_ID).agg(pl.col(c.AT).min())
    enough = (
        first_seen.group_by(c.USER_ID)
        .agg(pl.col(c.AT).sort().get(min_distinct_products - 1, null_on_oob=True).alias("enough"))
        .drop_nulls()
    )
    positive = (
        enough_rows.filter(c.IS_POSITIVE).group_by(c.USER_ID).agg(pl.col(c.AT).min().alias("liked"))
    )
    return (
        enough.join(positive, on=c.USER_ID)
        .select(c.USER_ID, pl.max_horizontal("enough", "liked").alias(c.TRAINABLE_AT))
        .pipe(in_row_order)
    )


def in_row_order(users: pl.DataFrame) -> pl.DataFrame:
    """`users` (user_id, trainable_at) in the order of their rows, with user_index."""
    return (
        users.sort(c.TRAINABLE_AT, c.USER_ID)
        .with_row_index(c.USER_INDEX)
        .select(c.USER_ID, c.TRAINABLE_AT, pl.col(c.USER_INDEX).cast(pl.Int32))
    )


def events_per_user(interactions: pl.DataFrame) -> pl.DataFrame:
    """One row per user in the canonical order: user_id, n_events, first row and last instant."""
    is_new_event = pl.col(c.GROUP_ID) != pl.col(c.GROUP_ID).shift(1)
    return (
        interactions.select(
            c.USER_ID,
            c.USER_INDEX,
            c.AT,
            is_new_event.fill_null(value=True).alias("is_new_event"),
            pl.col(c.USER_ID).rle_id().alias("_run"),
        )
        .group_by("_run", maintain_order=True)
        .agg(
            pl.col(c.USER_ID).first(),
            pl.col("is_new_event").sum().cast(pl.Int64).alias("n_events"),
            pl.col(c.USER_INDEX).first(),
            pl.col(c.AT).last().alias("last_at"),
        )
        .drop("_run")
    )


def user_metadata(interactions: pl.DataFrame) -> pl.DataFrame:
    """user_id, n_events, segment and last_at (ISO 8601, UTC) of every user, by user id."""
    is_trainable = pl.col(c.USER_INDEX).is_not_null()
    return events_per_user(interactions).select(
        c.USER_ID,
        "n_events",
        pl.when(is_trainable)
        .then(pl.lit(SEGMENT_TRAINABLE))
        .otherwise(pl.lit(SEGMENT_COLD))
        .alias("segment"),
        pl.col("last_at").dt.strftime("%Y-%m-%dT%H:%M:%S%:z"),
    )
