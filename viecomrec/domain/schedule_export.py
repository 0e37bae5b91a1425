"""The configured jobs in the words of systemd timers and crontab, and what every export shares."""

import math
import shlex
from collections.abc import Sequence
from pathlib import PurePath

from viecomrec.domain.occurrences import seconds_before_retry
from viecomrec.domain.scheduler_config import CatchUp, Job, SchedulerConfig
from viecomrec.domain.schedules import RANGES, WEEKDAYS
from viecomrec.errors import ConfigurationError

DAYS_OF_CRON = {0: 1, 1: 2, 2: 3, 3: 4, 4: 5, 5: 6, 6: 0}
"""Monday is 0 here and 1 in a crontab, Sunday 0."""


def systemd_units(
    config: SchedulerConfig, zone: str, python: str, project: PurePath
) -> dict[str, str]:
    """File name -> text of a service and a timer for each enabled job."""
    units = {}
    for job in enabled_jobs(config):
        units[f"viecomrec-{job.name}.service"] = _service(job, python, project)
        units[f"viecomrec-{job.name}.timer"] = _timer(job, zone)
    return units


def crontab(config: SchedulerConfig, zone: str, python: str, project: PurePath) -> str:
    """A crontab of the enabled jobs. It needs a cron that knows CRON_TZ, such as cronie.

    ConfigurationError for a job that names both days of the month and weekdays: cron runs on
    either, this project on both.
    """
    lines = [
        "# Written by `viecomrec schedule export --to crontab`.",
        "# Needs a cron that knows CRON_TZ (cronie). Firing twice or late changes nothing:",
        "# --occurrence latest is done once, whoever asks.",
        f"CRON_TZ={zone}",
        f"PROJECT_DIR={project}",
    ]
    for job in enabled_jobs(config):
        log = project / "logs" / "scheduler" / f"{job.name}_cron.log"
        command = f"cd {shlex.quote(str(project))} && {shlex.join(command_of(job, python))}"
        line = f"{command} >> {shlex.quote(str(log))} 2>&1".replace("%", "\\%")
        lines.append(f"{cron_fields(job)} {line}")
    return "\n".join(lines) + "\n"


def enabled_jobs(config: SchedulerConfig) -> list[Job]:
    return [job for job in config.jobs.values() if job.enabled]


def command_of(job: Job, python: str) -> list[str]:
    """The command that does the job's latest nominal time once, in its order and with its retries.

    ConfigurationError for a job whose name is not that of its door.
    """
    if job.module != f"automation.{job.name}":
        raise ConfigurationError(
            f"The job {job.name} runs {job.module}: the ledger would know its times under another "
            f"name. Name the job {job.module.removeprefix('automation.')} to export it."
        )
    return [python, "-m", job.module, *job.args, "--occurrence", "latest", "--as-configured"]


def longest_seconds(job: Job) -> int:
    """How long the command may take: each attempt, the waits between, and the jobs upstream."""
    waits = (seconds_before_retry(failed, job.retries) for failed in range(1, job.retries + 1))
    n_waited_for = 1 if job.after else 0
    attempts = (1 + job.retries + n_waited_for) * job.timeout_seconds
    return math.ceil(attempts + sum(wait or 0 for wait in waits))


def _service(job: Job, python: str, project: PurePath) -> str:
    command = " ".join(_quote_for_systemd(part) for part in command_of(job, python))
    return (
        f"[Unit]\nDescription=VieComRec: {job.name}\n\n"
        "[Service]\nType=oneshot\n"
        f"WorkingDirectory={str(project).replace('%', '%%')}\n"
        f"Environment={_quote_for_systemd(f'PROJECT_DIR={project}')}\n"
        f"ExecStart={command}\n"
        f"TimeoutStartSec={longest_seconds(job)}\n"
    )


def _timer(job: Job, zone: str) -> str:
    is_persistent = "true" if job.catch_up is CatchUp.LATEST else "false"
    return (
        f"[Unit]\nDescription=When VieComRec runs {job.name}\n\n"
        f"[Timer]\nOnCalendar={calendar_event(job, zone)}\n"
        f"Persistent={is_persistent}\nAccuracySec=1s\n\n"
        "[Install]\nWantedBy=timers.target\n"
    )


def calendar_event(job: Job, zone: str) -> str:
    """The schedule as systemd's OnCalendar, its zone included."""
    schedule = job.schedule
    weekdays = ",".join(WEEKDAYS[one].capitalize() for one in schedule.day_of_week)
    prefix = "" if len(schedule.day_of_week) == len(WEEKDAYS) else f"{weekdays} "
    month, day = _numbers("month", schedule.month), _numbers("day", schedule.day)
    hour, minute = _numbers("hour", schedule.hour), _numbers("minute", schedule.minute)
    return f"{prefix}*-{month}-{day} {hour}:{minute}:00 {zone}"


def cron_fields(job: Job) -> str:
    """The five fields of cron; ConfigurationError where cron cannot say the schedule."""
    schedule = job.schedule
    weekday = "*"
    if len(schedule.day_of_week) < len(WEEKDAYS):
        weekday = ",".join(str(DAYS_OF_CRON[one]) for one in schedule.day_of_week)
    day = _numbers("day", schedule.day)
    if weekday != "*" and day != "*":
        raise ConfigurationError(
            f"The job {job.name} names days of the month and weekdays; cron would run it on "
            "either. Export it to systemd, or name one of the two."
        )
    minute, hour = _numbers("minute", schedule.minute), _numbers("hour", schedule.hour)
    return " ".join((minute, hour, day, _numbers("month", schedule.month), weekday))


def _numbers(name: str, numbers: Sequence[int]) -> str:
    low, high = RANGES[name]
    if len(numbers) == high - low + 1:
        return "*"
    return ",".join(f"{number:02d}" for number in numbers)


def _quote_for_systemd(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if escaped != text or " " in text else text
