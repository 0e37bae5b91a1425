"""One tick of the scheduler: what ended is recorded, what is due is decided and started.

A tick depends on nothing but the clock, the ledger and the configuration. It may come late,
twice, after a crash or with a clock that went back: what has a row is never decided again.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from viecomrec.adapters.scheduler_files import ConfigFile
from viecomrec.domain.occurrences import OccurrenceRecord, State
from viecomrec.domain.scheduler_config import SchedulerConfig
from viecomrec.domain.schedules import next_occurrences
from viecomrec.domain.scheduling import Mark, plan
from viecomrec.errors import ConfigurationError, VieComRecError
from viecomrec.pipelines.job_runs import (
    RunTools,
    alert,
    collect_ended,
    launch,
    next_retry,
    resolve,
    settle_running,
    write_status,
)

log = structlog.get_logger()

PLAN_AT_LEAST_EVERY = timedelta(seconds=60)
SETTLE_EVERY = timedelta(seconds=5)
RELOAD_EVERY = timedelta(seconds=2)
DRAIN_POLL_SECONDS = 0.2
DRAIN_MARGIN_SECONDS = 15
SCHEDULER = "scheduler"


@dataclass(frozen=True)
class Due:
    """When the next decisions are due, as far as is known."""

    plan: datetime
    settle: datetime
    reload: datetime


class Scheduler:
    """The scheduler of one project. Raises ConfigurationError if it cannot start."""

    def __init__(
        self,
        tools: RunTools,
        config_file: ConfigFile,
        zone_of: Callable[[str | None], ZoneInfo],
        has_model: Callable[[], bool],
    ) -> None:
        self._config_file = config_file
        self._zone_of = zone_of
        self._has_model = has_model
        self._hash = config_file.content_hash()
        self._config = config_file.read()
        self._tools = replace(tools, zone=zone_of(self._config.timezone))
        self._marks: dict[str, Mark] = {}
        self._last_now = tools.now()
        self._due = Due(self._last_now, self._last_now, self._last_now)
        self._trouble: str | None = None

    @property
    def config(self) -> SchedulerConfig:
        return self._config

    def check_ledger(self) -> None:
        """Raise LedgerError now rather than at every tick if the ledger cannot be used."""
        self._tools.store.running()

    def tick(self) -> None:
        """Do what is due. An error of ours is logged and alerted once, and tried again."""
        now = self._tools.now()
        if now < self._last_now:
            self._due = Due(now, now, now)
        self._last_now = now
        try:
            self._reload(now)
            self._look_after_runs(now)
            if now >= self._due.plan:
                self._plan(now)
            if not self._tools.status.exists and self._marks:
                write_status(self._tools)
        except (VieComRecError, OSError) as error:
            self._report(str(error))
        else:
            self._end_trouble()

    def drain(self, seconds: float) -> None:
        """Start nothing more; wait for running jobs, then end them, and record every end."""
        asks_at = time.monotonic() + seconds
        gives_up_at = asks_at + self._tools.grace_seconds + DRAIN_MARGIN_SECONDS
        while time.monotonic() < gives_up_at:
            try:
                collect_ended(self._tools)
            except VieComRecError as error:  # the result stays for the next scheduler
                self._report(str(error))
            alive = self._tools.runs.alive()
            if not alive:
                return
            if time.monotonic() >= asks_at:
                for claim in alive:
                    self._tools.runs.request_stop(claim)
            time.sleep(DRAIN_POLL_SECONDS)

    def _reload(self, now: datetime) -> None:
        """Take a changed configuration into force, if it is right; else keep the last good one."""
        if now < self._due.reload:
            return
        self._due = replace(self._due, reload=now + RELOAD_EVERY)
        current = self._config_file.content_hash()
        if current == self._hash:
            return
        self._hash = current
        try:
            config = self._config_file.read_existing()
            zone = self._zone_of(config.timezone)
        except ConfigurationError as error:
            message = f"The last good configuration stays in force. {error}"
            log.warning("the configuration is not taken", error=message)
            alert(self._tools, SCHEDULER, message, {})
            return
        self._config = config
        self._tools = replace(self._tools, zone=zone)
        self._due = replace(self._due, plan=now)
        log.info("configuration reloaded", jobs=list(config.jobs))
        resolve(self._tools, SCHEDULER)

    def _look_after_runs(self, now: datetime) -> None:
        if collect_ended(self._tools):
            # What ended may let others go, or wait for its next attempt.
            self._due = replace(self._due, plan=now)
            self._settle_by(self._next_settle(now))
        if now >= self._due.settle:
            settle_running(self._tools, self._config)
            self._due = replace(self._due, settle=self._next_settle(now))

    def _settle_by(self, at: datetime) -> None:
        """Never later than is due already: runs may end and start at every tick."""
        self._due = replace(self._due, settle=min(self._due.settle, at))

    def _next_settle(self, now: datetime) -> datetime:
        if self._tools.runs.is_watching:
            return now + SETTLE_EVERY
        retry = next_retry(self._tools)
        return min(now + PLAN_AT_LEAST_EVERY, retry or now + PLAN_AT_LEAST_EVERY)

    def _plan(self, now: datetime) -> None:
        has_model = self._has_model()
        outside = list(filter(self._tools.is_pipeline_running, self._config.jobs))
        rows, self._marks = self._tools.store.decide(
            lambda history: plan(
                self._config,
                self._tools.zone,
                now,
                history,
                has_model=has_model,
                running_outside=outside,
            ),
            now,
            self._marks,
        )
        self._due = replace(self._due, plan=self._next_plan(now))
        self._announce([row for row in rows if row.state is not State.RUNNING])
        for row in rows:
            if row.state is State.RUNNING:
                launch(self._tools, self._config.jobs[row.job], row)
                self._settle_by(now + SETTLE_EVERY)
        # After the starts: a channel that hangs must not make a job late.
        self._tools.alerts.deliver_due()

    def _announce(self, rows: Sequence[OccurrenceRecord]) -> None:
        """Log what was not run; one alert for all that one failure upstream has stopped."""
        for row in rows:
            nominal = row.nominal_utc.isoformat(timespec="seconds")
            state, reason = row.state.value, row.reason
            log.info("job not run", job=row.job, nominal=nominal, state=state, reason=reason)
        refused = [row for row in rows if row.was_refused_by_upstream]
        if refused:
            jobs = {row.job: row.nominal_utc.isoformat(timespec="seconds") for row in refused}
            alert(self._tools, refused[0].job, f"skipped: {refused[0].reason}", {"skipped": jobs})

    def _next_plan(self, now: datetime) -> datetime:
        """The next nominal time of any job, or a minute from now, whichever is first."""
        times = [now + PLAN_AT_LEAST_EVERY]
        for job in self._config.jobs.values():
            following = next_occurrences(job.schedule, self._tools.zone, now, 1)
            times += [one.nominal_utc for one in following]
        return min(times)

    def _report(self, message: str) -> None:
        if message == self._trouble:
            return
        self._trouble = message
        log.error("the scheduler has trouble and tries again", error=message)
        alert(self._tools, SCHEDULER, message, {})

    def _end_trouble(self) -> None:
        if self._trouble is not None:
            self._trouble = None
            log.info("the trouble is over")
            resolve(self._tools, SCHEDULER)
