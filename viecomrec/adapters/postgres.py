"""The PostgreSQL database that several hosts share: connections, transactions, and its absence."""

import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import structlog
from sqlalchemy import URL, Connection, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from viecomrec.adapters.postgres_tables import ensure_tables
from viecomrec.errors import ConfigurationError, DatabaseAwayError, LedgerError

T = TypeVar("T")

log = structlog.get_logger()

POOL_SIZE = 2
MAX_OVERFLOW = 6
CONNECT_SECONDS = 5
RETRY_SECONDS = 0.5

SERVER_SETTINGS = {
    # A client that is stopped or unplugged in the middle of a transaction blocks nobody for long.
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "30s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "2",
}
CLIENT_SETTINGS = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
    "application_name": "viecomrec",
}

REFUSALS = {
    "password authentication failed": "Check the user and the password in DATABASE_URL.",
    "no password supplied": "Put the password into DATABASE_URL, or into the file ~/.pgpass.",
    "no pg_hba.conf entry": "Allow this host and user in the server's pg_hba.conf.",
    "does not exist": "Create it (createuser, createdb), or correct DATABASE_URL.",
    "permission denied": "Grant this user the right to create and change tables there.",
    "no schema has been selected": (
        "Create the schema that the search_path names, and grant this user the right to create "
        "tables there (GRANT USAGE, CREATE ON SCHEMA ... TO ...)."
    ),
    "lock timeout": "Another process holds it; look into pg_stat_activity and try again.",
    "too many clients": "Raise max_connections of the server, or run fewer processes.",
    "invalid connection option": "Correct the part after the ? in DATABASE_URL.",
    "disk full": "Free some disk space on the database server.",
    "No space left": "Free some disk space on the database server.",
    "could not translate host name": "Correct the host in DATABASE_URL.",
    "not known": "Correct the host in DATABASE_URL.",
    "failed to resolve host": "Correct the host in DATABASE_URL.",
}
AWAY = "Start the server, or correct host and port in DATABASE_URL."
PASSING_STATES = ("08", "57P", "25P03", "53300", "40")
"""SQLSTATE: connection lost, shut down or starting, left idle, too many clients, undone."""


class PostgresDatabase:
    """One database; its processes may run on many hosts.

    While the server does not answer, a transaction is begun again and again for
    `patience_seconds`, then DatabaseAwayError is raised; `first_patience_seconds` is for the
    very first time, when a wrong address is likelier than an outage. No message holds the
    password.
    """

    def __init__(
        self, url: str, patience_seconds: float = 0.0, first_patience_seconds: float = 0.0
    ) -> None:
        self._url = read_url(url)
        self.shown = shown(self._url)
        self._patience_seconds = patience_seconds
        self._first_patience_seconds = first_patience_seconds
        self._is_known = False
        self._engine = create_engine(
            _with_server_settings(self._url),
            pool_size=POOL_SIZE,
            max_overflow=MAX_OVERFLOW,
            pool_pre_ping=True,
            connect_args={
                name: value
                for name, value in CLIENT_SETTINGS.items()
                if name not in self._url.query
            },
        )
        weakref.finalize(self, self._engine.dispose)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction of the ledger: as with BEGIN IMMEDIATE of SQLite there is one at a time."""
        with self.shared_transaction() as connection:
            connection.execute(text("SELECT version FROM viecomrec_schema FOR UPDATE"))
            yield connection

    @contextmanager
    def shared_transaction(self, *, is_patient: bool = True) -> Iterator[Connection]:
        """A transaction beside which others run; tables in place. LedgerError, DatabaseAwayError.

        Waits for a server that does not answer only before anything was asked of it.
        """
        try:
            with self._connect(is_patient=is_patient) as connection, connection.begin():
                yield connection
        except SQLAlchemyError as error:
            raise self._explained(error) from None

    def write(self, work: Callable[[Connection], T]) -> T:
        """`work` in a transaction of the ledger, repeated where the server goes away in it."""
        started_at = time.monotonic()
        while True:
            try:
                with self.transaction() as connection:
                    return work(connection)
            except DatabaseAwayError:
                # Asked now: a server that answered once is waited for, an address that never
                # answered is probably wrong.
                if time.monotonic() >= started_at + self._patience:
                    raise
                time.sleep(RETRY_SECONDS)

    def close(self) -> None:
        """Close every connection of this process."""
        self._engine.dispose()

    def ping(self) -> str:
        """The version of the server; LedgerError or DatabaseAwayError where it does not answer."""
        with self.shared_transaction() as connection:
            return str(connection.execute(text("SHOW server_version")).scalar_one())

    def clock(self) -> datetime:
        """The time by the server's clock, in UTC. Raises as `ping`, but waits for nobody."""
        with self.shared_transaction(is_patient=False) as connection:
            server: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        return server.astimezone(UTC)

    @property
    def _patience(self) -> float:
        return self._patience_seconds if self._is_known else self._first_patience_seconds

    def _connect(self, *, is_patient: bool) -> Connection:
        patience = self._patience if is_patient else 0.0
        deadline = time.monotonic() + patience
        waiting = False
        while True:
            try:
                return self._connect_once()
            except SQLAlchemyError as error:
                explained = self._explained(error)
                if not isinstance(explained, DatabaseAwayError) or time.monotonic() >= deadline:
                    raise explained from None
            if not waiting:
                log.warning("waiting for the database", database=self.shown, seconds=patience)
                waiting = True
            time.sleep(RETRY_SECONDS)

    def _connect_once(self) -> Connection:
        connection = self._engine.connect()
        if self._is_known:
            return connection
        try:
            with connection.begin():
                ensure_tables(connection, self.shown)
        except BaseException:
            connection.close()
            raise
        self._is_known = True
        return connection

    def _explained(self, error: SQLAlchemyError) -> LedgerError:
        cause: Any = error.orig if isinstance(error, DBAPIError) else error
        reason = " ".join(str(cause).partition("\nLINE ")[0].split())
        for secret in (self._url.password, self._url.query.get("password")):
            reason = reason.replace(str(secret), "***") if secret else reason
        beginning = f"The database {self.shown} cannot be used: {reason}"
        remedy = next((remedy for sign, remedy in REFUSALS.items() if sign in reason), None)
        if remedy is not None:
            return LedgerError(f"{beginning}. {remedy}")
        if _is_passing(error, cause):
            return DatabaseAwayError(f"{beginning}. {AWAY}")
        if (getattr(cause, "sqlstate", None) or "") == "42P01":
            self._is_known = False  # somebody dropped the tables: they are made again next time
        return LedgerError(f"{beginning}.")


def _is_passing(error: SQLAlchemyError, cause: Any) -> bool:
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        return str(state).startswith(PASSING_STATES)
    is_invalidated = isinstance(error, DBAPIError) and error.connection_invalidated
    return is_invalidated or type(cause).__name__ in {"OperationalError", "ConnectionTimeout"}


def read_url(url: str) -> URL:
    """The address in the form that the driver wants; ConfigurationError never shows it."""
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError):
        parsed, backend = None, ""
    if parsed is None or backend not in {"postgresql", "postgres"} or not parsed.database:
        raise ConfigurationError(
            "DATABASE_URL is not an address such as postgresql://user:password@host:5432/name. "
            "Correct it, or unset it to keep runs and events in files of this machine."
        )
    try:
        import psycopg  # noqa: F401 - asked for whether it is there
    except ImportError as error:
        raise ConfigurationError(
            "DATABASE_URL asks for PostgreSQL, and its driver is not installed. Run: "
            "python -m pip install 'viecomrec[postgres]'"
        ) from error
    return parsed.set(drivername="postgresql+psycopg")


def shown(url: URL) -> str:
    """Host and name, for messages: no user, no password, no options."""
    port = f":{url.port}" if url.port else ""
    return f"{url.database} on {url.host or url.query.get('host') or 'this machine'}{port}"


def _with_server_settings(url: URL) -> URL:
    """The server's own settings of each session, beside those that the address names."""
    ours = " ".join(f"-c {name}={value}" for name, value in SERVER_SETTINGS.items())
    named = url.query.get("options", "")
    return url.update_query_dict({"options": f"{ours} {named}".strip()})
