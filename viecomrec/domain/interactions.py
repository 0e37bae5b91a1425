"""From checked rows to interactions: identity, whole events, and one row per product of each."""

from base64 import urlsafe_b64encode
from hashlib import blake2b

import polars as pl

from viecomrec.domain import columns as c
from viecomrec.domain.buckets import bucket
from viecomrec.domain.events import Event, EventKind

SEPARATOR = "\x1f"
_ID_BYTES, _ID_LETTERS = 9, 12

REVIEW_ID = r"^[A-Za-z0-9_-]{12}$"
"""The shape of the id that `identify` gives a row without one."""

INTERACTION_SCHEMA = pl.Schema(
    {
        c.EVENT_ID: pl.String(),
        c.GROUP_ID: pl.String(),
        c.USER_ID: pl.String(),
        c.PRODUCT_ID: pl.String(),
        c.AT: pl.Datetime("us", "UTC"),
        c.KIND: pl.String(),
        c.RATING: pl.Float32(),
        c.COMMENT_QUALITY: pl.Float32(),
        c.TEXT_ID: pl.UInt64(),
    }
)
"""An interaction before users are indexed. `text_id` is 0 where there is no comment."""

ROW_COLUMNS = tuple(name for name in INTERACTION_SCHEMA.names() if name != c.GROUP_ID)
"""What an identified row has before it is resolved."""

CANONICAL_ORDER = (c.BUCKET, c.USER_ID, c.AT, c.PRODUCT_ID, c.EVENT_ID)
"""The row order of every interactions table, so that the same data gives the same bytes."""

_STRENGTH = {EventKind.PURCHASE: 2, EventKind.CART: 1, EventKind.VIEW: 0, EventKind.REVIEW: 0}
RATED = 3


def strength() -> pl.Expr:
    """What a row says of a taste: a rating most, then a purchase, a cart, a view."""
    by_kind = pl.col(c.KIND).replace_strict(
        {kind.value: value for kind, value in _STRENGTH.items()}, return_dtype=pl.Int8
    )
    return pl.when(pl.col(c.RATING).is_not_null()).then(RATED).otherwise(by_kind).cast(pl.Int8)


def strength_of(event: Event) -> int:
    """`strength` of one event that has no table around it."""
    return RATED if event.rating is not None else _STRENGTH[event.kind]


def identify(rows: pl.DataFrame) -> pl.DataFrame:
    """Give each checked row its ids; `comment` gives way to the number `text_id`.

    A row without an id of its own gets hash(user, product, second, NFC text): a review that was
    posted and comes again in the next export is the same row. Rows of the same user and second
    are one event.
    """
    content = rows.select(
        pl.concat_str(c.USER_ID, c.PRODUCT_ID, _second(), c.COMMENT, separator=SEPARATOR)
    ).to_series()
    return rows.with_columns(
        pl.coalesce(c.EVENT_ID, _hashes(content)).alias(c.EVENT_ID),
        pl.when(pl.col(c.COMMENT) == "")
        .then(pl.lit(0, dtype=pl.UInt64))
        .otherwise(pl.col(c.COMMENT).hash())
        .alias(c.TEXT_ID),
    ).drop(c.COMMENT)


def _hashes(content: pl.Series) -> pl.Series:
    """Stable 72-bit names of 12 letters, which a table holds without a heap of texts beside it.

    At 37 million rows two of them collide with a chance of one in seven million.
    """
    digests = [blake2b(text, digest_size=_ID_BYTES).digest() for text in content.cast(pl.Binary)]
    # Nine bytes are twelve letters without padding, so all can be written as letters at once.
    letters = urlsafe_b64encode(b"".join(digests)).decode()
    names = [letters[at : at + _ID_LETTERS] for at in range(0, len(letters), _ID_LETTERS)]
    return pl.Series(names, dtype=pl.String)


CONTENT = (c.USER_ID, c.PRODUCT_ID, c.KIND, c.RATING, c.AT, c.TEXT_ID)


def deliver_once(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Identified events with each id once, the first delivery; and both sides of each conflict.

    A conflict is an id that came again with another content: nobody can say which is meant.
    """
    first = rows.unique(c.EVENT_ID, keep="first", maintain_order=True)
    again = rows.join(
        first.select(c.EVENT_ID, *CONTENT), on=[c.EVENT_ID, *CONTENT], how="anti", nulls_equal=True
    )
    both = rows.filter(pl.col(c.EVENT_ID).is_in(again[c.EVENT_ID].implode()))
    return first, both.unique([c.EVENT_ID, *CONTENT], keep="first", maintain_order=True)


def resolve(rows: pl.DataFrame) -> pl.DataFrame:
    """Keep one row per user, product and second, in the canonical order.

    Of several the strongest counts, then the latest; the event id breaks what ties are left.
    """
    ordered = in_order(rows)
    surplus = _surplus(ordered)
    if surplus.len():
        is_kept = pl.repeat(value=True, n=ordered.height, eager=True)
        ordered = ordered.filter(is_kept.scatter(surplus, values=False))
    group_id = pl.concat_str(c.USER_ID, _second(), separator="@").alias(c.GROUP_ID)
    return ordered.with_columns(group_id).select(INTERACTION_SCHEMA.names())


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows in the canonical order: a user's are together, and those of a bucket of users."""
    return rows.with_columns(bucket()).sort(CANONICAL_ORDER).drop(c.BUCKET)


def _second() -> pl.Expr:
    return pl.col(c.AT).dt.epoch("s")


def _surplus(ordered: pl.DataFrame) -> pl.Series:
    """The positions of rows that another row of their product and event outweighs."""
    starts_event = (pl.col(c.USER_ID) != pl.col(c.USER_ID).shift(1)) | (_second().diff() != 0)
    # Most events have one row; only the others are compared.
    several = (
        ordered.select(
            c.PRODUCT_ID,
            c.AT,
            c.EVENT_ID,
            strength().alias("_strength"),
            starts_event.fill_null(value=True).cum_sum().alias("_event"),
        )
        .with_row_index("_row")
        .filter(pl.len().over("_event") > 1)
        .sort("_strength", c.AT, c.EVENT_ID, descending=[True, True, False])
    )
    return several.filter(~pl.struct("_event", c.PRODUCT_ID).is_first_distinct())["_row"]


def training_cells(interactions: pl.DataFrame) -> pl.DataFrame:
    """user_index, item_index, confidence and is_positive of each training pair, by row and column.

    Of several events of one pair the strongest counts, then the latest: a newer review corrects
    an older one, a view corrects nothing.
    """
    pair = [c.USER_INDEX, c.ITEM_INDEX]
    return (
        interactions.filter(pl.col(c.PART) == "train")
        .sort(*pair, strength(), c.AT, c.EVENT_ID, descending=[False, False, True, True, False])
        .unique(pair, keep="first", maintain_order=True)
        .select(*pair, c.CONFIDENCE, c.IS_POSITIVE)
    )
