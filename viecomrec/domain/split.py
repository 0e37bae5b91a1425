"""Which events train and which are held out: whole events, the last positive one of each user."""

import hashlib
from enum import StrEnum

import polars as pl

from viecomrec.domain import columns as c

_BUCKETS = 100


class Part(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    LATER = "later"
    COLD = "cold"


def split(
    interactions: pl.DataFrame, variant_group: pl.DataFrame, validation_percent: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give every interaction its part, and list the targets of the held-out events.

    `interactions` carry user_index (null for users who are not trainable) and item_index;
    `variant_group` maps product_id to its group. Of each trainable user the last event with a
    positive product that is new to the user is held out, unless it is the user's first event:
    with nothing before it there is nothing to predict it from. What comes after it is left out
    (`later`), everything else trains. A repeat purchase is nothing to recommend, so it is no
    target, and variants of one product count once. Returns (part column, held-out targets).
    """
    targets = _targets(interactions, variant_group)
    held_out = targets.group_by(c.USER_INDEX).agg(pl.col("second").max().alias("held_second"))
    is_validation = _validation_users(interactions, held_out, validation_percent)
    held_out = held_out.join(is_validation, on=c.USER_INDEX, maintain_order="left")
    parts = (
        interactions.select(c.USER_INDEX, second=pl.col(c.AT).dt.epoch("s"))
        .join(held_out, on=c.USER_INDEX, how="left", maintain_order="left")
        .select(_part().alias(c.PART))
    )
    chosen = (
        targets.join(held_out, on=c.USER_INDEX)
        .filter(pl.col("second") == pl.col("held_second"))
        .select(c.USER_INDEX, c.ITEM_INDEX, c.IS_VALIDATION)
        .sort(c.USER_INDEX, c.ITEM_INDEX)
    )
    return parts, chosen


def is_validation_user(user_id: str, validation_percent: int) -> bool:
    """A fixed property of the user id, so that nobody moves between validation and test."""
    digest = hashlib.blake2b(user_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest) % _BUCKETS < validation_percent


def _targets(interactions: pl.DataFrame, variant_group: pl.DataFrame) -> pl.DataFrame:
    """One row per event and variant group that is positive, new to the user and not first."""
    rows = (
        interactions.filter(pl.col(c.USER_INDEX).is_not_null())
        .select(
            c.USER_INDEX,
            c.ITEM_INDEX,
            c.PRODUCT_ID,
            c.IS_POSITIVE,
            c.TEXT_ID,
            second=pl.col(c.AT).dt.epoch("s"),
        )
        .join(variant_group, on=c.PRODUCT_ID)
    )
    event = [c.USER_INDEX, "second"]
    first_seen = pl.col("second").min().over(c.USER_INDEX, c.VARIANT_GROUP)
    first_event = pl.col("second").min().over(c.USER_INDEX)
    marked = rows.with_columns(
        _text_or_item().alias("review"), is_new=pl.col("second") == first_seen
    ).filter(pl.col("is_new").all().over(*event, "review") & (pl.col("second") > first_event))
    return (
        marked.filter(c.IS_POSITIVE)
        .sort(*event, c.ITEM_INDEX)
        .unique([*event, c.VARIANT_GROUP], keep="first", maintain_order=True)
        .unique([*event, "review"], keep="first", maintain_order=True)
    )


def _text_or_item() -> pl.Expr:
    """Rows of one event with one non-empty text are one review; empty text unites nothing."""
    return pl.when(pl.col(c.TEXT_ID) != 0).then(pl.col(c.TEXT_ID)).otherwise(c.ITEM_INDEX)


def _validation_users(
    interactions: pl.DataFrame, held_out: pl.DataFrame, validation_percent: int
) -> pl.DataFrame:
    users = interactions.select(c.USER_INDEX, c.USER_ID).unique().join(held_out, on=c.USER_INDEX)
    flags = [is_validation_user(user, validation_percent) for user in users[c.USER_ID]]
    return users.select(c.USER_INDEX).with_columns(
        pl.Series(c.IS_VALIDATION, flags, dtype=pl.Boolean)
    )


def _part() -> pl.Expr:
    second, held = pl.col("second"), pl.col("held_second")
    held_part = (
        pl.when(c.IS_VALIDATION)
        .then(pl.lit(Part.VALIDATION.value))
        .otherwise(pl.lit(Part.TEST.value))
    )
    return (
        pl.when(pl.col(c.USER_INDEX).is_null())
        .then(pl.lit(Part.COLD.value))
        .when(held.is_null() | (second < held))
        .then(pl.lit(Part.TRAIN.value))
        .when(second == held)
        .then(held_part)
        .otherwise(pl.lit(Part.LATER.value))
    )
