"""Leases on a real PostgreSQL server: taken, lost, noticed."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from waiting import wait_for

from viecomrec.adapters.leased_locks import LeasedPipelineLock
from viecomrec.adapters.leases import Leases
from viecomrec.adapters.ledger import Ledger
from viecomrec.adapters.postgres import PostgresDatabase
from viecomrec.domain.runs import RunState
from viecomrec.errors import LeaseLostError, LedgerError

SHORT, LONG = 1.0, 60.0
PATIENCE = 60


@pytest.fixture
def host(postgres_url):
    """Leases of one host; every call is another host."""
    opened, leases = [], []

    def open_host(name, seconds=LONG, patience=PATIENCE):
        opened.append(PostgresDatabase(postgres_url, patience_seconds=patience))
        leases.append(Leases(opened[-1], seconds, name))
        return leases[-1]

    yield open_host
    for one in leases:
        one.close()
    for database in opened:
        database.close()


def silent(leases):
    """As if the process were stopped: it holds, and renews no more."""
    leases._ensure_renewer = lambda: None
    return leases


def renewed_at(leases):
    with leases.database.transaction() as connection:
        return connection.execute(text("SELECT renewed_at FROM leases")).scalar_one()


def lengthen(connection):
    """So that nothing here depends on how quick this machine is."""
    connection.execute(text("UPDATE leases SET seconds = 60"))


def test_one_of_two_hosts_gets_a_lease_and_the_other_sees_whose_it_is(host):
    first, second = host("a"), host("b")
    lease = first.acquire("data_refresh")
    assert second.acquire("data_refresh") is None
    assert second.holder("data_refresh").host == "a"
    first.release(lease)
    assert second.acquire("data_refresh").epoch == lease.epoch + 1


def test_a_renewed_lease_outlives_its_time(host):
    seconds = 6 * SHORT  # long enough that a machine that stalls does not let it expire
    holder = host("a", seconds)
    lease = holder.acquire("data_refresh")
    at_first = renewed_at(holder)
    wait_for(lambda: renewed_at(holder) - at_first > timedelta(seconds=seconds))
    holder.check()
    assert (holder.holder("data_refresh").epoch, lease.is_lost) == (1, False)


def test_a_silent_holder_is_replaced_and_notices_before_it_writes(host):
    stopped, rival = silent(host("a", SHORT)), host("b")
    lease = stopped.acquire("data_refresh")
    wait_for(lambda: rival.acquire("data_refresh"))
    with pytest.raises(LeaseLostError, match="another host has taken over"):
        stopped.check()
    assert lease.is_lost
    stopped.release(lease)
    assert rival.is_held("data_refresh")  # what is another's is not freed


def test_a_silent_holder_whom_nobody_replaced_goes_on(host):
    """A database that was away for a while delays a run and ends none."""
    stopped = silent(host("a", SHORT))
    stopped.acquire("data_refresh")
    wait_for(lambda: not stopped.is_held("data_refresh"))
    stopped.check()
    with stopped.database.transaction() as connection:
        lengthen(connection)
    assert stopped.is_held("data_refresh")


def test_within_a_transaction_the_lease_cannot_be_taken_before_it_ends(host):
    stopped, rival = silent(host("a", SHORT)), host("b")
    stopped.acquire("data_refresh")
    wait_for(lambda: not stopped.is_held("data_refresh"))
    with stopped.database.transaction() as connection:
        stopped.check(connection)
        lengthen(connection)
    assert rival.acquire("data_refresh") is None


def test_the_clocks_of_the_hosts_do_not_matter(host, tmp_path):
    """Ten minutes apart, in both directions: only the server's clock counts."""
    now = datetime.now(UTC)
    for ahead in (timedelta(minutes=10), timedelta(minutes=-10)):
        first = LeasedPipelineLock(
            "cleanup", folder=tmp_path / "a", leases=host("a"), now=lambda: now
        )
        second = LeasedPipelineLock(
            "cleanup", 3600, folder=tmp_path / "b", leases=host("b"), now=lambda a=ahead: now + a
        )
        with first as held:
            assert held.acquired
            assert not second.acquire()
            assert second.holder.host == "a"
            assert not second.is_stuck


def test_a_restarted_server_gives_every_holder_a_whole_lease(host, postgres_cluster):
    stopped, rival = silent(host("a", SHORT)), host("b")
    stopped.acquire("data_refresh")
    wait_for(lambda: not stopped.is_held("data_refresh"))
    with stopped.database.transaction() as connection:
        lengthen(connection)
        connection.execute(
            text("UPDATE leases SET renewed_at = clock_timestamp() - interval '1 hour'")
        )
    postgres_cluster.stop()
    postgres_cluster.start()
    assert rival.acquire("data_refresh") is None
    assert rival.holder("data_refresh").host == "a"


def test_the_lock_of_a_pipeline_is_respected_by_another_host(host, tmp_path):
    first = LeasedPipelineLock("model_training", folder=tmp_path / "a", leases=host("a"))
    second = LeasedPipelineLock("model_training", 0, folder=tmp_path / "b", leases=host("b"))
    with first as held:
        assert held.acquired
        assert not second.acquire()
        assert second.is_stuck  # older than the 0 seconds that it was given
        assert not (tmp_path / "b" / "model_training.lock").exists()
    assert second.acquire()
    second.release()


def test_a_run_that_lost_its_lease_is_never_recorded_as_done(host, tmp_path):
    leases, rival = silent(host("a", SHORT)), host("b")
    ledger = Ledger(leases.database, tmp_path / "locks", lambda: datetime.now(UTC), None, leases)
    lock = LeasedPipelineLock("data_refresh", folder=tmp_path / "locks", leases=leases)
    lock.acquire()
    run_id = ledger.start_run("data_refresh")
    wait_for(lambda: rival.acquire("data_refresh"))
    with pytest.raises(LeaseLostError):
        ledger.complete_run(run_id)
    assert ledger.find_run(run_id).status is RunState.RUNNING
    ledger.fail_run(run_id, "lost")
    lock.release()


def test_a_run_on_another_host_is_dead_once_its_lease_has_ended(host, tmp_path):
    one, other = silent(host("a", SHORT)), host("b")

    def ledger(leases, name):
        return Ledger(leases.database, tmp_path / name, lambda: datetime.now(UTC), None, leases)

    dead = ledger(one, "a").start_run("data_refresh")
    alive = ledger(host("c"), "c").start_run("model_training")
    watcher = ledger(other, "b")
    wait_for(lambda: dead in watcher.close_dead_runs())
    assert watcher.find_run(alive).status is RunState.RUNNING


HOLDER = """
import sys, time
from viecomrec.adapters.leases import Leases
from viecomrec.adapters.postgres import PostgresDatabase
from viecomrec.errors import LeaseLostError
leases = Leases(PostgresDatabase(sys.argv[1], 60), 1.0, "stopped-host")
leases.acquire("data_refresh")
print("held", flush=True)
sys.stdin.readline()
try:
    leases.check()
except LeaseLostError as error:
    print("noticed:", error, flush=True)
else:
    print("written", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGSTOP is of POSIX")
def test_a_stopped_process_that_goes_on_notices_before_it_writes(host, postgres_url):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, postgres_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGSTOP)
        rival = host("b")
        wait_for(lambda: rival.acquire("data_refresh"))
        process.send_signal(signal.SIGCONT)
        answer, _ = process.communicate("go on\n", timeout=PATIENCE)
        assert "noticed: This process lost its lease on data_refresh" in answer
    finally:
        process.kill()
        process.wait()


def test_a_release_while_the_database_is_away_is_no_error(host, postgres_cluster):
    leases = host("a", patience=0)
    lease = leases.acquire("data_refresh")
    postgres_cluster.stop()
    try:
        leases.release(lease)
        with pytest.raises(LedgerError):
            leases.holder("data_refresh")
    finally:
        postgres_cluster.start()
    assert leases.is_held("data_refresh")
