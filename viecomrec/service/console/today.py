"""Today: is all well, what is live, what ran and what comes."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response

from viecomrec.domain.health import HealthReport
from viecomrec.domain.occurrences import OccurrenceRecord, State
from viecomrec.pipelines import health_check, scheduler_management
from viecomrec.service.console.charts import Mark
from viecomrec.service.console.formats import Formats
from viecomrec.service.console.frame import Visit
from viecomrec.service.console.messages import reason_of, twin_of
from viecomrec.service.console.own_service import own_service
from viecomrec.service.console.words import name_of

SPANS = {"last_24_h": timedelta(hours=24), "last_7_d": timedelta(days=7)}
SHORTEST_MARK = timedelta(seconds=1)
MOST_ROWS = 3000


def show_today(here: Visit) -> Response:
    worker = here.console.worker
    installation, now = worker.installation, here.console.now()
    bundle = worker.live.serving.bundle
    snapshot, embeddings = installation.snapshots.current(), here.console.embeddings.current()
    scheduler = scheduler_management.status(installation.management_tools())
    report = here.console.health.get(lambda: check_health(here), now)
    return here.render(
        "today.html",
        report=report,
        public=worker.live.public,
        troubles=report.troubles(),
        bundle=bundle,
        snapshot=snapshot,
        embeddings=embeddings,
        scheduler=scheduler,
        timelines=_timelines(here, list(scheduler["jobs"]), now),
    )


def check_health(here: Visit) -> HealthReport:
    """The health check itself, asked of this very service; it records and alerts nothing."""
    tools = replace(
        here.console.worker.installation.health_tools(closes_dead_runs=False),
        service=own_service(here),
        snapshots=here.console.snapshots,
        embeddings=here.console.embeddings,
        models=here.console.models,
    )
    result = health_check.run(health_check.COMPONENTS, tools, alert=False)
    return HealthReport.model_validate(result.as_json())


def _timelines(here: Visit, jobs: list[str], now: datetime) -> list[dict[str, Any]]:
    tools = here.console.worker.installation.management_tools()
    rows = tools.run_tools.store.recent(None, now - max(SPANS.values()), MOST_ROWS)
    return [
        {
            "name": name,
            "ticks": _ticks(here.formats, now, span),
            "jobs": [
                {"job": job, "marks": _marks(here, [r for r in rows if r.job == job], now, span)}
                for job in jobs
            ],
            "not_run": [
                row
                for row in rows
                if row.state in {State.SKIPPED, State.MISSED} and row.nominal_utc >= now - span
            ][:20],
        }
        for name, span in SPANS.items()
    ]


def _marks(here: Visit, rows: list[OccurrenceRecord], now: datetime, span: timedelta) -> list[Mark]:
    start = now - span
    marks = []
    for row in rows:
        begin = row.started_at_utc or row.nominal_utc
        if begin < start:
            continue
        end = row.ended_at_utc or (now if row.state is State.RUNNING else begin + SHORTEST_MARK)
        marks.append(
            Mark((begin - start) / span, (end - start) / span, kind_of(row), _title(here, row))
        )
    # What went well lies below: a failure among many runs stays visible.
    return sorted(marks, key=lambda mark: mark.kind != "success")


def kind_of(row: OccurrenceRecord) -> str:
    """The state as a person sees it: a run has succeeded or failed."""
    if row.has_failed:
        return "failed"
    return "success" if row.has_succeeded else row.state.value


def _title(here: Visit, row: OccurrenceRecord) -> str:
    words = [
        name_of("", row.job, here.language),
        here.formats.instant(row.nominal_utc),
        name_of("", kind_of(row), here.language),
    ]
    if row.started_at_utc and row.ended_at_utc:
        words.append(here.formats.duration(row.ended_at_utc - row.started_at_utc))
    why = reason_of(row.reason, here.language) or twin_of(row.error, here.language) or row.error
    return ": ".join(filter(None, [" · ".join(words), why]))


def _ticks(formats: Formats, now: datetime, span: timedelta) -> list[str]:
    """Five instants from the start of the line to now."""
    steps = [now - span * (1 - share / 4) for share in range(5)]
    pattern = "%H:%M" if span <= timedelta(days=1) else "%d/%m"
    return [formats.clock(step, pattern) for step in steps]
