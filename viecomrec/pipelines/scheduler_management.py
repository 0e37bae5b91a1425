"""What people and programs ask of a scheduler: status, start, stop, run, enable, history."""

import json
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from viecomrec.adapters.detached import start_module
from viecomrec.adapters.kernel_lock import is_locked
from viecomrec.adapters.leadership import Leadership
from viecomrec.adapters.locks import Holder, read_holder
from viecomrec.adapters.run_log import newest
from viecomrec.adapters.scheduler_files import ConfigFile, StopRequest, local_text
from viecomrec.domain.leading import ProcessFacts, Role, Standing
from viecomrec.domain.occurrences import Cause, OccurrenceRecord, State, describe_age
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.domain.scheduler_config import NAME, Job, SchedulerConfig
from viecomrec.domain.schedules import next_occurrences
from viecomrec.errors import ConfigurationError, DatabaseAwayError, LedgerError
from viecomrec.pipelines.job_runs import RunTools, collect_ended, launch
from viecomrec.pipelines.scheduler import DRAIN_MARGIN_SECONDS, SCHEDULER

POLL_SECONDS = 0.3
START_PATIENCE_SECONDS = 60.0
LAST_LINE_BYTES = 4096


@dataclass(frozen=True)
class ManagementTools:
    run_tools: RunTools
    config_file: ConfigFile
    stop_request: StopRequest
    locks: Path
    scheduler_log: Path
    drain_seconds: float
    leadership: Leadership | None = None
    """Among the hosts that share a database; None where no other host may lead."""

    def config(self) -> SchedulerConfig:
        return self.config_file.read()

    def holder(self) -> Holder | None:
        """The running scheduler, or None."""
        if not is_locked(self.locks, SCHEDULER):
            return None
        return read_holder(self.locks, SCHEDULER)

    @property
    def is_running(self) -> bool:
        """Whether this host's scheduler runs, leading or standing by."""
        return is_locked(self.locks, SCHEDULER)

    def standing(self) -> Standing:
        """What this host's scheduler is among those that may lead."""
        is_running = self.is_running
        holder = read_holder(self.locks, SCHEDULER) if is_running else None
        own = None
        if holder is not None:
            own = ProcessFacts(holder.pid, holder.host, holder.since, holder.run)
        if self.leadership is None:
            return Standing(platform.node(), is_running, own, None, is_shared=False)
        standing = Standing(self.leadership.host, is_running, own, None, is_shared=True)
        try:
            found = self.leadership.leader()
        except LedgerError as error:
            is_refused = not isinstance(error, DatabaseAwayError)
            return replace(standing, trouble=str(error), is_refused=is_refused)
        if found is None:
            return standing
        until = found.expires_at
        leader = ProcessFacts(found.pid, found.host, found.since, lease_until=until)
        return replace(standing, leader=leader)


# --- looking ----------------------------------------------------------------------------------


def status(tools: ManagementTools) -> dict[str, Any]:
    """What runs, since when, what comes next and how each job ended last, as plain JSON.

    Without a scheduler nobody else records the end of a run by hand: it is recorded here.
    """
    standing = tools.standing()
    if standing.role is not Role.LEADS:
        collect_ended(tools.run_tools)
    config, now = tools.config(), tools.run_tools.now()
    running = {row.job: row for row in tools.run_tools.store.running()}
    latest = {row.job: row for row in tools.run_tools.store.latest_results()}
    return {
        **standing.as_json(),
        "timezone": tools.run_tools.zone.key,
        "jobs": {
            job.name: _job_status(tools, job, running.get(job.name), latest.get(job.name), now)
            for job in config.jobs.values()
        },
    }


def job_description(tools: ManagementTools, name: str) -> dict[str, Any]:
    """One job as configured, with its next times. ConfigurationError lists the jobs there are."""
    job = tools.config().job(name)
    return {
        "job": job.name,
        "enabled": job.enabled,
        "description": job.description,
        "schedule": dict(job.schedule_fields),
        "module": job.module,
        "args": list(job.args),
        "timeout_seconds": job.timeout_seconds,
        "after": list(job.after),
        "require_fresh": job.require_fresh,
        "catch_up": job.catch_up.value,
        "retries": job.retries,
        "next_runs": next_times(tools, job, 3),
    }


def next_times(tools: ManagementTools, job: Job, count: int) -> list[str]:
    """The next nominal times of a job, ISO 8601 with the offset of the scheduler's zone."""
    zone = tools.run_tools.zone
    coming = next_occurrences(job.schedule, zone, tools.run_tools.now(), count)
    return [one.nominal_utc.astimezone(zone).isoformat() for one in coming]


def history(
    tools: ManagementTools, job: str | None, since: datetime | None, limit: int
) -> list[dict[str, Any]]:
    """The latest nominal times and what became of them, newest first."""
    zone = tools.run_tools.zone
    return [
        {
            "job": row.job,
            "nominal": row.nominal_utc.astimezone(zone).isoformat(),
            **row.model_dump(mode="json", exclude={"job", "claim"}, exclude_none=True),
        }
        for row in tools.run_tools.store.recent(job, since, limit)
    ]


def log_file_of(tools: ManagementTools, task: str | None) -> Path:
    """The scheduler's log, or the newest log of a task; ConfigurationError if there is none."""
    if task is None:
        return tools.scheduler_log
    if not NAME.fullmatch(task):
        raise ConfigurationError(f"{task!r} is not the name of a task.")
    files = [
        file
        for file in tools.run_tools.logs.glob(f"{task}_*.log")
        # data_refresh_20260130_020000.log, not data_refresh_eu_20260130_020000.log
        if file.name.removeprefix(f"{task}_")[:1].isdigit()
    ]
    file = newest(files)
    if file is None:
        raise ConfigurationError(f"There is no log of the task {task!r} yet.")
    return file


def tail(file: Path, lines: int) -> list[str]:
    """The last lines of a log, at most 1 MiB of them; empty if there is no file yet."""
    if not file.is_file():
        return []
    with file.open("rb") as log:
        log.seek(max(0, file.stat().st_size - (1 << 20)))
        text = log.read().decode("utf-8", "replace")
    return text.splitlines()[-lines:] if lines else []


def follow(file: Path, sleep: Callable[[float], None] = time.sleep) -> Iterator[str]:
    """New text of a log as it comes, for ever; a file that was cut is read from its start."""
    position = file.stat().st_size if file.is_file() else 0
    while True:
        if file.is_file():
            size = file.stat().st_size
            position = 0 if size < position else position
            if size > position:
                with file.open("rb") as log:
                    log.seek(position)
                    content = log.read()
                position += len(content)
                yield content.decode("utf-8", "replace")
        sleep(POLL_SECONDS)


# --- acting -----------------------------------------------------------------------------------


def start_in_background(tools: ManagementTools) -> PipelineResult:
    """Start a scheduler that outlives this process, and wait until it holds its lock.

    With other hosts it waits too until the new one leads or stands by.
    """
    if tools.is_running:
        message = f"The scheduler runs already. {tools.standing().words}"
        return PipelineResult(status=Status.SKIPPED, message=message)
    output = tools.scheduler_log.with_name(".start.out")
    process = start_module(["automation.scheduler"], tools.run_tools.project, output)
    deadline = time.monotonic() + START_PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        holder = tools.holder()
        if holder is not None and holder.run is not None and tools.standing().is_settled:
            message = f"The scheduler runs in the background: process {holder.pid}."
            if tools.leadership is not None:
                message = f"{message} {tools.standing().words}"
            return PipelineResult(status=Status.SUCCESS, message=message)
        time.sleep(POLL_SECONDS)
    words = _last_words(output)
    return PipelineResult(status=Status.FAILED, message=f"The scheduler did not start: {words}")


def _last_words(output: Path) -> str:
    """What a process that ended said at last: the message of its result, else the line itself."""
    line = (tail(output, 1) or ["it said nothing"])[0]
    try:
        return str(json.loads(line)["message"])
    except (ValueError, KeyError, TypeError):
        return line


def stop(tools: ManagementTools) -> PipelineResult:
    """Ask this host's scheduler to stop and wait until it did, jobs drained.

    Whether it leads or stands by; the scheduler of another host is never asked.
    """
    holder, standing = tools.holder(), tools.standing()
    if holder is None:
        message = standing.words if standing.is_shared else "No scheduler runs."
        return PipelineResult(status=Status.SKIPPED, message=message)
    tools.stop_request.send(holder.run or "")
    patience = tools.drain_seconds + tools.run_tools.grace_seconds + DRAIN_MARGIN_SECONDS + 5
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if not tools.is_running:
            return PipelineResult(status=Status.SUCCESS, message=_stopped_words(standing))
        time.sleep(POLL_SECONDS)
    message = f"The scheduler (process {holder.pid}) did not stop within {patience:.0f} s."
    return PipelineResult(status=Status.FAILED, message=message)


def _stopped_words(standing: Standing) -> str:
    if standing.role is not Role.STANDS_BY or standing.leader is None:
        return "The scheduler stopped."
    return (
        f"The scheduler of this host ({standing.host}) stopped; it stood by. "
        f"The host {standing.leader.host} goes on leading."
    )


def begin_run(tools: ManagementTools, name: str) -> OccurrenceRecord | None:
    """Start a job by hand at once; None if it runs already. Works without a scheduler too."""
    run_tools = tools.run_tools
    job, now = tools.config().job(name), run_tools.now()
    if any(row.job == name for row in run_tools.store.running()):
        return None
    row = OccurrenceRecord(
        job=name,
        nominal_utc=now,
        nominal_day=now.astimezone(run_tools.zone).date(),
        state=State.RUNNING,
        cause=Cause.HAND,
        decided_at_utc=now,
    )
    claimed = run_tools.store.claim(row)
    if claimed is not None:
        launch(run_tools, job, claimed)
    return claimed


def run_and_wait(tools: ManagementTools, name: str) -> PipelineResult:
    """Run a job by hand and wait for its end; the result carries its exit code and log."""
    row = begin_run(tools, name)
    if row is None:
        return PipelineResult(status=Status.SKIPPED, message="Already running")
    while True:
        collect_ended(tools.run_tools)
        current = tools.run_tools.store.find(name, row.nominal_utc)
        if current is not None and current.state is not State.RUNNING:
            return _result_of(current)
        time.sleep(POLL_SECONDS)


def set_enabled(tools: ManagementTools, name: str, *, enabled: bool) -> PipelineResult:
    """Write `enabled` of a job into the configuration; a running scheduler follows in seconds."""
    tools.config_file.edit_job(name, lambda entry: {**entry, "enabled": enabled})
    word = "enabled" if enabled else "disabled"
    return PipelineResult(status=Status.SUCCESS, message=f"The job {name} is {word}.")


def change_schedule(tools: ManagementTools, name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Change some fields of a schedule and keep the others; a field of None is removed."""

    def change(entry: dict[str, Any]) -> dict[str, Any]:
        merged = {**entry["schedule"], **fields}
        return {**entry, "schedule": {key: one for key, one in merged.items() if one is not None}}

    tools.config_file.edit_job(name, change)
    return job_description(tools, name)


def _job_status(
    tools: ManagementTools,
    job: Job,
    running: OccurrenceRecord | None,
    latest: OccurrenceRecord | None,
    now: datetime,
) -> dict[str, Any]:
    zone = tools.run_tools.zone
    content: dict[str, Any] = {
        "enabled": job.enabled,
        "state": "idle" if running is None else "running",
        "next_run": next(iter(next_times(tools, job, 1)), None) if job.enabled else None,
        "last": None,
    }
    if running is not None:
        began = running.started_at_utc or running.decided_at_utc
        content["since"] = local_text(began, zone)
        content["for"] = describe_age(began, now)
        content["log_file"] = running.log_file
        content["progress"] = _last_line(tools, running)
        if running.retry_at_utc is not None:
            content["state"] = f"waits for attempt {running.attempt + 1}"
    if latest is not None:
        content["last"] = {
            "status": "success" if latest.has_succeeded else "failed",
            "timestamp": local_text(latest.ended_at_utc or latest.decided_at_utc, zone),
            "exit_code": latest.exit_code,
            "error": latest.error,
            "log_file": latest.log_file,
        }
    return content


def _last_line(tools: ManagementTools, row: OccurrenceRecord) -> str | None:
    """What a running job said last: its progress, if it reports any."""
    if row.log_file is None:
        return None
    try:
        with (tools.run_tools.project / row.log_file).open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - LAST_LINE_BYTES))
            # A progress bar redraws its line with carriage returns.
            text = log.read().decode("utf-8", "replace").replace("\r", "\n")
    except OSError:
        return None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][-200:] if lines else None


def _result_of(row: OccurrenceRecord) -> PipelineResult:
    details: dict[str, Any] = {
        "job": row.job,
        "job_exit_code": row.exit_code,
        "log_file": row.log_file,
    }
    if row.has_succeeded:
        return PipelineResult(status=Status.SUCCESS, **details)
    if row.state is State.SKIPPED:
        return PipelineResult(status=Status.SKIPPED, message=row.reason, job=row.job)
    return PipelineResult(status=Status.FAILED, message=row.error or "failed", **details)
