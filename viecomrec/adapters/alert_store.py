"""Open incidents and undelivered messages in SQLite: a restart or a dead network loses none."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from viecomrec.domain.alerts import Incident, Message
from viecomrec.errors import AlertError

log = structlog.get_logger()

SCHEMA_VERSION = 1
BUSY_TIMEOUT_SECONDS = 30.0
TABLES = (
    "CREATE TABLE IF NOT EXISTS incidents (key TEXT PRIMARY KEY, content TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        channel TEXT NOT NULL,
        key TEXT NOT NULL,
        is_reminder INTEGER NOT NULL,
        content TEXT NOT NULL,
        queued_at_utc TEXT NOT NULL,
        due_at_utc TEXT NOT NULL,
        n_failed INTEGER NOT NULL DEFAULT 0,
        delivered_at_utc TEXT
    )""",
)


@dataclass(frozen=True)
class Delivery:
    """A message that this process has claimed for one channel."""

    outbox_id: int
    channel: str
    message: Message
    n_failed: int


class AlertStore:
    """One SQLite file with the rollback journal; a damaged one is set aside and said."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def exists(self) -> bool:
        """Whether anything was ever alerted here."""
        return self._file.exists()

    def change_incident(
        self,
        key: str,
        change: Callable[[Incident | None], tuple[Incident | None, Message | None]],
        channels: Callable[[Message], Sequence[str]],
        at: datetime,
    ) -> Message | None:
        """Apply a decision and queue its message in one transaction: both happen or neither."""
        with self._transaction() as connection:
            row = connection.execute(
                "SELECT content FROM incidents WHERE key = ?", [key]
            ).fetchone()
            before = Incident.model_validate_json(row[0]) if row else None
            after, message = change(before)
            if after is None:
                connection.execute("DELETE FROM incidents WHERE key = ?", [key])
            else:
                connection.execute(
                    "INSERT OR REPLACE INTO incidents (key, content) VALUES (?, ?)",
                    [key, after.model_dump_json()],
                )
            if message is not None:
                for channel in channels(message):
                    _queue(connection, channel, message, at)
        return message

    def open_incidents(self) -> list[Incident]:
        with self._transaction() as connection:
            rows = connection.execute("SELECT content FROM incidents ORDER BY key").fetchall()
        return [Incident.model_validate_json(row[0]) for row in rows]

    def undelivered(self) -> int:
        with self._transaction() as connection:
            query = "SELECT count(*) FROM outbox WHERE delivered_at_utc IS NULL"
            return int(connection.execute(query).fetchone()[0])

    def claim_due(self, at: datetime, hold: timedelta) -> Delivery | None:
        """Claim the oldest due message; no other process gets it during `hold`.

        Of one incident only the oldest message to a channel is ever due: they arrive in order.
        """
        with self._transaction() as connection:
            row = connection.execute(
                "SELECT id, channel, content, n_failed FROM outbox WHERE id IN "
                "(SELECT min(id) FROM outbox WHERE delivered_at_utc IS NULL GROUP BY channel, key) "
                "AND due_at_utc <= ? ORDER BY id LIMIT 1",
                [_utc(at)],
            ).fetchone()
            if row is None:
                return None
            connection.execute(
                "UPDATE outbox SET due_at_utc = ? WHERE id = ?", [_utc(at + hold), row[0]]
            )
        return Delivery(row[0], row[1], Message.model_validate_json(row[2]), row[3])

    def mark_delivered(self, delivery: Delivery, at: datetime) -> None:
        with self._transaction() as connection:
            connection.execute(
                "UPDATE outbox SET delivered_at_utc = ? WHERE id = ?",
                [_utc(at), delivery.outbox_id],
            )

    def mark_failed(self, delivery: Delivery, due_at: datetime) -> None:
        with self._transaction() as connection:
            connection.execute(
                "UPDATE outbox SET n_failed = n_failed + 1, due_at_utc = ? WHERE id = ?",
                [_utc(due_at), delivery.outbox_id],
            )

    def give_up(self, delivery: Delivery, max_failures: int) -> bool:
        """Drop a message that fails while the channel accepts others: it is refused for good."""
        if delivery.n_failed + 1 < max_failures:
            return False
        with self._transaction() as connection:
            dropped = connection.execute(
                "DELETE FROM outbox WHERE id = ? AND EXISTS (SELECT 1 FROM outbox AS other "
                "WHERE other.channel = outbox.channel "
                "AND other.delivered_at_utc >= outbox.queued_at_utc)",
                [delivery.outbox_id],
            )
        return dropped.rowcount == 1

    def forget(self, before: datetime) -> int:
        """Drop what was delivered before an instant, and what waited since then in vain."""
        with self._transaction() as connection:
            gone = connection.execute(
                "DELETE FROM outbox WHERE queued_at_utc < ? AND delivered_at_utc IS NULL",
                [_utc(before)],
            ).rowcount
            connection.execute("DELETE FROM outbox WHERE delivered_at_utc < ?", [_utc(before)])
        return gone

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._open()) as connection, connection:
                yield connection
        except sqlite3.Error as error:
            raise AlertError(f"{self._file} cannot be used: {error}") from error
        except OSError as error:
            raise AlertError(f"{self._file} cannot be used: {error}") from error

    def _open(self) -> sqlite3.Connection:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _connect(self._file)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            aside = self._file.with_name(f"{self._file.name}.damaged")
            self._file.replace(aside)
            log.exception("alert store damaged, set aside", file=str(aside), error=str(error))
            return _connect(self._file)


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        _ensure_tables(connection, file)
    except BaseException:
        connection.close()
        raise
    return connection


def _ensure_tables(connection: sqlite3.Connection, file: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise AlertError(
            f"{file} was written by a newer program (schema {version}, this one knows "
            f"{SCHEMA_VERSION}). Update the program, or move the file away to start anew."
        )
    if version < SCHEMA_VERSION:
        for statement in TABLES:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _queue(connection: sqlite3.Connection, channel: str, message: Message, at: datetime) -> None:
    content, now = message.model_dump_json(), _utc(at)
    if message.is_reminder:
        # Six hours without a network are one reminder, not six.
        waiting = connection.execute(
            "UPDATE outbox SET content = ? WHERE channel = ? AND key = ? AND is_reminder = 1 "
            "AND delivered_at_utc IS NULL",
            [content, channel, message.key],
        )
        if waiting.rowcount:
            return
    connection.execute(
        "INSERT INTO outbox (channel, key, is_reminder, content, queued_at_utc, due_at_utc) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        [channel, message.key, int(message.is_reminder), content, now, now],
    )


def _utc(at: datetime) -> str:
    """Fixed width, so that the order of text is the order of time."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")
