"""Events from the shop; every address here needs the token."""

from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends

from viecomrec.domain.api_events import (
    BatchEventsRequest,
    EventRequest,
    IngestResponse,
    IngestStats,
    PendingEvents,
)
from viecomrec.domain.api_state import ErrorAnswer, InvalidAnswer
from viecomrec.errors import InputError
from viecomrec.service.ingest import Ingest
from viecomrec.service.security import TokenGuard
from viecomrec.service.worker import Worker


def ingest_routes(worker: Worker, guard: TokenGuard, zone: ZoneInfo) -> APIRouter:
    routes = APIRouter(
        prefix="/ingest",
        tags=["events"],
        dependencies=[Depends(guard.require)],
        responses={401: {"model": ErrorAnswer}, 422: {"model": InvalidAnswer}},
    )
    ingest = Ingest(worker, zone)

    @routes.post("/review")
    async def review(request: EventRequest) -> IngestResponse:
        """One review; answered when it is on disk."""
        return await ingest.one(_of_kind(request, "review"))

    @routes.post("/purchase")
    async def purchase(request: EventRequest) -> IngestResponse:
        """One purchase; answered when it is on disk."""
        return await ingest.one(_of_kind(request, "purchase"))

    @routes.post("/cart")
    async def cart(request: EventRequest) -> IngestResponse:
        """One product put into a cart; answered when it is on disk."""
        return await ingest.one(_of_kind(request, "cart"))

    @routes.post("/view")
    async def view(request: EventRequest) -> IngestResponse:
        """One product looked at; answered when it is on disk."""
        return await ingest.one(_of_kind(request, "view"))

    @routes.post("/batch")
    async def batch(request: BatchEventsRequest) -> IngestResponse:
        """Events of any kind: the good ones are stored, the bad ones named."""
        return await ingest.batch(request.events)

    @routes.get("/stats")
    def stats() -> IngestStats:
        """How many events came in, and how many wait for the next refresh."""
        return ingest.stats()

    @routes.get("/pending")
    def pending() -> PendingEvents:
        """The events that wait for the next refresh, newest first."""
        return ingest.pending()

    return routes


def _of_kind(request: EventRequest, kind: str) -> EventRequest:
    """The kind follows from the address; another one in the body is a contradiction."""
    if request.kind not in {None, kind}:
        raise InputError(f"This address takes events of kind {kind}, not {request.kind}.")
    return request.model_copy(update={"kind": kind})
