"""The whole state of an installation on one page; looks only, changes nothing."""

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from viecomrec.adapters.holders import is_alive
from viecomrec.adapters.locks import read_holder
from viecomrec.adapters.registry import RegistryStore
from viecomrec.domain.health import Level
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.domain.runs import RunRecord
from viecomrec.errors import AlertError, ConfigurationError, RegistryError
from viecomrec.pipelines.alerting import Alerting

LIBRARIES = ("numpy", "scipy", "polars", "torch", "fastapi", "apscheduler", "sqlalchemy")
N_RUNS = 10


@dataclass(frozen=True)
class DoctorTools:
    """What the page is made of."""

    root: Path
    places: Mapping[str, Path]
    locks: Path
    registry: RegistryStore
    recent_runs: Callable[[], list[RunRecord]]
    check_health: Callable[[], PipelineResult]
    next_runs: Callable[[], list[tuple[str, datetime]]]
    """Each enabled job of the scheduler with its next nominal time."""

    alerts: Alerting
    artifact_url: str | None
    describe_database: Callable[[], str]
    """Where runs, leases and staged events are kept, and whether it answers."""

    repairs: Mapping[str, Callable[[], str]]
    now: Callable[[], datetime]
    zone: tzinfo


def repair(name: str, tools: DoctorTools) -> PipelineResult:
    """Carry out the one repair that was asked for, and say what it did."""
    return PipelineResult(status=Status.SUCCESS, message=tools.repairs[name](), repaired=name)


def free_dead_locks(locks: Path) -> str:
    """Delete the information files whose process is gone; the locks themselves are free already."""
    dead = []
    for file in sorted(locks.glob("*.lock")):
        holder = read_holder(locks, file.stem)
        if holder is not None and is_alive(holder) is False:
            file.unlink(missing_ok=True)
            dead.append(file.stem)
    return f"Deleted the lock files of dead processes: {', '.join(dead) or 'there were none'}"


def run(tools: DoctorTools) -> PipelineResult:
    """Gather the page; its status is the health of the installation."""
    health = tools.check_health().as_json()
    return PipelineResult(
        status=Status(health["overall_status"]),
        timestamp=tools.now().astimezone(tools.zone).replace(tzinfo=None).isoformat("T", "seconds"),
        versions=_versions(),
        root=str(tools.root),
        database=tools.describe_database(),
        artifact_store=tools.artifact_url or "this folder alone",
        paths=[_describe_place(name, path) for name, path in tools.places.items()],
        locks=[_describe_lock(tools, file.stem) for file in sorted(tools.locks.glob("*.lock"))],
        runs=[_describe_run(run) for run in tools.recent_runs()[:N_RUNS]],
        due=_describe_due(tools),
        models=_describe_models(tools.registry),
        alerts=_describe_alerts(tools.alerts),
        problems=_problems(health),
    )


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "system": platform.platform()}
    for library in ("viecomrec", *LIBRARIES):
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "not installed"
    return found


def _describe_place(name: str, path: Path) -> dict[str, Any]:
    return {"name": name, "path": str(path), "exists": path.exists()}


def _describe_lock(tools: DoctorTools, name: str) -> dict[str, Any]:
    holder = read_holder(tools.locks, name)
    if holder is None:
        return {"name": name, "found": "unreadable; it is information only and may be deleted"}
    alive = is_alive(holder)
    found = f"process {holder.pid} on {holder.host} since {_local(holder.since, tools.zone)}"
    state = {True: "running", False: "gone: the lock is free", None: "on another machine"}[alive]
    return {"name": name, "found": f"{found}, {state}", "run": holder.run}


def _describe_run(run: RunRecord) -> dict[str, Any]:
    return {
        "pipeline": run.pipeline_name,
        "started": run.start_time,
        "status": run.status.value,
        "error": run.error_message,
    }


def _describe_due(tools: DoctorTools) -> list[dict[str, str]]:
    try:
        coming = sorted(tools.next_runs(), key=lambda one: one[1])
    except ConfigurationError as error:
        return [{"job": "scheduler_config.json", "at": str(error)}]
    return [{"job": job, "at": _local(at, tools.zone)} for job, at in coming]


def _describe_alerts(alerts: Alerting) -> dict[str, Any]:
    try:
        return {
            "open_incidents": [
                f"{one.key} since {one.opened_at.isoformat(timespec='minutes')}"
                for one in alerts.open_incidents()
            ],
            "undelivered_messages": alerts.undelivered(),
        }
    except AlertError as error:
        return {"error": str(error)}


def _describe_models(registry: RegistryStore) -> dict[str, Any]:
    try:
        listed = registry.read()
    except RegistryError as error:
        return {"error": str(error)}
    return {
        "registered": len(listed.models),
        "current_best": listed.current_best,
        "desired": listed.desired,
        "deployed": listed.deployed,
        "rollback_target": listed.rollback_target,
    }


def _problems(health: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {"what": f"{component}: {check['name']}: {check['found']}", "type": check["action"]}
        for component, found in health["components"].items()
        for check in found["checks"]
        if check["status"] != Level.HEALTHY.value
    ]


def _local(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).replace(tzinfo=None).isoformat("T", "seconds")
