"""A made-up past for pictures and benchmarks of the console: runs, alerts, deployments."""

import json
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import text

from viecomrec.adapters.database import Database
from viecomrec.adapters.occurrences import to_text
from viecomrec.bootstrap import Installation
from viecomrec.domain.schedules import due_between

SECONDS = {
    "data_refresh": 34,
    "bert_embeddings": 410,
    "model_training": 62,
    "model_deployment": 4,
    "health_check": 2,
    "drift_detection": 9,
    "cleanup": 3,
}
MESSAGES = {
    "data_refresh": "incremental refresh",
    "bert_embeddings": "Fresh (3 days old)",
    "model_training": "Trained als_20261122_v1; current_best: als_20261122_v1",
    "model_deployment": "Deployed als_20261122_v1",
    "drift_detection": "No drift",
    "cleanup": "",
}
TIMED_OUT = "timed out after 3600 s; its whole process tree was ended"
ERRORS = {
    "health_check": "Nobody answers at http://localhost:8000 (connection refused).",
    "model_deployment": "Nobody answers at http://localhost:8000 (connection refused).",
    "data_refresh": "data_product.csv is missing: the file of the products. Put it there, or name "
    "yours in config/data_source.json under products.file.",
}
FAILED_SHARE, SKIPPED_SHARE = 0.015, 0.01


def write_history(installation: Installation, days: int, rng: np.random.Generator) -> int:
    """Fill the ledger with what the configured jobs did in the last `days`; return the runs."""
    now = installation.now()
    config = installation.management_tools().config()
    runs, rows = [], []
    for job in config.jobs.values():
        for one in due_between(
            job.schedule, installation.zone, now - timedelta(days=days), now - timedelta(minutes=1)
        ):
            run, row = _make(job.name, one.nominal_utc, one.nominal_day, installation, rng)
            rows.append(row)
            runs += [run] if run else []
    with Database(installation.paths.ledger_file).transaction() as connection:
        connection.execute(text(OCCURRENCE), rows)
        connection.execute(text(RUN), runs)
        connection.execute(text(DETAILS), runs)
    return len(runs)


OCCURRENCE = (
    "INSERT INTO occurrences (job, nominal_utc, nominal_day, state, cause, reason, attempt, "
    "decided_at_utc, started_at_utc, ended_at_utc, exit_code, error) VALUES (:job, :nominal, "
    ":day, :state, 'schedule', :reason, 1, :nominal, :started, :ended, :exit_code, :error)"
)
RUN = (
    "INSERT INTO pipeline_runs (run_id, pipeline_name, start_time, end_time, status, config, "
    "result, error_message) VALUES (:run_id, :job, :start_local, :end_local, :status, '{}', "
    ":result, :error)"
)
DETAILS = (
    "INSERT INTO run_details (run_id, started_at_utc, ended_at_utc, host, pid) "
    "VALUES (:run_id, :started, :ended, 'shop', 1)"
)


def _make(job, nominal: datetime, day, installation, rng):
    start = nominal + timedelta(seconds=float(rng.uniform(0, 3)))
    end = start + timedelta(seconds=SECONDS.get(job, 5) * float(rng.lognormal(0, 0.3)))
    failed, skipped = rng.random() < FAILED_SHARE, rng.random() < SKIPPED_SHARE
    error = ERRORS.get(job, TIMED_OUT) if failed else None
    row = {
        "job": job,
        "nominal": to_text(nominal),
        "day": day.isoformat(),
        "state": "skipped" if skipped else "ran",
        "reason": f"overlap: the run of {nominal.isoformat(timespec='seconds')} goes on"
        if skipped
        else None,
        "started": None if skipped else to_text(start),
        "ended": None if skipped else to_text(end),
        "exit_code": None if skipped else int(failed),
        "error": error if not skipped else None,
    }
    if skipped:
        return None, row
    zone = installation.zone
    return {
        **row,
        "run_id": f"{job}_{nominal:%Y%m%d_%H%M%S}_made",
        "start_local": start.astimezone(zone).replace(tzinfo=None).isoformat(timespec="seconds"),
        "end_local": end.astimezone(zone).replace(tzinfo=None).isoformat(timespec="seconds"),
        "status": "failed" if failed else "completed",
        "result": json.dumps({"status": "success", "message": MESSAGES.get(job, "")}),
    }, row
