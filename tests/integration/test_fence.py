"""What a process may publish that shares its installation with other hosts, and what doors say."""

import time
from dataclasses import replace

import doors
import pytest
from installation import NEW_MODEL, OLD_MODEL, write_installation, write_snapshot
from pydantic import SecretStr

from viecomrec.adapters.leases import Leases
from viecomrec.adapters.postgres import PostgresDatabase
from viecomrec.errors import DatabaseAwayError, LeaseLostError

PATIENCE = 60


@pytest.fixture
def alone(tmp_path):
    installation = write_installation(tmp_path / "shop")
    installation.installation_id.ensure()
    return installation


@pytest.fixture
def shared(alone, postgres_url):
    """The installation as one of several hosts; its database is not waited for."""
    numbers = alone.settings.database.model_copy(
        update={"lease_seconds": 1.0, "patience_seconds": 0.0}
    )
    changes = {"database_url": SecretStr(postgres_url), "database": numbers, "host_id": "a"}
    shared = replace(alone, settings=alone.settings.model_copy(update=changes))
    yield shared
    shared.leases.close()
    shared.postgres.close()


def lose(installation, url, name):
    """Another host takes the lock over, as if this process had been stopped for a while."""
    installation.leases._ensure_renewer = lambda: None
    lock = installation.lock(name)
    assert lock.acquire()
    rival = Leases(PostgresDatabase(url, PATIENCE), 60, "b")
    deadline = time.monotonic() + PATIENCE
    while rival.acquire(name) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    rival.close()
    rival.database.close()
    return lock


def state_of(installation):
    """Every file that says what is in force."""
    paths = installation.paths
    files = (paths.registry_file, paths.snapshot_pointer, paths.embeddings_pointer)
    return [file.read_bytes() for file in files]


def test_whoever_lost_its_lease_publishes_neither_snapshot_nor_registry(shared, postgres_url):
    before = state_of(shared)
    lock = lose(shared, postgres_url, "data_refresh")
    with pytest.raises(LeaseLostError, match="another host has taken over"):
        write_snapshot(shared, n_extra_products=1)
    with pytest.raises(LeaseLostError):
        shared.registry.update(lambda registry: registry.desire(OLD_MODEL))
    assert state_of(shared) == before
    lock.release()
    write_snapshot(shared, n_extra_products=1)  # it holds nothing that could be lost
    assert state_of(shared) != before


def test_a_database_that_goes_away_in_a_publish_leaves_the_old_in_force(shared, postgres_cluster):
    with shared.lock("data_refresh") as held:
        assert held.acquired
        before = state_of(shared)
        postgres_cluster.stop()
        try:
            with pytest.raises(DatabaseAwayError, match="Start the server"):
                write_snapshot(shared, n_extra_products=1)
            with pytest.raises(DatabaseAwayError):
                shared.registry.update(lambda registry: registry.desire(OLD_MODEL))
            assert state_of(shared) == before
        finally:
            postgres_cluster.start()
        write_snapshot(shared, n_extra_products=1)
        assert state_of(shared) != before
    assert shared.registry.read().desired == NEW_MODEL


def test_health_doctor_and_backup_say_where_runs_are_kept(alone, postgres_cluster, tmp_path):
    url = postgres_cluster.new_database()
    name = url.rsplit("/", 1)[1]
    root = alone.paths.root
    health = doors.run("health_check", "--json", project=root, DATABASE_URL=url)
    checks = health.result["components"]["pipelines"]["checks"]
    database = next(check for check in checks if check["name"] == "database")
    assert (database["status"], name in database["looked_at"]) == ("healthy", True)

    page = doors.run("doctor", "--json", project=root, DATABASE_URL=url).result
    assert page["database"].startswith(f"{name} on 127.0.0.1")

    archive = tmp_path / "shop.tar.gz"
    saved = doors.run("backup", str(archive), project=root, DATABASE_URL=url)
    assert "pg_dump" in saved.result["not_held"]
    assert not (root / "logs" / "pipeline_metrics.db").exists()
    assert doors.run("doctor", "--json", project=root).result["database"] == "files of this machine"
