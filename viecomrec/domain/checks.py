"""The row rules of every input: a row is good, or one rule says why it is not."""

import polars as pl

from viecomrec.domain import columns as c
from viecomrec.domain import comment_text, dates
from viecomrec.domain.contracts import MAX_ID_BYTES, RATING_RANGE, YEAR_RANGE
from viecomrec.domain.events import EventKind
from viecomrec.errors import InputError

RAW = (c.EVENT_ID, c.USER_ID, c.PRODUCT_ID, c.KIND, c.RATING, c.AT, c.COMMENT)
"""The text columns of a row before it is checked."""

ROW_SCHEMA = pl.Schema(
    {
        c.SOURCE: pl.String(),
        c.ROW: pl.Int64(),
        c.EVENT_ID: pl.String(),
        c.USER_ID: pl.String(),
        c.PRODUCT_ID: pl.String(),
        c.KIND: pl.String(),
        c.RATING: pl.Float32(),
        c.AT: dates.UTC_MICROSECONDS,
        c.COMMENT: pl.String(),
    }
)
"""A row that passed the rules. `event_id` is null where the input gave none."""

QUARANTINE_SCHEMA = pl.Schema(
    {
        c.SOURCE: pl.String(),
        c.ROW: pl.Int64(),
        c.RULE: pl.String(),
        c.REASON: pl.String(),
        **{name: pl.String() for name in RAW},
    }
)

EVENT_ID_CONFLICT = "event_id_conflict"

_CONTROL = r"[\x00-\x1f]"


def check_rows(raw: pl.DataFrame, date_format: str, zone: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split text rows into good rows and quarantined ones.

    `raw` has source, row, is_malformed and those columns of RAW that the input has. Good rows
    have ROW_SCHEMA, quarantined ones QUARANTINE_SCHEMA with the values as they came.
    """
    absent = [name for name in RAW if name not in raw.columns]
    complete = raw.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in absent)
    checked = complete.with_columns(
        *(pl.col(name).str.strip_chars().alias(f"_{name}") for name in (c.USER_ID, c.PRODUCT_ID)),
        with_decimal_point(pl.col(c.RATING).str.strip_chars())
        .cast(pl.Float32, strict=False)
        .alias("_rating"),
        dates.parse(raw[c.AT], date_format, zone).alias("_at"),
        pl.col(c.KIND).str.strip_chars().str.to_lowercase().fill_null("review").alias("_kind"),
    ).with_columns(_rule().alias(c.RULE))
    is_bad = pl.col(c.RULE).is_not_null()
    good = checked.filter(~is_bad).select(
        c.SOURCE,
        c.ROW,
        _filled(c.EVENT_ID).alias(c.EVENT_ID),
        pl.col("_user_id").alias(c.USER_ID),
        pl.col("_product_id").alias(c.PRODUCT_ID),
        pl.col("_kind").alias(c.KIND),
        pl.col("_rating").alias(c.RATING),
        pl.col("_at").alias(c.AT),
        comment_text.clean(pl.col(c.COMMENT)).alias(c.COMMENT),
    )
    bad = checked.filter(is_bad)
    return good, quarantine(bad)


def with_decimal_point(rating: pl.Expr) -> pl.Expr:
    """The text of a rating; its comma is the decimal sign, for no rating reaches a thousand."""
    return rating.str.replace(",", ".", literal=True)


def require_few_bad(
    n_rows: int, quarantined: pl.DataFrame, max_bad_share: float, source: str
) -> None:
    """Raise InputError without any row, or where a larger share of them is bad.

    The message names the rule that was broken most, with three examples.
    """
    if not n_rows:
        raise InputError(
            f"{source} has no usable row. Export it again; the previous snapshot stays in force."
        )
    if quarantined.height <= max_bad_share * n_rows:
        return
    rule, count = (
        quarantined.group_by(c.RULE).len().sort("len", c.RULE, descending=[True, False]).row(0)
    )
    examples = quarantined.filter(pl.col(c.RULE) == rule).head(3)
    shown = "; ".join(
        f"row {row}: {reason}" for row, reason in examples.select(c.ROW, c.REASON).iter_rows()
    )
    raise InputError(
        f"{source}: {quarantined.height} of {n_rows} rows are bad, more than "
        f"{max_bad_share:.0%}. Most broke the rule {rule!r} ({count} rows), for example {shown}. "
        "The previous snapshot stays in force. Correct the export, or raise "
        "refresh.max_bad_share in config/settings.json if this is how the shop is."
    )


def _rule() -> pl.Expr:
    low, high = RATING_RANGE
    is_review = pl.col("_kind") == EventKind.REVIEW.value
    has_rating = _filled(c.RATING).is_not_null()
    year = pl.col("_at").dt.year()
    rules = {
        "row_malformed": pl.col(c.IS_MALFORMED),
        "user_id_missing": pl.col("_user_id").fill_null("") == "",
        "product_id_missing": pl.col("_product_id").fill_null("") == "",
        "id_malformed": _malformed("_user_id") | _malformed("_product_id"),
        "kind_unknown": ~pl.col("_kind").is_in([kind.value for kind in EventKind]),
        "rating_missing": is_review & ~has_rating,
        "rating_not_a_number": has_rating & ~pl.col("_rating").is_finite().fill_null(value=False),
        "rating_out_of_range": has_rating & ~pl.col("_rating").is_between(low, high),
        "date_missing": _filled(c.AT).is_null(),
        "date_unparsable": pl.col("_at").is_null(),
        "date_out_of_range": ~year.is_between(*YEAR_RANGE),
    }
    rule: pl.Expr = pl.lit(None, dtype=pl.String)
    for name, breaks in reversed(rules.items()):
        rule = pl.when(breaks.fill_null(value=False)).then(pl.lit(name)).otherwise(rule)
    return rule


def _filled(column: str) -> pl.Expr:
    """The text of a column, null where there is only white space."""
    text = pl.col(column).str.strip_chars()
    return pl.when(text != "").then(text)


def _malformed(column: str) -> pl.Expr:
    return (pl.col(column).str.len_bytes() > MAX_ID_BYTES) | pl.col(column).str.contains(_CONTROL)


_REASONS = {
    EVENT_ID_CONFLICT: "the event id {event_id!r} came with two contents; the first one counts",
    "row_malformed": "the row does not have the columns of the header (an open quote, or a "
    "separator inside a text without quotes), or the line is not one JSON object of plain values",
    "user_id_missing": "user_id is empty",
    "product_id_missing": "product_id is empty",
    "id_malformed": f"an id has more than {MAX_ID_BYTES} bytes or holds control characters",
    "kind_unknown": "kind {kind!r} is not review, purchase, cart or view",
    "rating_missing": "rating is empty, and a review needs one",
    "rating_not_a_number": "rating {rating!r} is not a number",
    "rating_out_of_range": "rating {rating!r} is not between 1 and 5",
    "date_missing": "the date is empty",
    "date_unparsable": "the date {at!r} cannot be read in the format of its column",
    "date_out_of_range": f"the date {{at!r}} is not between {YEAR_RANGE[0]} and {YEAR_RANGE[1]}",
}


def quarantine(bad: pl.DataFrame) -> pl.DataFrame:
    """Rows of text with a `rule` as they go to quarantine, the reason in words."""
    rows = bad.select(c.SOURCE, c.ROW, c.RULE, *RAW).iter_rows(named=True)
    records = [{**row, c.REASON: _REASONS[row[c.RULE]].format(**row)} for row in rows]
    return pl.DataFrame(records, schema=QUARANTINE_SCHEMA)


class RowChecker:
    """Checks the batches of one input; its first batch decides the format of the dates."""

    def __init__(self, source: str, zone: str) -> None:
        self._source = source
        self._zone = zone
        self._date_format: str | None = None

    def check(self, raw: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Good rows and quarantined ones, as `check_rows` gives them."""
        if self._date_format is None and raw.height:
            self._date_format = dates.decide_format(raw[c.AT])
        named = raw.with_columns(pl.lit(self._source).alias(c.SOURCE))
        return check_rows(named, self._date_format or "iso", self._zone)
