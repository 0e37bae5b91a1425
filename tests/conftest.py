"""Fixtures that every room of the tests shares."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from postgres_server import Cluster

REPOSITORY = Path(__file__).resolve().parent.parent

# How long an example takes is the machine's matter, and what is green today is green tomorrow;
# `make properties` looks for new examples.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", settings.get_profile("project"), derandomize=True)
settings.load_profile("project" if os.environ.get("VIECOMREC_NEW_EXAMPLES") else "repeatable")


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data beside the checkout; a test that needs it is skipped with a word without it."""
    folder = Path(os.environ.get("VIECOMREC_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the real data sets are not at {folder}; set VIECOMREC_SHARED_DATA")
    return folder


@pytest.fixture(autouse=True)
def default_logging() -> None:
    """A door configures the log of its whole process; no test inherits that from another."""
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres_cluster() -> "Iterator[Cluster]":
    """One throw-away PostgreSQL server; skipped with a word where it is not installed."""
    from postgres_server import Cluster, binaries

    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql-15)")
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture
def postgres_url(postgres_cluster: "Cluster") -> str:
    """The address of an empty database of that server."""
    return postgres_cluster.new_database()
