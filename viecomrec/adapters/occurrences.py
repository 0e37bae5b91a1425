"""The ledger of nominal times: one row for each job and instant, whatever became of it."""

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from pydantic import ValidationError
from sqlalchemy import Connection, RowMapping, text

from viecomrec.adapters.database import RunDatabase, database_at
from viecomrec.domain.occurrences import OccurrenceRecord, State
from viecomrec.domain.scheduling import History, Mark, Plan

log = structlog.get_logger()

COLUMNS = tuple(OccurrenceRecord.model_fields)
LOOK_BACK = timedelta(days=4)
"""Upstream rows of a nominal day are at most this much older than the time that asks for them."""


class OccurrenceStore:
    """The tables `occurrences` and `job_marks` of the ledger."""

    def __init__(
        self,
        database: Path | RunDatabase,
        guard: Callable[[Connection], None] = lambda _: None,
    ) -> None:
        self._database = database_at(database)
        self._guard = guard
        """Called first in every transaction that writes: raises where this process may not."""

    def decide(
        self,
        planner: Callable[[History], Plan],
        now: datetime,
        remembered: Mapping[str, Mark],
    ) -> tuple[list[OccurrenceRecord], dict[str, Mark]]:
        """Read the history, let `planner` decide, and write it, all in one transaction.

        Marks in `remembered` stand in for those of a file that was deleted meanwhile. Returns
        the new rows, runs with a fresh claim, and all marks.
        """
        with self._database.transaction() as connection:
            self._guard(connection)
            marks = {**remembered, **_read_marks(connection)}
            plan = planner(History(marks, _read_history(connection, marks, now)))
            if plan.retracts_future:
                _delete_undone_future(connection, now)
            rows = [_with_claim(row) for row in plan.rows]
            for row in rows:
                _insert(connection, row)
            _write_marks(connection, plan.marks)
        return rows, dict(plan.marks)

    def claim(self, row: OccurrenceRecord) -> OccurrenceRecord | None:
        """Write a running row with a fresh claim; None if the job's time has a row already."""
        with self._database.transaction() as connection:
            self._guard(connection)
            if _find(connection, row.job, row.nominal_utc) is not None:
                return None
            claimed = _with_claim(row)
            _insert(connection, claimed)
        return claimed

    def change(
        self,
        job: str,
        nominal_utc: datetime,
        change: Callable[[OccurrenceRecord | None], OccurrenceRecord | None],
    ) -> OccurrenceRecord | None:
        """Replace one row by what `change` makes of it, in one transaction; None leaves it."""
        with self._database.transaction() as connection:
            self._guard(connection)
            changed = change(_find(connection, job, nominal_utc))
            if changed is not None:
                _insert(connection, changed)
        return changed

    def find(self, job: str, nominal_utc: datetime) -> OccurrenceRecord | None:
        with self._database.transaction() as connection:
            return _find(connection, job, nominal_utc)

    def running(self) -> list[OccurrenceRecord]:
        return self._select("WHERE state = 'running' ORDER BY nominal_utc", {})

    def latest_results(self) -> list[OccurrenceRecord]:
        """The run of each job that ended last, by job."""
        return self._select(
            "WHERE (job, nominal_utc) IN (SELECT job, nominal_utc FROM (SELECT job, nominal_utc, "
            "row_number() OVER (PARTITION BY job ORDER BY ended_at_utc DESC, nominal_utc DESC) "
            "AS place FROM occurrences WHERE state = 'ran') AS ended WHERE place = 1) ORDER BY job",
            {},
        )

    def recent(
        self, job: str | None = None, since: datetime | None = None, limit: int = 50
    ) -> list[OccurrenceRecord]:
        """The latest rows, newest first, of one job or of all."""
        return self._select(
            "WHERE (CAST(:job AS TEXT) IS NULL OR job = :job) "
            "AND (CAST(:since AS TEXT) IS NULL OR nominal_utc >= :since) "
            "ORDER BY nominal_utc DESC, job LIMIT :limit",
            {"job": job, "since": None if since is None else to_text(since), "limit": limit},
        )

    def _select(self, condition: str, values: Mapping[str, Any]) -> list[OccurrenceRecord]:
        with self._database.transaction() as connection:
            return _select(connection, condition, values)


def new_claim() -> str:
    return secrets.token_hex(8)


def to_text(at: datetime) -> str:
    """An instant as the tables keep it, so that the order of texts is that of time."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _with_claim(row: OccurrenceRecord) -> OccurrenceRecord:
    if row.state is not State.RUNNING:
        return row
    return row.model_copy(update={"claim": new_claim()})


def _select(
    connection: Connection, condition: str, values: Mapping[str, Any]
) -> list[OccurrenceRecord]:
    # The condition is one of this module's own texts; values are bound.
    rows = connection.execute(text(f"SELECT * FROM occurrences {condition}"), values)  # noqa: S608
    return [record for row in rows.mappings() if (record := _record(row)) is not None]


def _record(row: RowMapping) -> OccurrenceRecord | None:
    """The row, or None with a warning for one that another program or hand made unreadable."""
    try:
        return OccurrenceRecord.model_validate(dict(row))
    except ValidationError as error:
        problem = error.errors()[0]
        log.warning(
            "a row of the ledger cannot be read and is left out",
            job=row["job"],
            nominal=row["nominal_utc"],
            column=problem["loc"],
            problem=problem["msg"],
        )
        return None


def _find(connection: Connection, job: str, nominal_utc: datetime) -> OccurrenceRecord | None:
    condition = "WHERE job = :job AND nominal_utc = :nominal"
    found = _select(connection, condition, {"job": job, "nominal": to_text(nominal_utc)})
    return found[0] if found else None


def _insert(connection: Connection, row: OccurrenceRecord) -> None:
    names = ", ".join(COLUMNS)
    places = ", ".join(f":{name}" for name in COLUMNS)
    content = row.model_dump()
    for name, value in content.items():
        if isinstance(value, datetime):
            content[name] = to_text(value)
    content["nominal_day"] = row.nominal_day.isoformat()
    content["state"], content["cause"] = row.state.value, row.cause.value
    changes = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS)
    connection.execute(
        text(
            f"INSERT INTO occurrences ({names}) VALUES ({places}) "  # noqa: S608
            f"ON CONFLICT (job, nominal_utc) DO UPDATE SET {changes}"
        ),
        content,
    )


def _read_history(
    connection: Connection, marks: Mapping[str, Mark], now: datetime
) -> dict[tuple[str, datetime], OccurrenceRecord]:
    oldest = min([now, *(mark.decided_until for mark in marks.values())])
    rows = _select(
        connection,
        "WHERE nominal_utc >= :since OR state = 'running' OR (cause = 'first_start' AND "
        "nominal_utc = (SELECT max(nominal_utc) FROM occurrences WHERE cause = 'first_start'))",
        {"since": to_text(oldest - LOOK_BACK)},
    )
    return {(row.job, row.nominal_utc): row for row in rows}


def _delete_undone_future(connection: Connection, now: datetime) -> None:
    connection.execute(
        text("DELETE FROM occurrences WHERE nominal_utc > :now AND state IN ('skipped', 'missed')"),
        {"now": to_text(now)},
    )


def _read_marks(connection: Connection) -> dict[str, Mark]:
    rows = connection.execute(text("SELECT job, fingerprint, decided_until_utc FROM job_marks"))
    return {job: Mark(meaning, datetime.fromisoformat(until)) for job, meaning, until in rows}


def _write_marks(connection: Connection, marks: Mapping[str, Mark]) -> None:
    """Replace all marks, so that a job that left the configuration counts anew if it returns."""
    connection.execute(text("DELETE FROM job_marks"))
    for job, mark in marks.items():
        connection.execute(
            text("INSERT INTO job_marks VALUES (:job, :fingerprint, :until)"),
            {
                "job": job,
                "fingerprint": mark.fingerprint,
                "until": to_text(mark.decided_until),
            },
        )
