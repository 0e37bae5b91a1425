"""Events at the door of the service, and what is said of them."""

from typing import Annotated, Any, Literal

from pydantic import Field, StrictFloat, StrictInt, StrictStr

from viecomrec.domain.api import Answer, ExternalId, Request

MAX_BATCH_EVENTS = 1_000


class EventRequest(Request):
    """One event; its kind follows from the address for /ingest/review and /ingest/purchase."""

    event_id: ExternalId | None = None
    user_id: ExternalId
    product_id: ExternalId
    kind: Literal["review", "purchase", "cart", "view"] | None = None
    rating: Annotated[StrictFloat | StrictInt, Field(allow_inf_nan=False)] | None = None
    at: StrictStr | None = None
    """ISO 8601; without an offset it is in the shop's zone, without a time it is now."""

    comment: StrictStr | None = None


class BatchEventsRequest(Request):
    events: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_BATCH_EVENTS)]
    """Each is checked by itself: the good ones are stored, the bad ones named."""


class RefusedEvent(Answer):
    index: int
    detail: str


class IngestResponse(Answer):
    """What is on disk now; a duplicate was there before."""

    status: Literal["accepted", "partly_accepted", "duplicate"]
    accepted: int
    duplicates: int
    event_ids: list[str]
    refused: list[RefusedEvent] = Field(default_factory=list)


class IngestStats(Answer):
    """Since the start of the service, all workers together."""

    accepted: int
    duplicates: int
    refused: int
    pending: int
    pending_by_kind: dict[str, int]


class PendingEvent(Answer):
    event_id: str
    user_id: str
    product_id: str
    kind: str
    at: str


class PendingEvents(Answer):
    """Events on disk that no snapshot holds yet, newest first."""

    total: int
    events: list[PendingEvent]
