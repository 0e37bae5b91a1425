"""What is known of the interactions by counting: sums that a few users can be taken out of.

One long table (measure, key, n) in place of many: totals of two sets of users add up, so an
update subtracts what the affected users were and adds what they are.
"""

from collections.abc import Sequence

import polars as pl

from viecomrec.domain import columns as c
from viecomrec.domain.users import events_per_user

MEASURE, KEY, N = "measure", "key", "n"
TOTALS_SCHEMA = pl.Schema({MEASURE: pl.String(), KEY: pl.String(), N: pl.Int64()})

ROWS, COMMENTED, QUALITY = "rows", "commented", "quality"
KIND, STAR, DAY, ITEM, PART = "kind", "star", "day", "item", "part"
EVENTS_OF_USER, TRAINABLE = "events_of_user", "trainable"

QUALITY_UNIT = 2.0**40
"""Qualities are summed as whole numbers of this fraction, so that no order of rows matters."""


def count(interactions: pl.DataFrame, zone: str) -> pl.DataFrame:
    """The totals of interactions with parts, in the canonical order; days are those of `zone`."""
    users = events_per_user(interactions)
    rated = interactions.select(pl.col(c.RATING).drop_nulls().round().cast(pl.Int64))
    days = interactions.select(pl.col(c.AT).dt.convert_time_zone(zone).dt.date())
    quality = (pl.col(c.COMMENT_QUALITY).cast(pl.Float64) * QUALITY_UNIT).round().cast(pl.Int64)
    sums = interactions.select(
        pl.len().cast(pl.Int64).alias(ROWS),
        (pl.col(c.TEXT_ID) != 0).sum().cast(pl.Int64).alias(COMMENTED),
        quality.sum().alias(QUALITY),
    )
    return combine(
        [
            sums.unpivot(variable_name=MEASURE, value_name=N).select(
                MEASURE, pl.lit("").alias(KEY), N
            ),
            _tally(interactions[c.KIND], KIND),
            _tally(rated.to_series(), STAR),
            _tally(days.to_series(), DAY),
            _tally(interactions[c.PRODUCT_ID], ITEM),
            _tally(interactions[c.PART], PART),
            _tally(users["n_events"], EVENTS_OF_USER),
            _tally(users[c.USER_INDEX].is_not_null(), TRAINABLE),
        ]
    )


def combine(added: Sequence[pl.DataFrame], subtracted: Sequence[pl.DataFrame] = ()) -> pl.DataFrame:
    """The sum of totals, less others; in a fixed order, without zeros."""
    negative = [totals.with_columns(-pl.col(N)) for totals in subtracted]
    return (
        pl.concat([TOTALS_SCHEMA.to_frame(), *added, *negative])
        .group_by(MEASURE, KEY)
        .agg(pl.col(N).sum())
        .filter(pl.col(N) != 0)
        .sort(MEASURE, KEY)
    )


def of_measure(totals: pl.DataFrame, measure: str) -> dict[str, int]:
    """The n of each key of one measure, keys in order."""
    return dict(totals.filter(pl.col(MEASURE) == measure).select(KEY, N).iter_rows())


def _tally(values: pl.Series, measure: str) -> pl.DataFrame:
    counted = values.alias(KEY).value_counts(name=N)
    return counted.select(
        pl.lit(measure).alias(MEASURE), pl.col(KEY).cast(pl.String), pl.col(N).cast(pl.Int64)
    )
