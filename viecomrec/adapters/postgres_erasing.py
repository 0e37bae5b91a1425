"""Taking one person out of the shared database."""

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import text

from viecomrec.adapters.erasing import masked

if TYPE_CHECKING:
    from viecomrec.adapters.postgres import PostgresDatabase

TEXTS = (
    *(("pipeline_runs", column) for column in ("config", "result", "error_message")),
    *(("occurrences", column) for column in ("reason", "error")),
    *(("job_ends", column) for column in ("spec", "outcome")),
)

DELETE = """
DELETE FROM staged_events WHERE btrim(user_id) = :user AND (
    CAST(:until AS timestamptz) IS NULL
    OR CAST(CAST(content AS json) ->> 'at' AS timestamptz) <= :until
)
"""


def erase_staged(database: "PostgresDatabase", user: str, until: datetime | None = None) -> int:
    """Delete the events of a user (up to an instant), merged ones too; how many."""
    with database.shared_transaction() as connection:
        deleted = connection.execute(text(DELETE), {"user": user, "until": until})
        return deleted.rowcount


def erase_mentions(database: "PostgresDatabase", user: str) -> int:
    """Put `[erased]` where a text of the ledger names the user; how many texts."""
    changed = 0
    with database.transaction() as connection:
        for table, column in TEXTS:
            rows = connection.execute(
                # The names are this module's own.
                text(f"SELECT ctid, {column} FROM {table} WHERE strpos({column}, :user) > 0"),  # noqa: S608
                {"user": user},
            ).all()
            for place, before in rows:
                after = masked(before, user)
                if after != before:
                    connection.execute(
                        text(f"UPDATE {table} SET {column} = :after WHERE ctid = :place"),  # noqa: S608
                        {"after": after, "place": place},
                    )
                    changed += 1
    return changed
