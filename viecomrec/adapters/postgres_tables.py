"""The tables of the PostgreSQL database, and who may use them."""

from sqlalchemy import Connection, text

from viecomrec.adapters.database import GUIDE_TABLE, OWN_TABLES
from viecomrec.errors import LedgerError

SCHEMA_VERSION = 1
SETUP_LOCK = 0x76696563
"""Held to the end of the transaction that makes the tables: `IF NOT EXISTS` alone can race."""

SHARED_TABLES = (
    # One row: its lock is what BEGIN IMMEDIATE is to SQLite.
    """
CREATE TABLE IF NOT EXISTS viecomrec_schema (
    is_the_one BOOLEAN PRIMARY KEY DEFAULT true CHECK (is_the_one),
    version INTEGER NOT NULL
)
""",
    """
CREATE TABLE IF NOT EXISTS leases (
    name TEXT PRIMARY KEY,
    token TEXT,                      -- of the holder; null while free
    epoch BIGINT NOT NULL,           -- grows with every holder and never goes back
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    since TIMESTAMPTZ NOT NULL,      -- all instants are the server's
    renewed_at TIMESTAMPTZ NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    is_asked_to_stop BOOLEAN NOT NULL DEFAULT false
)
""",
    """
CREATE TABLE IF NOT EXISTS staged_events (
    event_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    content TEXT NOT NULL,           -- one event as a line of JSON
    written_by XID8 NOT NULL DEFAULT pg_current_xact_id(),
    claim TEXT,                      -- the merge that took it; null while it waits
    is_merged BOOLEAN NOT NULL DEFAULT false
)
""",
    "CREATE INDEX IF NOT EXISTS events_by_writer ON staged_events (written_by) WHERE NOT is_merged",
    "CREATE INDEX IF NOT EXISTS events_by_user ON staged_events (user_id)",
    "CREATE INDEX IF NOT EXISTS events_by_claim ON staged_events (claim)",
    """
CREATE TABLE IF NOT EXISTS job_ends (
    claim TEXT PRIMARY KEY,
    spec TEXT NOT NULL,              -- JSON: what was asked
    outcome TEXT NOT NULL            -- JSON: how it ended
)
""",
    """
CREATE TABLE IF NOT EXISTS service_workers (
    worker TEXT PRIMARY KEY,
    state TEXT NOT NULL,             -- JSON: replica, pid, model, traffic
    reported_at TIMESTAMPTZ NOT NULL
)
""",
    """
CREATE TABLE IF NOT EXISTS service_wish (
    is_the_one BOOLEAN PRIMARY KEY DEFAULT true CHECK (is_the_one),
    model_id TEXT NOT NULL
)
""",
)


def ensure_tables(connection: Connection, shown: str) -> None:
    """Make what is missing; LedgerError where a newer program has been here before."""
    if _version(connection, shown) == SCHEMA_VERSION:
        return
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SETUP_LOCK})
    for statement in (GUIDE_TABLE, *map(_by_bytes, OWN_TABLES), *SHARED_TABLES):
        connection.execute(text(statement))
    connection.execute(
        text("INSERT INTO viecomrec_schema (version) VALUES (:version) ON CONFLICT DO NOTHING"),
        {"version": SCHEMA_VERSION},
    )
    _version(connection, shown)


def _version(connection: Connection, shown: str) -> int | None:
    if connection.execute(text("SELECT to_regclass('viecomrec_schema')")).scalar_one() is None:
        return None
    version = connection.execute(text("SELECT version FROM viecomrec_schema")).scalar_one_or_none()
    if version is not None and version > SCHEMA_VERSION:
        raise LedgerError(
            f"The database {shown} was set up by a newer version of this program (schema "
            f"{version}, this one knows {SCHEMA_VERSION}). Update the program on this host, or "
            "point DATABASE_URL at another database."
        )
    return None if version is None else int(version)


def _by_bytes(statement: str) -> str:
    """Texts that are compared by their bytes: instants sort as texts under every locale."""
    return statement.replace(" TEXT", ' TEXT COLLATE "C"')
