"""The life of one run of a job: launch it, record its end once, find it again after a crash."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import structlog

from viecomrec.adapters.job_runs import JobRuns, Life
from viecomrec.adapters.occurrences import OccurrenceStore, new_claim
from viecomrec.adapters.run_folder import NOT_STARTED, STOPPED, RunEnd, RunSpec
from viecomrec.adapters.scheduler_files import TaskStatusFile
from viecomrec.domain.occurrences import (
    RUN_OUTSIDE,
    Cause,
    OccurrenceRecord,
    Reason,
    State,
    seconds_before_retry,
)
from viecomrec.domain.scheduler_config import Job, SchedulerConfig
from viecomrec.errors import VieComRecError

log = structlog.get_logger()

HAND_LAUNCH_TIME = timedelta(seconds=30)
INCIDENT = "scheduler"
"""Tells the scheduler's incidents about a job from those of the job's own runner."""

LOST = "The run left no result: its supervisor was killed, or the machine went down."


def door_command(job: Job) -> list[str]:
    return [sys.executable, "-m", job.module, *job.args]


class Alerts(Protocol):
    """What the scheduler needs of alerting."""

    def send(
        self, pipeline_name: str, severity: str, message: str, details: dict[str, Any]
    ) -> None: ...

    def resolve(self, pipeline_name: str, part: str) -> None: ...

    def deliver_due(self) -> int: ...


@dataclass(frozen=True)
class RunTools:
    """What the life of a run needs of the outside world."""

    store: OccurrenceStore
    runs: JobRuns
    status: TaskStatusFile
    alerts: Alerts
    now: Callable[[], datetime]
    zone: ZoneInfo
    project: Path
    logs: Path
    log_limit_bytes: int
    grace_seconds: float
    is_pipeline_running: Callable[[str], bool]
    """Whether a living process holds the pipeline's lock, whoever started it."""

    command_for: Callable[[Job], list[str]] = door_command


def launch(
    tools: RunTools, job: Job, row: OccurrenceRecord, previous_claim: str | None = None
) -> None:
    """Start a claimed run under a supervisor. A run that cannot start is a failed row.

    `previous_claim` is the one in the ledger where it is not that of `row`: if it changed,
    somebody else took the run over and nothing is started.
    """
    log_file = _free_log_file(tools, job.name)
    spec = _spec(tools, job, row, log_file)
    taken = tools.store.change(
        job.name, row.nominal_utc, lambda old: _started_row(old, row, spec, previous_claim)
    )
    if taken is None:
        log.warning("somebody else runs it", job=job.name, nominal=row.nominal_utc.isoformat())
        return
    log.info("job started", job=job.name, cause=row.cause.value, log=spec.shown_log_file)
    try:
        tools.runs.start(spec)
    except OSError as error:
        end = RunEnd.at(tools.now(), NOT_STARTED, f"the job could not be started: {error}")
        record_end(tools, spec, end)
        tools.runs.discard(spec.claim)


def _started_row(
    old: OccurrenceRecord | None, row: OccurrenceRecord, spec: RunSpec, previous_claim: str | None
) -> OccurrenceRecord | None:
    if old is not None and old.claim != (previous_claim or row.claim):
        return None
    return (old or row).model_copy(
        update={
            "claim": row.claim,
            "attempt": row.attempt,
            "started_at_utc": datetime.fromisoformat(spec.started_at_utc),
            "log_file": spec.shown_log_file,
            "retry_at_utc": None,
        }
    )


def collect_ended(tools: RunTools) -> list[OccurrenceRecord]:
    """Record every result that waits; return the rows that ended for good or wait for a retry."""
    changed = []
    for spec, end in list(tools.runs.ended()):
        row = record_end(tools, spec, end)
        tools.runs.discard(spec.claim)
        if row is not None:
            changed.append(row)
    return changed


def record_end(tools: RunTools, spec: RunSpec, end: RunEnd) -> OccurrenceRecord | None:
    """Write the end of a run into its row, unless somebody did already; alert a failure."""
    nominal = datetime.fromisoformat(spec.nominal_utc)
    row = tools.store.change(spec.job, nominal, lambda old: _ended_row(old, spec, end))
    if row is None:
        return None
    log.info("job ended", job=row.job, exit_code=end.exit_code, error=end.error)
    if row.has_succeeded:
        resolve(tools, row.job)
    elif row.has_failed and not end.has_alerted:
        details = {"exit_code": end.exit_code, "log_file": spec.shown_log_file}
        alert(tools, row.job, end.error or "failed", details)
    write_status(tools)
    return row


def _ended_row(old: OccurrenceRecord | None, spec: RunSpec, end: RunEnd) -> OccurrenceRecord | None:
    # Without a row the ledger was deleted while the job ran: its result makes a whole row.
    if old is not None and (old.state is not State.RUNNING or old.claim != spec.claim):
        return None
    ended_at = datetime.fromisoformat(end.ended_at_utc)
    wait = seconds_before_retry(spec.attempt, spec.retries)
    if end.was_overlap:
        return _overlap_row(spec, ended_at)
    is_retried = end.exit_code not in {0, STOPPED} and wait is not None
    return OccurrenceRecord(
        job=spec.job,
        nominal_utc=datetime.fromisoformat(spec.nominal_utc),
        nominal_day=date.fromisoformat(spec.nominal_day),
        state=State.RUNNING if is_retried else State.RAN,
        cause=Cause(spec.cause),
        attempt=spec.attempt,
        claim=spec.claim,
        decided_at_utc=datetime.fromisoformat(spec.started_at_utc),
        started_at_utc=datetime.fromisoformat(spec.started_at_utc),
        ended_at_utc=ended_at,
        retry_at_utc=ended_at + timedelta(seconds=wait or 0) if is_retried else None,
        exit_code=end.exit_code,
        error=end.error,
        log_file=spec.shown_log_file,
    )


def _overlap_row(spec: RunSpec, at: datetime) -> OccurrenceRecord:
    """Somebody runs the pipeline outside the scheduler: this time was skipped, it did not run."""
    return OccurrenceRecord(
        job=spec.job,
        nominal_utc=datetime.fromisoformat(spec.nominal_utc),
        nominal_day=date.fromisoformat(spec.nominal_day),
        state=State.SKIPPED,
        cause=Cause(spec.cause),
        reason=f"{Reason.OVERLAP}: {RUN_OUTSIDE}",
        decided_at_utc=at,
        log_file=spec.shown_log_file,
    )


def settle_running(tools: RunTools, config: SchedulerConfig) -> None:
    """Look after every row that is called running: adopt, launch, retry, or record the loss."""
    for row in tools.store.running():
        job = config.jobs.get(row.job)
        if row.retry_at_utc is not None:
            if row.retry_at_utc <= tools.now():
                _launch_again(tools, job, row, row.attempt + 1)
            continue
        if row.cause is Cause.HAND and tools.now() - row.decided_at_utc < HAND_LAUNCH_TIME:
            continue  # whoever claimed it is just starting it
        life = tools.runs.settle(row.job, row.claim or "")
        if life is Life.NEVER_BEGUN and row.cause is not Cause.EXTERNAL:
            _launch_again(tools, job, row, row.attempt)
        elif life in {Life.LOST, Life.NEVER_BEGUN}:
            words = tools.runs.last_words(row.claim or "")
            spec = _spec_of_row(tools, row)
            record_end(tools, spec, RunEnd.at(tools.now(), None, f"{LOST} {words}".strip()))
            tools.runs.discard(spec.claim)


def next_retry(tools: RunTools) -> datetime | None:
    return min(
        (row.retry_at_utc for row in tools.store.running() if row.retry_at_utc), default=None
    )


def _launch_again(tools: RunTools, job: Job | None, row: OccurrenceRecord, attempt: int) -> None:
    """Launch a row anew under a new claim, so that nobody can record for the old one."""
    if job is None:
        end = RunEnd.at(tools.now(), NOT_STARTED, "the job left the configuration")
        record_end(tools, _spec_of_row(tools, row), end)
        return
    again = row.model_copy(update={"claim": new_claim(), "attempt": attempt})
    launch(tools, job, again, previous_claim=row.claim)


def alert(tools: RunTools, job: str, message: str, details: dict[str, Any]) -> None:
    """Open or continue the scheduler's incident about a job; trouble with it stops nothing."""
    try:
        tools.alerts.send(job, "error", message, {**details, "incident": INCIDENT})
    except VieComRecError as error:
        log.warning("the alert could not be sent", job=job, message=message, error=str(error))


def resolve(tools: RunTools, job: str) -> None:
    """End the scheduler's incident about a job, so that people hear of the recovery."""
    try:
        tools.alerts.resolve(job, INCIDENT)
    except VieComRecError as error:
        log.warning("the recovery could not be told", job=job, error=str(error))


def write_status(tools: RunTools) -> None:
    """Make `task_status.json` say what the ledger says; a full disk leaves the old file."""
    try:
        tools.status.write(tools.store.latest_results(), tools.zone)
    except OSError as error:
        log.warning("task_status.json cannot be written", error=str(error))


def _spec(tools: RunTools, job: Job, row: OccurrenceRecord, log_file: Path) -> RunSpec:
    return RunSpec(
        claim=row.claim or new_claim(),
        job=job.name,
        nominal_utc=row.nominal_utc.isoformat(),
        nominal_day=row.nominal_day.isoformat(),
        cause=row.cause.value,
        attempt=row.attempt,
        retries=job.retries,
        started_at_utc=tools.now().isoformat(),
        command=tools.command_for(job),
        folder=str(tools.project),
        environment={
            "PROJECT_DIR": str(tools.project),
            "PYTHONUNBUFFERED": "1",
            "VIECOMREC_NOMINAL_UTC": row.nominal_utc.isoformat(),
        },
        log_file=str(log_file),
        shown_log_file=_shown(tools, log_file),
        lock_file=str(tools.runs.lock_file(job.name)),
        log_limit_bytes=tools.log_limit_bytes,
        timeout_seconds=job.timeout_seconds,
        grace_seconds=tools.grace_seconds,
    )


def _spec_of_row(tools: RunTools, row: OccurrenceRecord) -> RunSpec:
    """What was asked, as far as the row tells: enough to record an end."""
    asked = tools.runs.folder(row.claim or "").spec() if row.claim else None
    if asked is not None:
        return asked
    return RunSpec(
        claim=row.claim or "",
        job=row.job,
        nominal_utc=row.nominal_utc.isoformat(),
        nominal_day=row.nominal_day.isoformat(),
        cause=row.cause.value,
        attempt=row.attempt,
        retries=0,
        started_at_utc=(row.started_at_utc or row.decided_at_utc).isoformat(),
        command=[],
        folder="",
        environment={},
        log_file="",
        shown_log_file=row.log_file or "",
        lock_file="",
        log_limit_bytes=0,
        timeout_seconds=0,
        grace_seconds=0,
    )


def _free_log_file(tools: RunTools, job: str) -> Path:
    """`{task}_{timestamp}.log` in the scheduler's zone; a second run of that second gets _2."""
    stem = f"{job}_{tools.now().astimezone(tools.zone):%Y%m%d_%H%M%S}"
    number = 1
    while (file := tools.logs / f"{stem}{'' if number == 1 else f'_{number}'}.log").exists():
        number += 1
    return file


def _shown(tools: RunTools, file: Path) -> str:
    return file.relative_to(tools.project).as_posix()
