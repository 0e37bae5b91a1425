"""Staged events in PostgreSQL: accepted by any host, merged once, known to every replica.

A row stays after its merge: each host keeps a copy of the merged events in files, and a host
that lacks some writes them from here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import ValidationError
from sqlalchemy import text

from viecomrec.adapters import atomic_files
from viecomrec.adapters.leases import Leases
from viecomrec.adapters.merged_events import MergedEvents
from viecomrec.adapters.staged_files import Claim, StagedFiles
from viecomrec.adapters.staging import CLAIMED, StagingLog
from viecomrec.domain.events import Event
from viecomrec.errors import DatabaseAwayError, LedgerError, ServiceError

if TYPE_CHECKING:
    from viecomrec.adapters.postgres import PostgresDatabase

log = structlog.get_logger()

HORIZON = "@database"
"""Beside the files of a position: every transaction before it had ended when it was read."""

INSERT = """
INSERT INTO staged_events (event_id, user_id, content) VALUES (:event_id, :user_id, :content)
ON CONFLICT (event_id) DO NOTHING
"""
# Serial numbers are given before a transaction ends, so a reader could pass one by. The oldest
# transaction that still runs cannot be passed by: whatever may come is at or after it.
READ = """
SELECT content FROM staged_events
WHERE NOT is_merged AND written_by >= CAST(:horizon AS xid8) ORDER BY written_by, event_id
"""
CLAIM = """
UPDATE staged_events SET claim = (
    SELECT lpad(CAST(1 + CAST(coalesce(max(claim), '0') AS INTEGER) AS TEXT), 8, '0')
    FROM staged_events
) WHERE claim IS NULL
"""


class SharedStaging(StagingLog):
    """The table `staged_events`; files that lay in `data/staging/` before are read too."""

    def __init__(self, folder: Path, database: "PostgresDatabase") -> None:
        super().__init__(folder)
        self._database = database

    def append(self, events: Sequence[Event]) -> None:
        """Have the events in the database, each id once, before returning; all or none.

        ServiceError while the database is away: nothing was accepted.
        """
        rows = [
            {"event_id": one.event_id, "user_id": one.user_id, "content": one.as_line()}
            # In one order for all: two batches with the same ids never wait for each other.
            for one in sorted(events, key=lambda event: event.event_id)
        ]
        if not rows:
            return
        try:
            with self._database.shared_transaction() as connection:
                connection.execute(text(INSERT), rows)
        except LedgerError as error:
            log.warning("events could not be stored", error=str(error))
            raise ServiceError(
                "The events were not accepted: the database cannot be used just now. Send them "
                "again; an event that arrives twice counts once."
            ) from error

    def read_from(self, position: Mapping[str, int]) -> tuple[list[Event], dict[str, int]]:
        events, reached = super().read_from(position)
        start = position.get(HORIZON, 0)
        try:
            lines, reached[HORIZON] = self._read(start)
        except DatabaseAwayError as error:
            log.warning("fresh events wait for the database", error=str(error))
            if HORIZON in position:
                reached[HORIZON] = start
            return events, reached
        return [*events, *_parsed(lines)], reached

    def _read(self, start: int) -> tuple[list[str], int]:
        with self._database.shared_transaction() as connection:
            # The horizon first: what ends between the two statements is read again next time.
            horizon = connection.execute(
                text("SELECT CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT)")
            ).scalar_one()
            lines = connection.execute(text(READ), {"horizon": str(start)}).scalars().all()
        return list(lines), int(horizon)


class SharedStagedFiles(StagedFiles):
    """As StagedFiles; a merge takes the rows of the database too, exactly those that it saw."""

    def __init__(
        self, folder: Path, database: "PostgresDatabase", leases: Leases, merged: MergedEvents
    ) -> None:
        super().__init__(folder)
        self._database = database
        self._leases = leases
        self._merged = merged

    def claim(self, now: datetime) -> list[Claim]:
        """Mark every row that no merge has taken, and write each claim that this host lacks."""
        self._database.write(self._mark)
        held = self._merged.sources()
        with self._database.shared_transaction() as connection:
            claims = connection.execute(
                text(
                    "SELECT claim, bool_and(is_merged) FROM staged_events "
                    "WHERE claim IS NOT NULL GROUP BY claim ORDER BY claim"
                )
            ).all()
            for name, is_merged in claims:
                if not is_merged or _source(name) not in held:
                    self._write(name, self._lines(connection, name))
        return super().claim(now)

    def _claimed(self) -> list[Claim]:
        return [
            replace(claim, is_shared=_claim_of(claim.source) is not None)
            for claim in super()._claimed()
        ]

    def n_elsewhere(self) -> int:
        with self._database.shared_transaction() as connection:
            waiting = text("SELECT count(*) FROM staged_events WHERE NOT is_merged")
            return int(connection.execute(waiting).scalar_one())

    def remove(self, claims: list[Claim]) -> None:
        names = [name for claim in claims if (name := _claim_of(claim.source))]
        if names:
            self._database.write(
                lambda connection: connection.execute(
                    text("UPDATE staged_events SET is_merged = true WHERE claim = ANY(:names)"),
                    {"names": names},
                )
            )
        super().remove(claims)

    def _mark(self, connection: Any) -> None:
        self._leases.check(connection)
        connection.execute(text(CLAIM))

    def _lines(self, connection: Any, claim: str) -> list[str]:
        rows = connection.execute(
            text(
                "SELECT content FROM staged_events WHERE claim = :claim "
                "ORDER BY written_by, event_id"
            ),
            {"claim": claim},
        )
        return list(rows.scalars())

    def _write(self, claim: str, lines: list[str]) -> None:
        path = self._folder / f"{_source(claim)}{CLAIMED}"
        atomic_files.write_text(path, "".join(f"{line}\n" for line in lines))


PREFIX, SUFFIX = "database-", ".jsonl"


def _source(claim: str) -> str:
    return f"{PREFIX}{claim}{SUFFIX}"


def _claim_of(source: str) -> str | None:
    is_ours = source.startswith(PREFIX) and source.endswith(SUFFIX)
    return source.removeprefix(PREFIX).removesuffix(SUFFIX) if is_ours else None


def _parsed(lines: Sequence[str]) -> list[Event]:
    events = []
    for line in lines:
        try:
            events.append(Event.model_validate_json(line))
        except ValidationError as error:
            log.warning("a staged row is no event", error=str(error))
    return events
