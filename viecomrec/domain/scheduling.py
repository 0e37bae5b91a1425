"""Which jobs are due now, and what becomes of each nominal time: a pure function of the ledger."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from viecomrec.domain.occurrences import (
    Cause,
    OccurrenceRecord,
    Reason,
    State,
    Verdict,
    describe_age,
    judge_upstream,
)
from viecomrec.domain.scheduler_config import CatchUp, Job, SchedulerConfig
from viecomrec.domain.schedules import Occurrence, due_between

LATE_AFTER = timedelta(seconds=60)
"""A run that starts later than this counts as caught up."""

FIRST_START_AGAIN_AFTER = timedelta(hours=24)
FIRST_START_CHAIN = ("data_refresh", "bert_embeddings", "model_training", "model_deployment")
JUST_BEFORE = timedelta(microseconds=1)


@dataclass(frozen=True)
class Mark:
    """Up to where the times of a job are decided, and for which expression that holds."""

    fingerprint: str
    decided_until: datetime


@dataclass(frozen=True)
class History:
    """What the ledger knows: the marks, and the rows that a decision may need."""

    marks: Mapping[str, Mark]
    rows: Mapping[tuple[str, datetime], OccurrenceRecord]


@dataclass(frozen=True)
class Plan:
    """What to write into the ledger; rows in state running are to be started then."""

    rows: Sequence[OccurrenceRecord]
    marks: Mapping[str, Mark]
    retracts_future: bool
    """Whether the clock went back: what was not run after `now` has not happened yet."""


def fingerprint(job: Job, zone: ZoneInfo) -> str:
    """Equal exactly when two configurations of a job mean the same nominal times."""
    one = job.schedule
    fields = (one.month, one.day, one.day_of_week, one.hour, one.minute, one.follows_real_time)
    return f"{zone.key} {fields}"


def plan(
    config: SchedulerConfig,
    zone: ZoneInfo,
    now: datetime,
    history: History,
    *,
    has_model: bool,
    running_outside: Collection[str] = (),
) -> Plan:
    """Decide every nominal time up to `now` that has no row yet.

    `running_outside` are pipelines that run now, whoever started them.

    A job that is new, or whose expression or zone changed, counts from now. Whatever the clock
    did, a time that has a row is never decided again.
    """
    planner = _Planner(config, zone, now, history, running_outside)
    return planner.plan(has_model=has_model)


@dataclass
class _Planner:
    config: SchedulerConfig
    zone: ZoneInfo
    now: datetime
    history: History
    running_outside: Collection[str]
    decided: list[OccurrenceRecord] = field(default_factory=list)
    marks: dict[str, Mark] = field(default_factory=dict)

    def plan(self, *, has_model: bool) -> Plan:
        went_back = any(mark.decided_until > self.now for mark in self.history.marks.values())
        self.rows = {
            key: row
            for key, row in self.history.rows.items()
            if not (went_back and self._future(row))
        }
        self._continue_first_start(has_model=has_model)
        for job in self.config.jobs.values():
            self._decide(job)
        return Plan(self.decided, self.marks, retracts_future=went_back)

    def _future(self, row: OccurrenceRecord) -> bool:
        return row.nominal_utc > self.now and row.state in {State.SKIPPED, State.MISSED}

    def _decide(self, job: Job) -> None:
        meaning = fingerprint(job, self.zone)
        waiting_since: datetime | None = None
        for occurrence, is_latest in self._due(job):
            if not is_latest and job.enabled:
                self._skip(job, occurrence, State.MISSED, Reason.SUPERSEDED, "a later time was due")
            elif self._decide_latest(job, occurrence) is Verdict.WAIT:
                waiting_since = occurrence.nominal_utc
        until = self.now if waiting_since is None else waiting_since - JUST_BEFORE
        self.marks[job.name] = Mark(meaning, until)

    def _due(self, job: Job) -> Iterator[tuple[Occurrence, bool]]:
        mark = self.history.marks.get(job.name)
        if mark is None or mark.fingerprint != fingerprint(job, self.zone):
            return
        due = [
            one
            for one in due_between(job.schedule, self.zone, mark.decided_until, self.now)
            if (job.name, one.nominal_utc) not in self.rows
        ]
        for one in due:
            yield one, one is due[-1]

    def _decide_latest(self, job: Job, occurrence: Occurrence) -> Verdict:
        is_late = self.now - occurrence.nominal_utc > LATE_AFTER
        age = describe_age(occurrence.nominal_utc, self.now)
        if not job.enabled:
            self._skip(job, occurrence, State.SKIPPED, Reason.PAUSED, "disabled in configuration")
        elif is_late and job.catch_up is CatchUp.NONE and not self._waits_in_time(job, occurrence):
            self._skip(job, occurrence, State.MISSED, Reason.LATE, f"{age}, and catch_up is none")
        elif busy := self._running(job.name):
            since = busy.nominal_utc.isoformat(timespec="seconds")
            self._skip(
                job, occurrence, State.SKIPPED, Reason.OVERLAP, f"the run of {since} goes on"
            )
        else:
            verdict, upstream = self._ask_upstream(job, occurrence)
            if verdict is Verdict.FAILED:
                self._skip(job, occurrence, State.SKIPPED, Reason.UPSTREAM_FAILED, upstream)
            elif verdict is Verdict.NOT_FRESH:
                self._skip(job, occurrence, State.SKIPPED, Reason.NOT_FRESH, upstream)
            elif verdict is Verdict.GO:
                self._run(job.name, occurrence, Cause.CATCH_UP if is_late else Cause.SCHEDULE)
            return verdict
        return Verdict.GO

    def _waits_in_time(self, job: Job, occurrence: Occurrence) -> bool:
        """Whether the time is late only because it waited for an upstream job of its day."""
        mark = self.history.marks[job.name]
        return mark.decided_until == occurrence.nominal_utc - JUST_BEFORE

    def _ask_upstream(self, job: Job, occurrence: Occurrence) -> tuple[Verdict, str]:
        """The first verdict that is not GO, and the job that gave it."""
        for name in job.after:
            day_rows = self._rows_of_day(name, occurrence)
            verdict = judge_upstream(
                day_rows,
                is_undecided=self._is_done_outside(name, day_rows)
                or self._is_undecided(self.config.jobs[name], occurrence),
                require_fresh=job.require_fresh,
            )
            if verdict is not Verdict.GO:
                return verdict, name
        return Verdict.GO, ""

    def _rows_of_day(self, name: str, occurrence: Occurrence) -> list[OccurrenceRecord]:
        """The rows of that day up to now; what runs counts although the clock went back."""
        return [
            row
            for (job, nominal), row in self.rows.items()
            if job == name
            and row.nominal_day == occurrence.nominal_day
            and (nominal <= self.now or row.state is State.RUNNING)
        ]

    def _is_done_outside(self, name: str, rows: Sequence[OccurrenceRecord]) -> bool:
        """Whether a run that the scheduler did not start does the work of one of the rows."""
        return name in self.running_outside and any(row.met_a_run_outside for row in rows)

    def _is_undecided(self, upstream: Job, occurrence: Occurrence) -> bool:
        """Whether `upstream` waits itself with a time of that day before the occurrence."""
        mark = self.marks.get(upstream.name)
        if mark is None:
            return False
        pending = due_between(
            upstream.schedule, self.zone, mark.decided_until, occurrence.nominal_utc
        )
        return any(
            one.nominal_day == occurrence.nominal_day
            and (upstream.name, one.nominal_utc) not in self.rows
            for one in pending
        )

    def _running(self, name: str) -> OccurrenceRecord | None:
        return next(
            (r for (job, _), r in self.rows.items() if job == name and r.state is State.RUNNING),
            None,
        )

    # --- the first start ------------------------------------------------------------------

    def _continue_first_start(self, *, has_model: bool) -> None:
        """Without a model: refresh, embeddings, training and deployment now, one after another."""
        chain = [name for name in FIRST_START_CHAIN if name in self.config.jobs]
        rows = {row.job: row for row in self._first_start_rows()}
        begun = max((row.nominal_utc for row in rows.values()), default=None)
        if begun is None or (
            set(chain) <= set(rows) and self.now - begun > FIRST_START_AGAIN_AFTER
        ):
            if has_model or not chain:
                return
            rows, begun = {}, self.now
        occurrence = Occurrence(begun, begun.astimezone(self.zone).date())
        for name in chain:
            row = rows.get(name) or self._take_first_step(name, occurrence, rows)
            if row is None or row.state is State.RUNNING or self._is_done_outside(name, [row]):
                return
            rows[name] = row

    def _first_start_rows(self) -> list[OccurrenceRecord]:
        rows = [row for row in self.rows.values() if row.cause is Cause.FIRST_START]
        latest = max((row.nominal_utc for row in rows), default=None)
        return [row for row in rows if row.nominal_utc == latest]

    def _take_first_step(
        self, name: str, occurrence: Occurrence, before: Mapping[str, OccurrenceRecord]
    ) -> OccurrenceRecord | None:
        """Decide one job of the chain; None while an earlier run of that job goes on."""
        job, cause = self.config.jobs[name], Cause.FIRST_START
        bad = next(
            (r.job for r in before.values() if r.has_failed or r.was_refused_by_upstream), ""
        )
        if bad:
            return self._skip(job, occurrence, State.SKIPPED, Reason.UPSTREAM_FAILED, bad, cause)
        if not job.enabled:
            reason = "disabled in configuration"
            return self._skip(job, occurrence, State.SKIPPED, Reason.PAUSED, reason, cause)
        if self._running(name):
            return None
        return self._run(name, occurrence, cause)

    # --- rows -----------------------------------------------------------------------------

    def _run(self, name: str, occurrence: Occurrence, cause: Cause) -> OccurrenceRecord:
        return self._add(name, occurrence, State.RUNNING, cause, None)

    def _skip(
        self,
        job: Job,
        occurrence: Occurrence,
        state: State,
        reason: Reason,
        detail: str,
        cause: Cause = Cause.SCHEDULE,
    ) -> OccurrenceRecord:
        return self._add(job.name, occurrence, state, cause, f"{reason}: {detail}")

    def _add(
        self, name: str, occurrence: Occurrence, state: State, cause: Cause, reason: str | None
    ) -> OccurrenceRecord:
        row = OccurrenceRecord(
            job=name,
            nominal_utc=occurrence.nominal_utc,
            nominal_day=occurrence.nominal_day,
            state=state,
            cause=cause,
            reason=reason,
            decided_at_utc=self.now,
        )
        self.rows[name, occurrence.nominal_utc] = row
        self.decided.append(row)
        return row
