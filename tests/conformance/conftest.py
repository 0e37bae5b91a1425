"""The same promises on both databases: the embedded file and a real PostgreSQL server."""

import pytest

from viecomrec.adapters.database import Database


@pytest.fixture(params=["sqlite", "postgresql"])
def open_database(request, tmp_path):
    """Opens the run database as another process would: each call has connections of its own."""
    opened = []
    if request.param == "sqlite":
        yield lambda: Database(tmp_path / "logs" / "pipeline_metrics.db")
        return
    url = request.getfixturevalue("postgres_url")
    from viecomrec.adapters.postgres import PostgresDatabase

    def open_one():
        opened.append(PostgresDatabase(url))
        return opened[-1]

    yield open_one
    for database in opened:
        database.close()
