"""Runs: what ran, how long it took, what came of it, and from what."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response

from viecomrec.adapters.run_log import find_run_log, read_end
from viecomrec.domain.runs import RunRecord
from viecomrec.errors import LedgerError
from viecomrec.service.console.formats import as_instant
from viecomrec.service.console.frame import Visit
from viecomrec.service.console.run_facts import facts_of, trained_models

N_SHOWN = 100
MAX_LOG_BYTES = 100_000


@dataclass(frozen=True)
class RunLog:
    """The end of what a run wrote, or in words why there is none."""

    text: str = ""
    name: str = ""
    is_cut: bool = False
    why_none: str = ""


def show_runs(here: Visit) -> Response:
    ledger = here.console.worker.installation.ledger
    pipeline = here.query("pipeline") or None
    runs = ledger.recent_runs(pipeline, N_SHOWN)
    return here.render(
        "runs.html",
        runs=[{"record": run, "seconds": seconds(run)} for run in runs],
        pipeline=pipeline,
        stats=ledger.get_stats(30)["stats_by_pipeline"],
        columns=[
            (seconds(run) or 0.0, run.status.value, _title(here, run)) for run in reversed(runs)
        ],
    )


def show_run(here: Visit) -> Response:
    run_id = here.request.path_params["run_id"]
    run = here.console.worker.installation.ledger.find_run(run_id)
    if run is None:
        raise LedgerError(f"There is no run {run_id!r} in the ledger.")
    told = run.result or {}
    return here.render(
        "run.html",
        run=run,
        message=told.get("message"),
        facts=facts_of(here, told),
        models=trained_models(here, told),
        seconds=seconds(run),
        config=_pretty(run.config),
        result=_pretty(run.result),
        lineage=_lineage(here, run),
        log=_log_of(here, run),
    )


def seconds(run: RunRecord) -> float | None:
    """How long a run took; None while it runs."""
    if run.started_at_utc is None or run.ended_at_utc is None:
        return None
    return (run.ended_at_utc - run.started_at_utc).total_seconds()


def _title(here: Visit, run: RunRecord) -> str:
    took = here.formats.duration(seconds(run))
    return f"{run.pipeline_name} · {here.formats.instant(run.started_at_utc)} · {took}"


def _log_of(here: Visit, run: RunRecord) -> RunLog:
    paths = here.console.worker.installation.paths
    started = None if run.start_time is None else datetime.fromisoformat(run.start_time)
    folders = (paths.scheduler_logs, paths.demo_logs)
    file = started and find_run_log(folders, run.pipeline_name, run.run_id, started)
    end = read_end(file, MAX_LOG_BYTES) if file else None
    if not file or end is None:
        return RunLog(why_none=_why_no_log(here, run))
    text, is_cut = end
    return RunLog(text, file.relative_to(paths.root).as_posix(), is_cut)


def _why_no_log(here: Visit, run: RunRecord) -> str:
    """Younger than the logs that cleanup leaves alone: nobody's job did it."""
    kept_days = here.console.worker.installation.settings.cleanup.log_days
    begun = run.started_at_utc
    if begun is None or here.console.now() - as_instant(begun) >= timedelta(days=kept_days):
        return here.t("log_gone", here.formats.number(kept_days))
    return here.t("log_elsewhere")


def _pretty(content: dict[str, Any] | None) -> str:
    return json.dumps(content or {}, ensure_ascii=False, indent=2)


def _lineage(here: Visit, run: RunRecord) -> list[tuple[str, str]]:
    """Snapshot -> model -> deployment, as far as this run knows them."""
    result = run.result or {}
    registry = here.console.worker.installation.registry.read()
    model_ids = list(result.get("models") or ()) or [result.get("model_id")]
    steps: list[tuple[str, str]] = []
    if version := result.get("snapshot_version"):
        steps.append(("snapshot", str(version)))
        made_of_it = (one for one in registry.models.values() if one.snapshot_version == version)
        model_ids += [record.model_id for record in made_of_it]
    for model_id in filter(None, model_ids):
        record = registry.models.get(model_id)
        if record is not None:
            steps += [("snapshot", record.snapshot_version), ("model", model_id)]
        if model_id == registry.deployed:
            steps.append(("deployed", model_id))
    return list(dict.fromkeys(steps))
