"""Where the replicas of one service tell each other what is live, through the database."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Connection, text

from viecomrec.adapters.worker_board import WorkerBoard
from viecomrec.errors import LedgerError

if TYPE_CHECKING:
    from viecomrec.adapters.postgres import PostgresDatabase

log = structlog.get_logger()

REPORT_EVERY_SECONDS = 1.0
LOOK_EVERY_SECONDS = 0.5
SILENT_SECONDS = 10
"""A replica that was not heard of for this long is gone: nobody waits for it."""

REPORT = """
INSERT INTO service_workers (worker, state, reported_at) VALUES (:worker, :state, clock_timestamp())
ON CONFLICT (worker) DO UPDATE SET state = excluded.state, reported_at = clock_timestamp()
"""
OTHERS = """
SELECT state FROM service_workers WHERE worker <> :worker
AND reported_at > clock_timestamp() - make_interval(secs => :silent) ORDER BY worker
"""
WISH = """
INSERT INTO service_wish (model_id) VALUES (:model_id)
ON CONFLICT (is_the_one) DO UPDATE SET model_id = excluded.model_id
"""


class ReplicaBoard(WorkerBoard):
    """As WorkerBoard, for the workers of every replica of this installation.

    What the others said is remembered between two looks; while the database is away the last
    look counts, and answers go on.
    """

    def __init__(self, folder: Path, database: "PostgresDatabase", replica: str) -> None:
        super().__init__(folder)
        self._database = database
        self.replica = replica
        self._worker = f"{replica} {self.pid} {folder.name}"
        self._others: list[dict[str, Any]] = []
        self._wish: str | None = None
        self._has_announced = False
        self._said: dict[str, Any] = {}
        self._report_at = self._look_at = 0.0
        self._is_away = False

    def announce(self, model_id: str) -> None:
        """Say which model all replicas should load; LedgerError where it cannot be told."""
        with self._database.shared_transaction() as connection:
            connection.execute(text(WISH), {"model_id": model_id})
        self._wish, self._has_announced = model_id, True

    def announced(self) -> str | None:
        """What was announced while any replica lives that heard it."""
        if not self._said:
            self._look()
        return self._wish if self._has_announced or self._others else None

    def report(self, state: dict[str, Any]) -> None:
        has_changed = _telling(state) != _telling(self._said)
        if has_changed or time.monotonic() >= self._report_at:
            self._report_at = time.monotonic() + REPORT_EVERY_SECONDS
            self._said = state
            self._look(state)
        elif time.monotonic() >= self._look_at:
            self._look()

    def others(self) -> list[dict[str, Any]]:
        return self._others

    def leave(self) -> None:
        try:
            with self._database.shared_transaction() as connection:
                connection.execute(
                    text("DELETE FROM service_workers WHERE worker = :worker"),
                    {"worker": self._worker},
                )
        except LedgerError as error:  # it is forgotten by its silence
            log.warning("the other replicas were not told", error=str(error))

    def _look(self, content: dict[str, Any] | None = None) -> None:
        self._look_at = time.monotonic() + LOOK_EVERY_SECONDS
        try:
            with self._database.shared_transaction() as connection:
                self._exchange(connection, content)
        except LedgerError as error:
            if not self._is_away:
                log.warning("the other replicas cannot be asked", error=str(error))
            self._is_away = True
        else:
            self._is_away = False

    def _exchange(self, connection: Connection, content: dict[str, Any] | None) -> None:
        if content is not None:
            values = {"worker": self._worker, "state": json.dumps(content)}
            connection.execute(text(REPORT), values)
        others = connection.execute(
            text(OTHERS), {"worker": self._worker, "silent": SILENT_SECONDS}
        ).scalars()
        self._others = [json.loads(state) for state in others]
        self._wish = connection.execute(
            text("SELECT model_id FROM service_wish")
        ).scalar_one_or_none()


def _telling(state: dict[str, Any]) -> tuple[Any, ...]:
    """What the others must hear of at once."""
    return tuple(state.get(name) for name in ("model_id", "snapshot_version", "status"))
