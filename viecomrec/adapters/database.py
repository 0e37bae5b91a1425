"""The SQLite file of the ledger: its tables, its transactions, and what to do when it fails."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from viecomrec.errors import LedgerError

T = TypeVar("T")

SCHEMA_VERSION = 1
BUSY_TIMEOUT_SECONDS = 30.0

GUIDE_TABLE = """
CREATE TABLE IF NOT EXISTS pipeline_runs (
    run_id TEXT PRIMARY KEY,
    pipeline_name TEXT NOT NULL,
    start_time TIMESTAMP,
    end_time TIMESTAMP,
    status TEXT DEFAULT 'running',
    config TEXT,       -- JSON
    result TEXT,       -- JSON
    error_message TEXT
)
"""

# Instants are ISO 8601 in UTC with six digits of a second, so that their order is that of text.
OWN_TABLES = (
    """
CREATE TABLE IF NOT EXISTS run_details (
    run_id TEXT PRIMARY KEY,
    started_at_utc TEXT NOT NULL,
    ended_at_utc TEXT,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL
)
""",
    """
CREATE TABLE IF NOT EXISTS occurrences (
    job TEXT NOT NULL,
    nominal_utc TEXT NOT NULL,
    nominal_day TEXT NOT NULL,   -- the local day that the time belongs to
    state TEXT NOT NULL,         -- running, ran, skipped, missed
    cause TEXT NOT NULL,         -- schedule, catch_up, first_start, hand, external
    reason TEXT,                 -- why it was skipped or missed
    attempt INTEGER NOT NULL DEFAULT 1,
    claim TEXT,                  -- the token of the run that may record the result
    decided_at_utc TEXT NOT NULL,
    started_at_utc TEXT,
    ended_at_utc TEXT,
    retry_at_utc TEXT,
    exit_code INTEGER,
    error TEXT,
    log_file TEXT,
    PRIMARY KEY (job, nominal_utc)
)
""",
    """
CREATE TABLE IF NOT EXISTS job_marks (
    job TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,   -- the expression and zone that the mark holds for
    decided_until_utc TEXT NOT NULL
)
""",
    "CREATE INDEX IF NOT EXISTS runs_by_start ON run_details (started_at_utc)",
    "CREATE INDEX IF NOT EXISTS occurrences_by_state ON occurrences (state, job)",
)


class RunDatabase(Protocol):
    """Where runs and occurrences are kept: SQLite, or PostgreSQL for several hosts."""

    def transaction(self) -> AbstractContextManager[Connection]:
        """A transaction beside which no other one of the ledger runs; LedgerError."""

    def write(self, work: Callable[[Connection], T]) -> T:
        """`work` in one transaction; it must do no harm twice, since a lost reply repeats it."""


def database_at(where: "Path | RunDatabase") -> "RunDatabase":
    """The SQLite database of a file, or the database itself."""
    return Database(where) if isinstance(where, Path) else where


class Database:
    """One SQLite file with the rollback journal; every transaction is a connection of its own.

    A connection that outlived its transaction would keep writing into a deleted file, and the
    guide's recovery step deletes it. The WAL of SQLite before 3.51.3 can corrupt, so it is off.
    """

    def __init__(self, file: Path, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS) -> None:
        self._file = file
        self._engine = create_engine(
            "sqlite://", creator=lambda: _connect(file, busy_timeout_seconds), poolclass=NullPool
        )
        event.listen(self._engine, "begin", _begin_immediately)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its first moment, tables in place.

        `BEGIN` upgraded later to a write fails at once under contention; `BEGIN IMMEDIATE`
        waits its turn. Raises LedgerError with the remedy.
        """
        try:
            with self._engine.begin() as connection:
                _ensure_tables(connection, self._file)
                yield connection
        except SQLAlchemyError as error:
            raise LedgerError(explain(self._file, error)) from error

    def write(self, work: Callable[[Connection], T]) -> T:
        with self.transaction() as connection:
            return work(connection)


def _connect(file: Path, busy_timeout_seconds: float) -> sqlite3.Connection:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerError(f"The folder of {file} cannot be created: {error}") from error
    # isolation_level=None: transactions begin where this module says, not where the driver guesses.
    return sqlite3.connect(file, timeout=busy_timeout_seconds, isolation_level=None)


def _begin_immediately(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _ensure_tables(connection: Connection, file: Path) -> None:
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if version == SCHEMA_VERSION:
        return
    if version > SCHEMA_VERSION:
        raise LedgerError(
            f"{file} was written by a newer version of this program (schema {version}, this one "
            f"knows {SCHEMA_VERSION}). Update the program, or move the file away to start anew."
        )
    for statement in (GUIDE_TABLE, *OWN_TABLES):
        connection.execute(text(statement))
    connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")


def explain(file: Path, error: Exception) -> str:
    """Say in one sentence what is wrong with the file and what to do about it."""
    cause: Any = error.orig if isinstance(error, DBAPIError) else error
    reason = str(cause)
    remedies = {
        "locked": "Another process holds it; find it with a tool such as lsof and try again.",
        "not a database": "It is damaged: move it away; a new one is made at the next run.",
        "malformed": "It is damaged: move it away; a new one is made at the next run.",
        "readonly": "Make the file and its folder writable for this user.",
        "unable to open": "Make the folder writable and check that the path is a file.",
        "full": "Free some disk space; python -m automation.cleanup helps.",
        "no such table": "It is damaged: move it away; a new one is made at the next run.",
    }
    for sign, remedy in remedies.items():
        if sign in reason:
            return f"The run database {file} cannot be used: {reason}. {remedy}"
    return f"The run database {file} cannot be used: {reason}."
