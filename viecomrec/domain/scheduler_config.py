"""The scheduler's configuration: what it may say, checked with messages that name the place."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from typing import Any

from viecomrec.domain.schedules import Schedule, parse_schedule
from viecomrec.errors import ConfigurationError

DEFAULT_TIMEOUT_SECONDS = 6 * 3600.0
MAX_TIMEOUT_SECONDS = 30 * 86_400.0
DEFAULT_AFTER = {"model_training": ("data_refresh",), "model_deployment": ("model_training",)}
"""Training after the day's refresh, deployment after the day's training."""

MAX_RETRIES = 10
TOP_KEYS = ("timezone", "jobs")
JOB_KEYS = (
    "enabled",
    "description",
    "schedule",
    "module",
    "args",
    "timeout_seconds",
    "after",
    "require_fresh",
    "catch_up",
    "retries",
)
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
MODULE = re.compile(r"automation\.[a-z][a-z0-9_]*")


class CatchUp(StrEnum):
    """What becomes of times missed while nothing could run: the latest runs once, or none."""

    LATEST = "latest"
    NONE = "none"


@dataclass(frozen=True)
class Job:
    """One job as configured, optional keys filled in."""

    name: str
    schedule: Schedule
    schedule_fields: Mapping[str, Any]
    module: str
    args: tuple[str, ...] = ()
    description: str = ""
    enabled: bool = True
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    after: tuple[str, ...] = ()
    require_fresh: bool = False
    """Whether a job of `after` must have succeeded that day, not only not have failed."""
    catch_up: CatchUp = CatchUp.LATEST
    retries: int = 0


@dataclass(frozen=True)
class SchedulerConfig:
    """All jobs, upstream ones first; `timezone` is the name in the file, None for none."""

    timezone: str | None
    jobs: Mapping[str, Job]

    def job(self, name: str) -> Job:
        """The job of that name; ConfigurationError lists the names that exist."""
        if name not in self.jobs:
            raise ConfigurationError(
                f"There is no job {name!r}; the configuration has {', '.join(self.jobs)}."
            )
        return self.jobs[name]


def parse_config(content: Any, where: str) -> SchedulerConfig:
    """Check the whole file; ConfigurationError names file, job, key, value and what is allowed."""
    if not isinstance(content, Mapping) or not isinstance(content.get("jobs"), Mapping):
        raise ConfigurationError(f"{where}: it must be an object with an object `jobs`.")
    _refuse_unknown(content, TOP_KEYS, where)
    zone = content.get("timezone")
    if zone is not None and not isinstance(zone, str):
        raise ConfigurationError(
            f"{where}: timezone is {zone!r}; use a name such as Asia/Ho_Chi_Minh."
        )
    jobs = {
        name: _parse_job(name, entry, content["jobs"], f"{where}: job {name}")
        for name, entry in content["jobs"].items()
    }
    try:
        order = TopologicalSorter({job.name: job.after for job in jobs.values()}).static_order()
        return SchedulerConfig(zone, {name: jobs[name] for name in order})
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise ConfigurationError(f"{where}: the jobs wait for each other: {circle}.") from error


def _parse_job(name: str, entry: Any, jobs: Mapping[str, Any], where: str) -> Job:
    if not NAME.fullmatch(name):
        raise ConfigurationError(
            f"{where}: the name {name!r} is not allowed; use small letters, digits and _ "
            "(it names log files)."
        )
    if not isinstance(entry, Mapping):
        raise ConfigurationError(f"{where}: it must be an object, not {entry!r}.")
    _refuse_unknown(entry, JOB_KEYS, where)
    for key in ("schedule", "module"):
        if key not in entry:
            raise ConfigurationError(f"{where}: the key {key} is missing.")
    return Job(
        name=name,
        schedule=parse_schedule(entry["schedule"], f"{where}: schedule"),
        schedule_fields=dict(entry["schedule"]),
        module=_module(entry["module"], where),
        args=_strings(entry, "args", where),
        description=_typed(entry, "description", str, "", "a text", where),
        enabled=_typed(entry, "enabled", bool, True, "true or false", where),
        timeout_seconds=_timeout(entry, where),
        after=_after(name, entry, jobs, where),
        require_fresh=_typed(entry, "require_fresh", bool, False, "true or false", where),
        catch_up=_catch_up(entry, where),
        retries=_retries(entry, where),
    )


def _refuse_unknown(entry: Mapping[str, Any], allowed: tuple[str, ...], where: str) -> None:
    for key in entry:
        if key not in allowed:
            raise ConfigurationError(
                f"{where}: the key {key!r} is not allowed; use {', '.join(allowed)}."
            )


def _module(value: Any, where: str) -> str:
    is_allowed = isinstance(value, str) and MODULE.fullmatch(value) is not None
    if not is_allowed or value == "automation.scheduler":
        raise ConfigurationError(
            f"{where}: module is {value!r}; allowed is a door such as automation.data_refresh "
            "(automation. and one name; not the scheduler itself)."
        )
    return str(value)


def _typed(
    entry: Mapping[str, Any], key: str, kind: type, default: Any, allowed: str, where: str
) -> Any:
    value = entry.get(key, default)
    if not isinstance(value, kind):
        raise _not_allowed(where, key, value, allowed)
    return value


def _strings(entry: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = entry.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _not_allowed(where, key, value, "a list of texts")
    return tuple(value)


def _timeout(entry: Mapping[str, Any], where: str) -> float:
    value = entry.get("timeout_seconds", DEFAULT_TIMEOUT_SECONDS)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 < value <= MAX_TIMEOUT_SECONDS
    ):
        raise _not_allowed(
            where,
            "timeout_seconds",
            value,
            f"a number of seconds above 0, at most {MAX_TIMEOUT_SECONDS:.0f}",
        )
    return float(value)


def _after(
    name: str, entry: Mapping[str, Any], jobs: Mapping[str, Any], where: str
) -> tuple[str, ...]:
    if "after" not in entry:
        return tuple(one for one in DEFAULT_AFTER.get(name, ()) if one in jobs)
    value = [entry["after"]] if isinstance(entry["after"], str) else entry["after"]
    others = [one for one in jobs if one != name]
    if not isinstance(value, list) or not all(one in others for one in value):
        raise _not_allowed(where, "after", value, "names of other jobs: " + ", ".join(others))
    return tuple(value)


def _catch_up(entry: Mapping[str, Any], where: str) -> CatchUp:
    value = entry.get("catch_up", CatchUp.LATEST)
    if value not in list(CatchUp):
        raise _not_allowed(where, "catch_up", value, " or ".join(CatchUp))
    return CatchUp(value)


def _retries(entry: Mapping[str, Any], where: str) -> int:
    value = entry.get("retries", 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_RETRIES:
        raise _not_allowed(where, "retries", value, f"0 to {MAX_RETRIES}")
    return value


def _not_allowed(where: str, key: str, value: Any, allowed: str) -> ConfigurationError:
    return ConfigurationError(f"{where}: {key} is {value!r}; allowed is {allowed}.")
