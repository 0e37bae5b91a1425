"""A file of events at the door: checked row by row, the good ones staged, the bad ones named."""

from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import polars as pl

from viecomrec.adapters.staged_files import read_rows
from viecomrec.adapters.staging import StagingLog
from viecomrec.domain import columns as c
from viecomrec.domain.checks import check_rows, require_few_bad
from viecomrec.domain.event_rows import in_utc
from viecomrec.domain.events import Event, EventKind
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.errors import InputError

BATCH_EVENTS = 10_000
SHOWN_BAD_ROWS = 20


@dataclass(frozen=True)
class IngestTools:
    """Where events go and how they are read; `max_bad_share` as in the refresh."""

    staging: StagingLog
    zone: str
    max_bad_share: float


def run(file: Path, kind: EventKind | None, tools: IngestTools) -> PipelineResult:
    """Stage every good row of a CSV or JSON-lines file; `kind` counts where a row names none.

    An event without an id gets one from its content, so that the same file twice counts once.
    Raises InputError where the file cannot be read or too many of its rows are bad; nothing is
    staged then.
    """
    if not file.is_file():
        raise InputError(f"{file} is missing. Name a CSV or JSON-lines file of events.")
    raw = in_utc(read_rows(file, file.name), tools.zone, kind)
    good, bad = check_rows(raw, "iso", tools.zone)
    require_few_bad(raw.height, bad, tools.max_bad_share, str(file))
    for batch in good.iter_slices(BATCH_EVENTS):
        tools.staging.append([_event(row) for row in batch.iter_rows(named=True)])
    return PipelineResult(
        status=Status.SUCCESS,
        message=f"{good.height} events staged; the next data refresh merges them",
        n_staged=good.height,
        n_bad=bad.height,
        bad_rows=_shown(bad),
    )


def _event(row: dict[str, Any]) -> Event:
    return Event(
        event_id=row[c.EVENT_ID] or "",
        user_id=row[c.USER_ID],
        product_id=row[c.PRODUCT_ID],
        kind=EventKind(row[c.KIND]),
        rating=row[c.RATING],
        at=row[c.AT].astimezone(UTC),
        comment=row[c.COMMENT] or None,
    )


def _shown(bad: pl.DataFrame) -> list[str]:
    rows = bad.head(SHOWN_BAD_ROWS).select(c.ROW, c.REASON).iter_rows()
    return [f"row {row}: {reason}" for row, reason in rows]
