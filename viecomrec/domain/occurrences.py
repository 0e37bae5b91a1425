"""What becomes of each nominal time of a job: it ran, or was not run for a reason on record."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict


class State(StrEnum):
    RUNNING = "running"
    RAN = "ran"
    SKIPPED = "skipped"
    MISSED = "missed"


class Cause(StrEnum):
    """Who asked for the run."""

    SCHEDULE = "schedule"
    CATCH_UP = "catch_up"
    FIRST_START = "first_start"
    HAND = "hand"
    EXTERNAL = "external"


class Reason(StrEnum):
    """How the reason of a time that did not run begins."""

    OVERLAP = "overlap"
    PAUSED = "paused"
    UPSTREAM_FAILED = "upstream failed"
    NOT_FRESH = "upstream not fresh"
    SUPERSEDED = "superseded"
    LATE = "late"


RUN_OUTSIDE = "a run that the scheduler did not start goes on"


class OccurrenceRecord(BaseModel):
    """One row of `occurrences`: unique by job and nominal instant."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    job: str
    nominal_utc: AwareDatetime
    nominal_day: date
    state: State
    cause: Cause
    reason: str | None = None
    attempt: int = 1
    claim: str | None = None
    """The token of the run that may record the result."""
    decided_at_utc: AwareDatetime
    started_at_utc: AwareDatetime | None = None
    ended_at_utc: AwareDatetime | None = None
    retry_at_utc: AwareDatetime | None = None
    """While the job waits for its next attempt: when that is."""
    exit_code: int | None = None
    error: str | None = None
    log_file: str | None = None

    @property
    def has_failed(self) -> bool:
        return self.state is State.RAN and self.exit_code != 0

    @property
    def has_succeeded(self) -> bool:
        return self.state is State.RAN and self.exit_code == 0

    @property
    def met_a_run_outside(self) -> bool:
        """Whether the job found its pipeline run by somebody else and did nothing."""
        return self.state is State.SKIPPED and self.reason == f"{Reason.OVERLAP}: {RUN_OUTSIDE}"

    @property
    def was_refused_by_upstream(self) -> bool:
        return self.state is State.SKIPPED and (self.reason or "").startswith(
            (Reason.UPSTREAM_FAILED, Reason.NOT_FRESH)
        )


class Verdict(StrEnum):
    """What the jobs upstream say to a run of the same nominal day."""

    GO = "go"
    WAIT = "wait"
    FAILED = "failed"
    NOT_FRESH = "not fresh"


def judge_upstream(
    day_rows: Sequence[OccurrenceRecord], *, is_undecided: bool, require_fresh: bool
) -> Verdict:
    """Judge one upstream job by its rows of the nominal day, the latest run counting.

    A job that was paused, missed or not due that day binds nobody, unless `require_fresh`.
    """
    if is_undecided or any(row.state is State.RUNNING for row in day_rows):
        return Verdict.WAIT
    telling = [row for row in day_rows if row.state is State.RAN or row.was_refused_by_upstream]
    latest = max(telling, key=lambda row: row.nominal_utc, default=None)
    if latest is not None and not latest.has_succeeded:
        return Verdict.FAILED
    if latest is None and require_fresh:
        return Verdict.NOT_FRESH
    return Verdict.GO


FIRST_RETRY_SECONDS = 60.0
RETRY_BACKOFF = 2.0
LONGEST_RETRY_SECONDS = 3600.0


def seconds_before_retry(failed_attempts: int, retries: int) -> float | None:
    """The wait before the next attempt: 60, 120, 240 ... seconds; None when none is left."""
    if failed_attempts > retries:
        return None
    return min(FIRST_RETRY_SECONDS * RETRY_BACKOFF ** (failed_attempts - 1), LONGEST_RETRY_SECONDS)


def newest_run(rows: Sequence[OccurrenceRecord]) -> OccurrenceRecord | None:
    """The row of the latest nominal time that runs or ran."""
    runs = [row for row in rows if row.state in {State.RUNNING, State.RAN}]
    return max(runs, key=lambda row: row.nominal_utc, default=None)


def describe_age(since: datetime, now: datetime) -> str:
    """An age for people: 45 s, 12 min, 3 h, 5 days."""
    seconds = max(0, int((now - since).total_seconds()))
    for unit, name in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"
