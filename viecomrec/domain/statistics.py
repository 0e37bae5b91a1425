"""`data_stats.json`: what drift detection, the health check and a person want to know."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from viecomrec.domain import columns as c
from viecomrec.domain import totals as t
from viecomrec.domain.split import Part

TOP_ITEMS = 20
SCHEMA_VERSION = 1

Span = tuple[datetime | None, datetime | None]
"""The first and the last instant."""


def describe(
    totals: pl.DataFrame, products: pl.DataFrame, held_out: pl.DataFrame, span: Span
) -> dict[str, Any]:
    """Plain numbers about one snapshot; equal data give equal statistics, whatever the path.

    Instants are UTC.
    """
    sums = {
        name: t.of_measure(totals, name).get("", 0) for name in (t.ROWS, t.COMMENTED, t.QUALITY)
    }
    n_rows, stars = sums[t.ROWS], t.of_measure(totals, t.STAR)
    n_rated, per_item = sum(stars.values()), t.of_measure(totals, t.ITEM)
    per_user = {int(n): count for n, count in t.of_measure(totals, t.EVENTS_OF_USER).items()}
    n_users = sum(per_user.values())
    n_events = sum(n * count for n, count in per_user.items())
    first_at, last_at = span
    return {
        "schema_version": SCHEMA_VERSION,
        "n_interactions": n_rows,
        "n_events": n_events,
        "n_users": n_users,
        "n_trainable_users": t.of_measure(totals, t.TRAINABLE).get("true", 0),
        "n_products": products.height,
        "n_products_in_catalogue": int(products[c.IN_CATALOGUE].sum()),
        "n_products_with_interactions": len(per_item),
        "first_at": _iso(first_at),
        "last_at": _iso(last_at),
        "ratings": {
            "counts": {str(star): stars.get(str(star), 0) for star in range(1, 6)},
            "shares": {str(star): _share(stars.get(str(star), 0), n_rated) for star in range(1, 6)},
        },
        "kinds": t.of_measure(totals, t.KIND),
        "comment_share": _share(sums[t.COMMENTED], n_rows),
        "mean_comment_quality": _mean(sums[t.QUALITY] / t.QUALITY_UNIT, n_rows),
        "top_items": _top_items(per_item),
        "interactions_per_day": t.of_measure(totals, t.DAY),
        "interactions_per_user": {
            "mean": _mean(n_events, n_users),
            "histogram": {str(n): per_user[n] for n in sorted(per_user)},
        },
        "split": _split(t.of_measure(totals, t.PART), held_out),
    }


def span_of(interactions: pl.DataFrame, *others: Span) -> Span:
    """The first and last instant of interactions and of other spans."""
    lows = [one for one in (interactions[c.AT].min(), *(low for low, _ in others)) if one]
    highs = [one for one in (interactions[c.AT].max(), *(high for _, high in others)) if one]
    return min(lows, default=None), max(highs, default=None)  # type: ignore[return-value]


def read_span(statistics: Mapping[str, Any]) -> Span:
    """The span that `describe` wrote."""
    first, last = (statistics[name] for name in ("first_at", "last_at"))
    return first and datetime.fromisoformat(first), last and datetime.fromisoformat(last)


def _split(rows: Mapping[str, int], held_out: pl.DataFrame) -> dict[str, Any]:
    users = held_out.unique(c.USER_INDEX)[c.IS_VALIDATION]
    return {
        "rows": {part.value: rows.get(part.value, 0) for part in Part},
        "n_validation_users": int(users.sum()),
        "n_test_users": users.len() - int(users.sum()),
        "n_targets": held_out.height,
    }


def _top_items(per_item: Mapping[str, int]) -> list[dict[str, Any]]:
    """The most frequent products; of equally frequent ones the smaller id first."""
    ranked = sorted(per_item.items(), key=lambda item: (-item[1], item[0]))[:TOP_ITEMS]
    return [{c.PRODUCT_ID: item, "n_interactions": n} for item, n in ranked]


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0


def _mean(total: float, n: int) -> float | None:
    return round(total / n, 6) if n else None


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant is not None else None


def describe_rows(counts: Mapping[str, int], quarantined: pl.DataFrame) -> dict[str, Any]:
    """What became of the rows that were read."""
    by_rule = quarantined[c.RULE].value_counts(name="n").sort(c.RULE)
    return {**counts, "quarantined": quarantined.height, "by_rule": dict(by_rule.iter_rows())}
