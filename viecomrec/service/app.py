"""The HTTP application of one worker process: its routes, its door and its life."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex
from zoneinfo import ZoneInfo

from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from viecomrec import __version__
from viecomrec.bootstrap import Installation, open_installation
from viecomrec.errors import (
    ArtifactError,
    ArtifactStoreError,
    ConfigurationError,
    InputError,
    LedgerError,
    RegistryError,
    ServiceError,
    SnapshotError,
    UnknownProductError,
    VieComRecError,
)
from viecomrec.service.console.routes import console_app
from viecomrec.service.docs_page import docs_page
from viecomrec.service.front_door import DEFECT, REFUSALS, FrontDoor, problems
from viecomrec.service.routes_ingest import ingest_routes
from viecomrec.service.routes_products import product_routes
from viecomrec.service.routes_scheduler import scheduler_routes
from viecomrec.service.routes_state import state_routes
from viecomrec.service.routes_users import user_routes
from viecomrec.service.security import TokenGuard
from viecomrec.service.worker import Worker

UNREADABLE = 400
UNDECLARED = "Send the body as JSON, with the header Content-Type: application/json"
STATUS_OF = (
    (UnknownProductError, 404),
    (RegistryError, 404),
    (InputError, 422),
    (ArtifactError, 409),
    (SnapshotError, 409),
    (ConfigurationError, 409),
    (ServiceError, 503),
    (LedgerError, 503),
    (ArtifactStoreError, 503),
)


def create_app(installation: Installation | None = None) -> FrontDoor:
    """Build the application of one installation; the model is loaded when the server starts."""
    installation = installation or open_installation().patient()
    worker = Worker(installation, installation.worker_board(_board_folder(installation)))
    guard = TokenGuard(installation.admin_token.ensure())
    app = FastAPI(
        title="VieComRec",
        version=__version__,
        lifespan=_life_of(worker),
        docs_url=None,
        redoc_url=None,
        responses=REFUSALS,
    )
    app.state.worker = worker
    app.include_router(user_routes(worker))
    app.include_router(product_routes(worker))
    app.include_router(ingest_routes(worker, guard, ZoneInfo(installation.event_zone)))
    app.include_router(state_routes(worker, guard))
    app.mount("/console", console_app(worker, guard.token))
    app.include_router(scheduler_routes(installation, guard))
    _add_docs(app)
    _add_error_answers(app, worker)
    _add_cors(app, installation.settings.service.cors_origins)
    return FrontDoor(app, worker, guard)


def _life_of(worker: Worker):  # type: ignore[no-untyped-def] # noqa: ANN202 - a context manager of FastAPI's kind
    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(worker.start)
        yield
        await run_in_threadpool(worker.stop)

    return life


def _board_folder(installation: Installation) -> Path:
    """One for each running service; `serve` names it for its worker processes."""
    run = installation.settings.service_run or token_hex(8)
    return installation.paths.service_workers / run


def _add_docs(app: FastAPI) -> None:
    """A page of our own: the usual one loads its scripts from elsewhere."""

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(app.openapi()))


def _add_cors(app: FastAPI, origins: tuple[str, ...]) -> None:
    """Closed, unless the shop names the origins of its pages."""
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Content-Type"],
        )


def _add_error_answers(app: FastAPI, worker: Worker) -> None:
    """Turn our errors into answers: what happened and what to do, never where on this machine."""

    @app.exception_handler(VieComRecError)
    def ours(_: Request, error: Exception) -> Response:
        return JSONResponse({"detail": worker.live.public(error)}, _status_of(error))

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: Exception) -> Response:
        found = problems(getattr(error, "errors", list)())
        is_json = "json" in request.headers.get("content-type", "")
        if not is_json and any(one["loc"] == ["body"] for one in found):
            return JSONResponse({"detail": UNDECLARED}, 422)
        return JSONResponse({"detail": found}, 422)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: Exception) -> Response:
        # FastAPI says 400 of a body that is no text at all; it is invalid like any other.
        if isinstance(error, HTTPException) and error.status_code == UNREADABLE:
            return JSONResponse({"detail": "The body is not JSON in UTF-8"}, 422)
        return await http_exception_handler(request, error)  # type: ignore[arg-type]

    @app.exception_handler(Exception)
    def defect(_: Request, __: Exception) -> Response:
        return Response(DEFECT, 500, media_type="application/json")


def _status_of(error: Exception) -> int:
    return next((status for kind, status in STATUS_OF if isinstance(error, kind)), 500)
