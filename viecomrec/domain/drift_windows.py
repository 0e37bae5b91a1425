"""Which events are compared: the last week against the weeks that made the baseline."""

from datetime import datetime, timedelta
from typing import Any, cast

import polars as pl
from pydantic import AwareDatetime, BaseModel, ConfigDict

from viecomrec.domain import columns as c
from viecomrec.domain.drift import RATINGS, Window

WEEK = timedelta(days=7)
BASELINE_SCHEMA_VERSION = 1


class Baseline(BaseModel):
    """The stored window that later weeks are compared with."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = BASELINE_SCHEMA_VERSION
    created_at_utc: str
    snapshot_version: str
    start: AwareDatetime
    end: AwareDatetime
    ratings: tuple[int, ...]
    items: dict[str, int]
    weekly: tuple[int, ...]

    @classmethod
    def of(cls, window: Window, *, snapshot_version: str, at: datetime) -> "Baseline":
        return cls(
            created_at_utc=at.isoformat(timespec="seconds"),
            snapshot_version=snapshot_version,
            start=window.start,
            end=window.end,
            ratings=window.ratings,
            items=dict(window.items),
            weekly=window.weekly,
        )

    @property
    def window(self) -> Window:
        return Window(self.start, self.end, self.ratings, self.items, self.weekly)


def comparable_events(interactions: pl.DataFrame, products: pl.DataFrame) -> pl.DataFrame:
    """One row per event and product, variants as one product: columns at, rating, product.

    A shop repeats one review on every variant of a product; counted as often as it is shown,
    one loud customer would look like a trend.
    """
    family = products.select(c.PRODUCT_ID, pl.col(c.VARIANT_GROUP).alias("product"))
    return (
        interactions.join(family, on=c.PRODUCT_ID, how="left")
        .with_columns(pl.col("product").fill_null(pl.col(c.PRODUCT_ID)))
        .unique(subset=[c.GROUP_ID, "product"], keep="first", maintain_order=True)
        .select(c.AT, c.RATING, "product")
    )


def without_future(events: pl.DataFrame, known_at: datetime) -> pl.DataFrame:
    """Events up to the instant at which the data was built.

    One date that is years ahead would otherwise be the newest event for ever.
    """
    return events.filter(pl.col(c.AT) <= known_at)


def baseline_window(events: pl.DataFrame, max_weeks: int) -> Window:
    """The last full weeks up to the newest event, `max_weeks` at most, at least one."""
    end = newest_at(events)
    oldest: Any = events[c.AT].min()
    n_weeks = min(max((end - oldest) // WEEK, 1), max_weeks)
    return window_between(events, end - n_weeks * WEEK, end)


def recent_window(events: pl.DataFrame, baseline_end: datetime) -> Window | None:
    """The last week up to the newest event, without what made the baseline; None if empty."""
    end = newest_at(events)
    start = max(end - WEEK, baseline_end)
    return window_between(events, start, end) if start < end else None


def newest_at(events: pl.DataFrame) -> datetime:
    newest: Any = events[c.AT].max()
    return cast(datetime, newest)


def window_between(events: pl.DataFrame, start: datetime, end: datetime) -> Window:
    """Count the events of (start, end]."""
    inside = events.filter((pl.col(c.AT) > start) & (pl.col(c.AT) <= end))
    stars = inside[c.RATING].drop_nulls().round()
    counted = inside["product"].value_counts()
    return Window(
        start=start,
        end=end,
        ratings=tuple(int((stars == star).sum()) for star in RATINGS),
        items=dict(counted.iter_rows()),
        weekly=weekly_counts(inside, end, (end - start) // WEEK),
    )


def weekly_counts(events: pl.DataFrame, end: datetime, n_weeks: int) -> tuple[int, ...]:
    """Events of each of the last `n_weeks` weeks before `end`, the oldest first."""
    return tuple(
        events.filter(
            (pl.col(c.AT) > end - (weeks_ago + 1) * WEEK) & (pl.col(c.AT) <= end - weeks_ago * WEEK)
        ).height
        for weeks_ago in reversed(range(n_weeks))
    )
