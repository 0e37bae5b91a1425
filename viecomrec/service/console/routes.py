"""Which address of the console shows or changes what."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from viecomrec.service.console import alerts, data, jobs, models, runs, today, try_it
from viecomrec.service.console.entry import Entry, sign_out
from viecomrec.service.console.frame import (
    STATIC,
    Action,
    Console,
    Page,
    action,
    open_console,
    page,
    visit,
)
from viecomrec.service.worker import Worker

SHOWN: dict[str, Page] = {
    "/": today.show_today,
    "/jobs": jobs.show_jobs,
    "/jobs/rows": jobs.show_job_rows,
    "/jobs/{job}": jobs.show_job,
    "/jobs/{job}/preview": jobs.preview,
    "/jobs/{job}/log": jobs.read_log,
    "/runs": runs.show_runs,
    "/runs/{run_id}": runs.show_run,
    "/models": models.show_models,
    "/models/confirm": models.confirm,
    "/data": data.show_data,
    "/try": try_it.show_try,
    "/alerts": alerts.show_alerts,
}
CHANGES: dict[str, Action] = {
    "/jobs/{job}/run": jobs.run_now,
    "/jobs/{job}/enabled": jobs.set_paused,
    "/jobs/{job}/schedule": jobs.change_schedule,
    "/models/deploy": models.deploy,
    "/alerts/test": alerts.send_test,
    "/sign-out": sign_out,
}


def console_app(worker: Worker, token: str) -> Starlette:
    """The console of one worker process, to be mounted at `/console`."""
    console = open_console(worker, token)
    entry = Entry(console)
    return Starlette(
        routes=[
            *(Route(path, page(console, show)) for path, show in SHOWN.items()),
            *(
                Route(path, action(console, change), methods=["POST"])
                for path, change in CHANGES.items()
            ),
            Route("/sign-in", entry.show_sign_in),
            Route("/sign-in", entry.sign_in, methods=["POST"]),
            Route("/enter", entry.enter),
            Route("/preferences", entry.prefer),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        exception_handlers={HTTPException: _not_found(console)},
    )


def _not_found(console: Console):  # type: ignore[no-untyped-def] # noqa: ANN202 - Starlette's kind
    async def handler(request: Request, error: HTTPException) -> Response:
        here = visit(console, request)
        if here.session is None:
            return here.redirect("/sign-in")
        return here.problem(here.t("not_found"), error.status_code)

    return handler
