"""Events at the door: checked, written durably, then known to the next list."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from viecomrec.domain.api_events import (
    EventRequest,
    IngestResponse,
    IngestStats,
    PendingEvent,
    PendingEvents,
    RefusedEvent,
)
from viecomrec.domain.events import Event, read_event
from viecomrec.errors import InputError
from viecomrec.service.worker import Worker

CLOCK_TOLERANCE = timedelta(minutes=5)
"""A shop's clock may be a little ahead of ours."""

MAX_PENDING_SHOWN = 100


class Ingest:
    """Takes events in for one worker; answers only after they are on disk."""

    def __init__(self, worker: Worker, zone: ZoneInfo) -> None:
        self._worker = worker
        self._zone = zone
        self._now = worker.installation.now

    async def one(self, request: EventRequest) -> IngestResponse:
        """Store one event. InputError says which field is wrong; then nothing is stored."""
        try:
            event = self._checked(request)
        except InputError:
            self._worker.traffic.events["refused"] += 1
            raise
        return await self._store([event], [])

    async def batch(self, requests: Sequence[dict[str, Any]]) -> IngestResponse:
        """Store the good events and name the bad ones; InputError if none is good."""
        good: list[Event] = []
        refused: list[RefusedEvent] = []
        for index, fields in enumerate(requests):
            try:
                good.append(self._checked(EventRequest.model_validate(fields)))
            except ValidationError as error:
                detail = "; ".join(
                    f"{'.'.join(map(str, one['loc'])) or 'event'}: {one['msg']}"
                    for one in error.errors()[:5]
                )
                refused.append(RefusedEvent(index=index, detail=detail[:500]))
            except InputError as error:
                refused.append(RefusedEvent(index=index, detail=str(error)[:500]))
        self._worker.traffic.events["refused"] += len(refused)
        if not good:
            first = refused[0]
            raise InputError(
                f"None of the {len(refused)} events can be stored; event {first.index}: "
                f"{first.detail}"
            )
        return await self._store(good, refused)

    def stats(self) -> IngestStats:
        counts = Counter(self._worker.total_traffic().events)
        pending = self._worker.memory.fresh.all()
        return IngestStats(
            accepted=counts["accepted"],
            duplicates=counts["duplicates"],
            refused=counts["refused"],
            pending=len(pending),
            pending_by_kind=dict(Counter(event.kind.value for event in pending)),
        )

    def pending(self) -> PendingEvents:
        events = self._worker.memory.fresh.all()
        return PendingEvents(
            total=len(events), events=[_shown(event) for event in events[:MAX_PENDING_SHOWN]]
        )

    def _checked(self, request: EventRequest) -> Event:
        now = self._now()
        fields = request.model_dump(exclude_none=True)
        fields.setdefault("at", now.isoformat())
        event = read_event(fields, self._zone)
        if event.at > now.astimezone(UTC) + CLOCK_TOLERANCE:
            raise InputError(
                f"The event is refused: at is in the future ({event.at.isoformat()}); the clock of "
                f"this service says {now.astimezone(UTC).isoformat(timespec='seconds')}. Set the "
                "clock that is wrong (time synchronisation)"
            )
        return event

    async def _store(self, events: list[Event], refused: list[RefusedEvent]) -> IngestResponse:
        fresh = self._worker.memory.fresh
        distinct = {event.event_id: event for event in events}
        new = [event for event in distinct.values() if event.event_id not in fresh]
        if new:
            await asyncio.wrap_future(self._worker.event_log.submit(new))
        # Another request may have brought the same event in the meantime; it counts once.
        n_accepted = self._worker.memory.acknowledge(new)
        n_duplicates = len(events) - n_accepted
        self._worker.traffic.events["accepted"] += n_accepted
        self._worker.traffic.events["duplicates"] += n_duplicates
        status = "partly_accepted" if refused else "accepted" if n_accepted else "duplicate"
        return IngestResponse(
            status=status,
            accepted=n_accepted,
            duplicates=n_duplicates,
            event_ids=[event.event_id for event in events],
            refused=refused,
        )


def _shown(event: Event) -> PendingEvent:
    return PendingEvent(
        event_id=event.event_id,
        user_id=event.user_id,
        product_id=event.product_id,
        kind=event.kind.value,
        at=event.at.isoformat(),
    )
