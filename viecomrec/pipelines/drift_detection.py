"""Compare the last week with the baseline; say what is more than chance."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import structlog

from viecomrec.adapters import drift_page
from viecomrec.adapters.drift_files import BaselineStore, ReportFolder
from viecomrec.adapters.snapshots import Snapshot, SnapshotStore
from viecomrec.domain import columns as c
from viecomrec.domain import drift as rules
from viecomrec.domain import drift_report, drift_windows
from viecomrec.domain.alerts import INCIDENT_DETAIL
from viecomrec.domain.drift import DriftLimits, Window
from viecomrec.domain.drift_report import DriftReport
from viecomrec.domain.drift_windows import Baseline
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.errors import InputError
from viecomrec.pipelines.alerting import Alerting

log = structlog.get_logger()

PIPELINE = "drift_detection"
INCIDENT = "drift"
"""Drift is an incident of its own: a run that works well does not end it."""


@dataclass(frozen=True)
class DriftTools:
    """What drift detection reads and writes, and its numbers."""

    snapshots: SnapshotStore
    baseline: BaselineStore
    reports: ReportFolder
    alerts: Alerting
    start_training: Callable[[], dict[str, Any]] | None
    """None where the configuration does not ask for it."""

    last_training_at: Callable[[], datetime | None]
    training_cooldown_days: float
    name_file: Callable[[Path], str]
    now: Callable[[], datetime]
    zone: tzinfo
    limits: DriftLimits
    baseline_weeks: int
    seed: int


def run(tools: DriftTools, *, update_baseline: bool) -> PipelineResult:
    """Make the baseline at the first run or where asked to; else compare and report."""
    snapshot = tools.snapshots.require_current()
    everything = drift_windows.comparable_events(snapshot.interactions(), snapshot.products())
    built_at = datetime.fromisoformat(snapshot.manifest.created_at_utc)
    events = drift_windows.without_future(everything, built_at)
    n_future = everything.height - events.height
    if n_future:
        log.warning("events dated after the data was built are left out", n_events=n_future)
    result = _detect(tools, snapshot, events, update_baseline=update_baseline)
    return result.model_copy(update={"n_future_events": n_future}) if n_future else result


def _detect(
    tools: DriftTools, snapshot: Snapshot, events: pl.DataFrame, *, update_baseline: bool
) -> PipelineResult:
    if events.is_empty():
        raise InputError("There is no event to compare. Run: python -m automation.data_refresh")
    baseline = tools.baseline.read()
    if baseline is None or update_baseline:
        return _make_baseline(tools, snapshot, events, had_one=baseline is not None)
    recent = drift_windows.recent_window(events, baseline.end)
    if recent is None:
        message = f"No event is newer than the baseline ({baseline.end.isoformat()})"
        return PipelineResult(status=Status.SKIPPED, message=message, drift_detected=False)
    report = _compare(tools, snapshot, events, baseline, recent)
    return _publish(tools, report)


def _make_baseline(
    tools: DriftTools, snapshot: Snapshot, events: pl.DataFrame, *, had_one: bool
) -> PipelineResult:
    aside = None if had_one else tools.baseline.set_aside(tools.now())
    window = drift_windows.baseline_window(events, tools.baseline_weeks)
    at = tools.now().astimezone(UTC)
    tools.baseline.write(Baseline.of(window, snapshot_version=snapshot.version, at=at))
    message = f"Baseline made of {window.n_events} events in {len(window.weekly)} weeks"
    if aside is not None:
        message += f"; the former one could not be read and lies at {aside.name}"
    return PipelineResult(
        status=Status.SUCCESS,
        message=message,
        drift_detected=False,
        baseline_start=window.start.isoformat(),
        baseline_end=window.end.isoformat(),
        n_events=window.n_events,
        set_aside=str(aside) if aside else None,
    )


def _compare(
    tools: DriftTools,
    snapshot: Snapshot,
    events: pl.DataFrame,
    baseline: Baseline,
    recent: Window,
) -> DriftReport:
    before, limits = baseline.window, tools.limits
    # One stream per measure: the result of one never depends on the size of another.
    streams = np.random.default_rng(tools.seed).spawn(3)
    rating = rules.compare_ratings(before, recent, limits, streams[0])
    popularity = rules.compare_popularity(before, recent, limits, streams[1])
    rate = rules.compare_rate(before, recent, limits, streams[2])
    detected = any(one.drift_detected for one in (rating, popularity, rate))
    at = tools.now()
    names = dict(snapshot.products().select(c.PRODUCT_ID, c.NAME).iter_rows())
    return DriftReport(
        timestamp=at.astimezone(tools.zone).replace(tzinfo=None).isoformat(timespec="seconds"),
        timestamp_utc=at.astimezone(UTC).isoformat(timespec="seconds"),
        snapshot_version=snapshot.version,
        drift_detected=detected,
        retrain_recommended=detected,
        summary=drift_report.summarise(rating, popularity, rate),
        rating_distribution=rating,
        popularity_distribution=popularity,
        interaction_rate=rate,
        baseline_start=before.start,
        baseline_end=before.end,
        recent_start=recent.start,
        recent_end=recent.end,
        newest_event_age_days=(at - recent.end).total_seconds() / 86_400,
        alpha=limits.alpha,
        n_resamples=limits.n_resamples,
        seed=tools.seed,
        top_products=drift_report.top_products(before, recent, names, limits.top_items, popularity),
        weekly_events=drift_windows.weekly_counts(events, recent.end, drift_report.N_WEEKS_SHOWN),
    )


def _publish(tools: DriftTools, report: DriftReport) -> PipelineResult:
    day = tools.now().astimezone(tools.zone).strftime("%Y%m%d")
    data_file, page_file = tools.reports.write(report, drift_page.render(report), day)
    training = None
    if report.drift_detected:
        details = {INCIDENT_DETAIL: INCIDENT, "page": tools.name_file(page_file)}
        tools.alerts.send(PIPELINE, "warning", report.summary, details)
        training = _start_training(tools)
    else:
        tools.alerts.resolve(PIPELINE, INCIDENT)
    return PipelineResult(
        status=Status.SUCCESS,
        message=report.summary,
        drift_detected=report.drift_detected,
        retrain_recommended=report.retrain_recommended,
        report=tools.name_file(data_file),
        page=tools.name_file(page_file),
        training=training,
        **{
            key: value
            for key, value in report.model_dump(mode="json").items()
            if key in {"rating_distribution", "popularity_distribution", "interaction_rate"}
        },
    )


def _start_training(tools: DriftTools) -> dict[str, Any] | None:
    """Train anew where the configuration says so and the last training is not too recent."""
    if tools.start_training is None:
        return None
    last = tools.last_training_at()
    cooldown = timedelta(days=tools.training_cooldown_days)
    if last is not None and tools.now() - last < cooldown:
        return {"status": "skipped", "message": f"Trained at {last.isoformat()}, cool-down"}
    return tools.start_training()
