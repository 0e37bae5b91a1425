"""The report of one drift detection: the guide's keys, with the noise and the reasons."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from viecomrec.domain.drift import (
    Measure,
    PopularityDrift,
    RateDrift,
    RatingDrift,
    Window,
)

SCHEMA_VERSION = 1
N_WEEKS_SHOWN = 16


class TopProduct(BaseModel):
    """A product that is among the most popular before, now, or both."""

    model_config = ConfigDict(frozen=True)

    product_id: str
    name: str
    baseline_share: float
    recent_share: float
    is_new: bool
    is_dropped: bool


class DriftReport(BaseModel):
    """`reports/drift/drift_report_YYYYMMDD.json`."""

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA_VERSION
    timestamp: str
    timestamp_utc: str
    snapshot_version: str
    drift_detected: bool
    retrain_recommended: bool
    summary: str
    rating_distribution: RatingDrift
    popularity_distribution: PopularityDrift
    interaction_rate: RateDrift
    baseline_start: datetime
    baseline_end: datetime
    recent_start: datetime
    recent_end: datetime
    newest_event_age_days: float
    alpha: float
    n_resamples: int
    seed: int
    top_products: tuple[TopProduct, ...]
    weekly_events: tuple[int, ...]
    """Events of the last weeks, the oldest first; the last one is the recent week."""


def summarise(rating: RatingDrift, popularity: PopularityDrift, rate: RateDrift) -> str:
    """One sentence for a log and an alert."""
    found = [
        text
        for measure, text in (
            (rating, f"ratings differ by {rating.total_difference:.2f}"),
            (
                popularity,
                f"only {popularity.jaccard_similarity:.0%} of the top products are the same",
            ),
            (rate, f"events a week changed by {rate.change_rate:+.0%}"),
        )
        if measure.drift_detected
    ]
    if found:
        return "The shop has changed: " + "; ".join(found)
    noisy = [m for m in (rating, popularity, rate) if m.passes_threshold]
    if noisy:
        return "No drift: what passes a threshold is no more than chance at this number of events"
    return "No drift"


def verdict(measure: Measure) -> str:
    """What a measure came to, in one word of a legend."""
    if not measure.is_comparable:
        return "too little to compare"
    if measure.drift_detected:
        return "changed"
    return "within chance" if measure.passes_threshold else "as usual"


def top_products(
    baseline: Window, recent: Window, names: dict[str, str], k: int, popularity: PopularityDrift
) -> tuple[TopProduct, ...]:
    """The union of both top lists, the most popular now first."""
    ranked = sorted(recent.items, key=lambda product: (-recent.items[product], product))[:k]
    products = dict.fromkeys((*ranked, *popularity.dropped_items))
    return tuple(
        TopProduct(
            product_id=product,
            name=names.get(product, product),
            baseline_share=_share(baseline, product),
            recent_share=_share(recent, product),
            is_new=product in popularity.new_items,
            is_dropped=product in popularity.dropped_items,
        )
        for product in products
    )


def _share(window: Window, product: str) -> float:
    return window.items.get(product, 0) / max(window.n_events, 1)
