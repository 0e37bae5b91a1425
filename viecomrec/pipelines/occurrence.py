"""One nominal time of a job, triggered by somebody else's scheduler: done once, whoever asks.

A foreign scheduler that fires twice, late or all at once after a downtime changes nothing: the
ledger says what became of the time, and the job's kernel lock says whether it runs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from viecomrec.adapters.kernel_lock import KernelLock
from viecomrec.adapters.occurrences import new_claim
from viecomrec.adapters.scheduler_files import ConfigFile
from viecomrec.domain.occurrences import (
    RUN_OUTSIDE,
    Cause,
    OccurrenceRecord,
    Reason,
    State,
    newest_run,
)
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.domain.schedules import due_between
from viecomrec.errors import ConfigurationError, VieComRecError
from viecomrec.pipelines.configured_occurrence import (
    Patience,
    await_upstream,
    work_with_retries,
)
from viecomrec.pipelines.job_runs import RunTools, write_status

LATEST = "latest"
ALREADY_RUNNING = "Already running"
LOOK_BACK = timedelta(days=400)


@dataclass(frozen=True)
class OccurrenceTools:
    run_tools: RunTools
    config_file: ConfigFile
    patience: Patience


def run_occurrence(
    job: str,
    text: str,
    work: Callable[[], PipelineResult],
    tools: OccurrenceTools,
    *,
    as_configured: bool = False,
) -> PipelineResult:
    """Do `work` for the nominal time `text` of a job, or say what became of that time.

    `text` is an instant in UTC, or "latest" for the job's latest nominal time as configured.
    `as_configured` waits for the jobs upstream of the same day and retries, as the configuration
    says.
    """
    nominal = _nominal(job, text, tools)
    lock = KernelLock(tools.run_tools.runs.lock_file(job))
    if not lock.acquire():
        return PipelineResult(status=Status.SKIPPED, message=ALREADY_RUNNING)
    claim = new_claim()
    try:
        with tools.run_tools.runs.hold(claim):
            row, is_ours = _claim(job, nominal, claim, tools.run_tools)
            if not is_ours:
                return _known(row)
            if as_configured:
                return _work_as_configured(row, work, tools)
            return _work(row, work, tools.run_tools)
    finally:
        lock.release()


def _nominal(job: str, text: str, tools: OccurrenceTools) -> datetime:
    if text == LATEST:
        return _latest(job, tools)
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(
            f"--occurrence {text!r} is no instant; use UTC such as 2026-01-30T19:00:00Z, or latest."
        ) from error
    if at.tzinfo is None or at.utcoffset() != timedelta(0):
        raise ConfigurationError(
            f"--occurrence {text!r} is not in UTC; end it with Z, as in 2026-01-30T19:00:00Z."
        )
    return at.astimezone(UTC)


def _latest(job: str, tools: OccurrenceTools) -> datetime:
    schedule = tools.config_file.read().job(job).schedule
    now = tools.run_tools.now()
    due = due_between(schedule, tools.run_tools.zone, now - LOOK_BACK, now)
    if not due:
        raise ConfigurationError(f"The job {job} has had no nominal time yet.")
    return due[-1].nominal_utc


def _claim(
    job: str, nominal: datetime, claim: str, tools: RunTools
) -> tuple[OccurrenceRecord, bool]:
    """The row of the time, and whether it is ours to run. The caller holds the job's lock."""
    now = tools.now()
    newest = newest_run(tools.store.recent(job))
    day = nominal.astimezone(tools.zone).date()

    def decide(old: OccurrenceRecord | None) -> OccurrenceRecord | None:
        if old is not None and not _is_open(old, tools):
            return None
        later = newest.nominal_utc if newest and newest.nominal_utc > nominal else None
        if later is not None and old is not None:
            return None
        return OccurrenceRecord(
            job=job,
            nominal_utc=nominal,
            nominal_day=day,
            state=State.RUNNING if later is None else State.MISSED,
            cause=Cause.EXTERNAL,
            reason=later and f"{Reason.SUPERSEDED}: the run of {later.isoformat()} came first",
            attempt=1 if old is None or old.state is State.MISSED else old.attempt + 1,
            claim=claim,
            decided_at_utc=now,
            started_at_utc=now if later is None else None,
        )

    row = tools.store.change(job, nominal, decide) or tools.store.find(job, nominal)
    if row is None:
        raise ConfigurationError(f"The row of {job} at {nominal.isoformat()} disappeared.")
    return row, row.claim == claim and row.state is State.RUNNING


def _is_open(row: OccurrenceRecord, tools: RunTools) -> bool:
    """Missed times may still be run; so may one whose process died, since its lock is free."""
    is_dead = (
        row.state is State.RUNNING
        and row.cause is Cause.EXTERNAL
        and not tools.runs.lives_elsewhere(row.claim or "")
    )
    return is_dead or row.state is State.MISSED


def _work_as_configured(
    row: OccurrenceRecord, work: Callable[[], PipelineResult], tools: OccurrenceTools
) -> PipelineResult:
    config = tools.config_file.read()
    job, run_tools, patience = config.job(row.job), tools.run_tools, tools.patience
    reason = await_upstream(job, row, config, run_tools, patience)
    if reason is not None:
        skipped = row.model_copy(update={"state": State.SKIPPED, "reason": reason})
        run_tools.store.change(row.job, row.nominal_utc, lambda _: skipped)
        return _known(skipped)
    return work_with_retries(
        job, row, lambda again: _work(again, work, run_tools), run_tools, patience
    )


def _work(
    row: OccurrenceRecord, work: Callable[[], PipelineResult], tools: RunTools
) -> PipelineResult:
    try:
        result = work()
    except VieComRecError as error:
        _record(row, error.exit_code, str(error), tools)
        raise
    except BaseException as error:
        _record(row, 1, f"{type(error).__name__}: {error}", tools)
        raise
    if result.status is Status.SKIPPED and result.message == ALREADY_RUNNING:
        skipped = {"state": State.SKIPPED, "reason": f"{Reason.OVERLAP}: {RUN_OUTSIDE}"}
        tools.store.change(row.job, row.nominal_utc, lambda _: row.model_copy(update=skipped))
        return result
    message = (result.message or f"it says {result.status}") if result.exit_code else None
    _record(row, result.exit_code, message, tools)
    return result


def _record(row: OccurrenceRecord, exit_code: int, error: str | None, tools: RunTools) -> None:
    ended = {
        "state": State.RAN,
        "ended_at_utc": tools.now(),
        "exit_code": exit_code,
        "error": error,
    }
    tools.store.change(row.job, row.nominal_utc, lambda _: row.model_copy(update=ended))
    write_status(tools)


def _known(row: OccurrenceRecord) -> PipelineResult:
    nominal = row.nominal_utc.isoformat(timespec="seconds")
    if row.has_failed:
        message = (
            f"The run of {nominal} failed already: {row.error}. "
            "To try again, run the command without --occurrence."
        )
        return PipelineResult(status=Status.FAILED, message=message)
    word = {State.RAN: "ran already", State.RUNNING: "is being run"}.get(
        row.state, f"was not run ({row.reason})"
    )
    return PipelineResult(status=Status.SKIPPED, message=f"The occurrence {nominal} {word}.")
