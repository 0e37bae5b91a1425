"""The scheduler over HTTP: looking and acting, both with the admin token.

The service and the scheduler are two processes that share the ledger and the configuration
file; neither needs the other to run.
"""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, HTTPException, Query
from pydantic import BaseModel

from viecomrec.bootstrap import Installation
from viecomrec.domain.api_state import ErrorAnswer, InvalidAnswer
from viecomrec.errors import ConfigurationError
from viecomrec.pipelines import scheduler_management as management
from viecomrec.pipelines.scheduler_management import ManagementTools
from viecomrec.service.responses import Responses
from viecomrec.service.security import TokenGuard

MAX_LINES = 5000
MAX_ROWS = 1000

Lines = Annotated[int, Query(ge=1, le=MAX_LINES)]

REFUSED: Responses = {
    401: {"model": ErrorAnswer, "description": "The admin token is missing or wrong"},
    404: {"model": ErrorAnswer, "description": "There is no such job or log"},
}


class LogAnswer(BaseModel):
    """The last lines of one log file, named from the project's root."""

    file: str
    lines: list[str]


class RunAnswer(BaseModel):
    """The run that was started; its end is in `history` under this nominal time."""

    job: str
    nominal_utc: str


class ChangedAnswer(BaseModel):
    status: str
    message: str


def scheduler_routes(installation: Installation, guard: TokenGuard) -> APIRouter:
    """All routes under /scheduler; every one asks for the token."""
    routes = APIRouter(
        prefix="/scheduler",
        tags=["scheduler"],
        dependencies=[Depends(guard.require)],
        responses=REFUSED,
    )
    _add_looking(routes, installation)
    _add_acting(routes, installation)
    return routes


def _add_looking(routes: APIRouter, installation: Installation) -> None:
    @routes.get("/status")
    def status() -> dict[str, Any]:
        """What runs, since when, what comes next and how each job ended last."""
        return management.status(installation.management_tools())

    @routes.get("/jobs")
    def jobs() -> list[dict[str, Any]]:
        """Every job as configured, with its next three times."""
        tools = installation.management_tools()
        return [management.job_description(tools, name) for name in tools.config().jobs]

    @routes.get("/jobs/{job_id}")
    def job(job_id: str) -> dict[str, Any]:
        """One job as configured, with its next three times."""
        return management.job_description(_tools_knowing(installation, job_id), job_id)

    @routes.get("/logs")
    def scheduler_log(lines: Lines = 200) -> LogAnswer:
        """The end of the scheduler's own log."""
        return _log(installation.management_tools(), None, lines)

    @routes.get("/logs/{task}")
    def task_log(task: str, lines: Lines = 200) -> LogAnswer:
        """The end of the newest log of a task."""
        try:
            return _log(installation.management_tools(), task, lines)
        except ConfigurationError as error:
            raise HTTPException(404, str(error)) from error

    @routes.get("/history")
    def history(
        job: str | None = None,
        days: Annotated[float, Query(gt=0, le=3660)] = 14,
        limit: Annotated[int, Query(ge=1, le=MAX_ROWS)] = 100,
    ) -> list[dict[str, Any]]:
        """What became of each nominal time, newest first, and why."""
        tools = installation.management_tools()
        since = tools.run_tools.now() - timedelta(days=days)
        return management.history(tools, job, since, limit)


def _add_acting(routes: APIRouter, installation: Installation) -> None:
    @routes.post(
        "/jobs/{job_id}/run",
        status_code=202,
        responses={409: {"model": ErrorAnswer, "description": "The job runs already"}},
    )
    def run(job_id: str) -> RunAnswer:
        """Start a job now; it goes on whatever becomes of this service."""
        row = management.begin_run(_tools_knowing(installation, job_id), job_id)
        if row is None:
            raise HTTPException(409, "Already running")
        return RunAnswer(job=job_id, nominal_utc=row.nominal_utc.isoformat())

    @routes.post("/jobs/{job_id}/enable")
    def enable(job_id: str) -> ChangedAnswer:
        """Let a job run on its schedule."""
        return _set_enabled(installation, job_id, enabled=True)

    @routes.post("/jobs/{job_id}/disable")
    def disable(job_id: str) -> ChangedAnswer:
        """Pause a job; its times are recorded as skipped."""
        return _set_enabled(installation, job_id, enabled=False)

    @routes.put(
        "/jobs/{job_id}/schedule",
        responses={422: {"model": InvalidAnswer, "description": "The schedule is not allowed"}},
    )
    def change_schedule(
        job_id: str, fields: Annotated[dict[str, int | str | None], Body()]
    ) -> dict[str, Any]:
        """Change the fields given and keep the others; a field of null is removed."""
        tools = _tools_knowing(installation, job_id)
        try:
            return management.change_schedule(tools, job_id, fields)
        except ConfigurationError as error:
            raise HTTPException(422, str(error)) from error


def _tools_knowing(installation: Installation, job_id: str) -> ManagementTools:
    """The tools, if the configuration has the job; 404 lists those that it has."""
    tools = installation.management_tools()
    if job_id not in tools.config().jobs:
        raise HTTPException(
            404, f"There is no such job; there are {', '.join(tools.config().jobs)}."
        )
    return tools


def _set_enabled(installation: Installation, job_id: str, *, enabled: bool) -> ChangedAnswer:
    tools = _tools_knowing(installation, job_id)
    result = management.set_enabled(tools, job_id, enabled=enabled)
    return ChangedAnswer(status=result.status.value, message=result.message or "")


def _log(tools: ManagementTools, task: str | None, lines: int) -> LogAnswer:
    file = management.log_file_of(tools, task)
    shown = file.relative_to(tools.run_tools.project).as_posix()
    return LogAnswer(file=shown, lines=management.tail(file, lines))
