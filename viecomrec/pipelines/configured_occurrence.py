"""One nominal time as our own scheduler would treat it: after the jobs upstream, with retries."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from viecomrec.domain.occurrences import (
    OccurrenceRecord,
    Reason,
    State,
    Verdict,
    judge_upstream,
    seconds_before_retry,
)
from viecomrec.domain.results import PipelineResult
from viecomrec.domain.scheduler_config import Job, SchedulerConfig
from viecomrec.domain.schedules import due_between
from viecomrec.errors import VieComRecError
from viecomrec.pipelines.job_runs import RunTools

POLL_SECONDS = 5.0
MANY_ROWS = 5000
ONE_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Patience:
    """How the command waits."""

    sleep: Callable[[float], None]
    poll_seconds: float = POLL_SECONDS


def await_upstream(
    job: Job, row: OccurrenceRecord, config: SchedulerConfig, tools: RunTools, patience: Patience
) -> str | None:
    """Wait for the jobs of `after` of the same nominal day; the reason why `job` may not run.

    A job upstream that has no result after the timeout of `job` counts as failed.
    """
    deadline = tools.now() + timedelta(seconds=job.timeout_seconds)
    for name in job.after:
        verdict = _verdict(job, config.job(name), row, tools)
        while verdict is Verdict.WAIT and tools.now() < deadline:
            patience.sleep(patience.poll_seconds)
            verdict = _verdict(job, config.job(name), row, tools)
        if verdict is Verdict.NOT_FRESH:
            return f"{Reason.NOT_FRESH}: {name}"
        if verdict is Verdict.FAILED:
            return f"{Reason.UPSTREAM_FAILED}: {name}"
        if verdict is Verdict.WAIT:
            waited = f"no result after {job.timeout_seconds:.0f} s"
            return f"{Reason.UPSTREAM_FAILED}: {name} has {waited}"
    return None


def _verdict(job: Job, upstream: Job, row: OccurrenceRecord, tools: RunTools) -> Verdict:
    known = tools.store.recent(upstream.name, limit=MANY_ROWS)
    day_rows = [
        one
        for one in known
        if one.nominal_day == row.nominal_day and one.nominal_utc <= row.nominal_utc
    ]
    return judge_upstream(
        day_rows,
        is_undecided=_is_undecided(upstream, row, known, tools),
        require_fresh=job.require_fresh,
    )


def _is_undecided(
    upstream: Job, row: OccurrenceRecord, known: list[OccurrenceRecord], tools: RunTools
) -> bool:
    """Whether a time of the job upstream is due that day and nobody has taken it yet.

    A job that the ledger has never seen was not handed to the other scheduler: it binds nobody.
    """
    if not known or not upstream.enabled:
        return False
    since = min(one.nominal_utc for one in known)
    start_of_day = datetime.combine(row.nominal_day, time(), tools.zone) - ONE_SECOND
    due = due_between(upstream.schedule, tools.zone, start_of_day, row.nominal_utc)
    taken = {one.nominal_utc for one in known}
    return any(one.nominal_utc >= since and one.nominal_utc not in taken for one in due)


def work_with_retries(
    job: Job,
    row: OccurrenceRecord,
    attempt: Callable[[OccurrenceRecord], PipelineResult],
    tools: RunTools,
    patience: Patience,
) -> PipelineResult:
    """Attempt again after a failure, as often and as late as our own scheduler would.

    The last attempt's result or error is the run's.
    """
    n_failed = 0
    while True:
        try:
            result = attempt(row)
        except VieComRecError:
            n_failed += 1
            wait = seconds_before_retry(n_failed, job.retries)
            if wait is None:
                raise
        else:
            n_failed += 1
            wait = seconds_before_retry(n_failed, job.retries)
            if result.exit_code == 0 or wait is None:
                return result
        row = _waiting(row, wait, tools)
        patience.sleep(wait)


def _waiting(row: OccurrenceRecord, seconds: float, tools: RunTools) -> OccurrenceRecord:
    """The row while it waits for its next attempt."""
    again = row.model_copy(
        update={
            "state": State.RUNNING,
            "attempt": row.attempt + 1,
            "retry_at_utc": tools.now() + timedelta(seconds=seconds),
        }
    )
    tools.store.change(row.job, row.nominal_utc, lambda _: again)
    return again
