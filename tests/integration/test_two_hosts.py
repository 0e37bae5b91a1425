"""Two schedulers on two hosts: processes with folders and names of their own, one database."""

import os
import signal
import time

import psutil
import pytest
from sqlalchemy import text
from two_hosts import JOB, PATIENCE, Pair, kill
from waiting import wait_for

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

OUTAGE_SECONDS = float(os.environ.get("VIECOMREC_TEST_OUTAGE_SECONDS", "8"))
STOP_SECONDS = float(os.environ.get("VIECOMREC_TEST_STOP_SECONDS", "0"))


@pytest.fixture
def pair(tmp_path, postgres_url):
    pair = Pair(tmp_path, postgres_url)
    yield pair
    pair.end()


def test_the_other_host_takes_over_from_a_killed_one_and_every_time_is_run_once(pair):
    pair.start()
    pair.wait_for_deeds("a")
    assert {host for _, host in pair.done()} == {"a"}
    pair.hosts["a"].process.kill()
    pair.hosts["a"].process.wait()
    pair.wait_for_deeds("b")
    assert pair.leader() == "b"
    pair.hosts["a"].start()
    wait_for(lambda: pair.hosts["a"].log().count("stands by") == 1, "the first one to stand by")
    pair.wait_for_deeds("b", more=1)
    pair.require_once_each()


def test_a_stopped_scheduler_that_goes_on_stands_by_and_writes_nothing(pair):
    pair.start()
    pair.wait_for_deeds("a")
    stopped = pair.hosts["a"].process
    stopped.send_signal(signal.SIGSTOP)
    time.sleep(STOP_SECONDS)
    pair.wait_for_deeds("b")
    n_before = len([one for _, one in pair.done() if one == "a"])
    stopped.send_signal(signal.SIGCONT)
    wait_for(lambda: "stands by" in pair.hosts["a"].log(), "the stopped one to notice")
    pair.wait_for_deeds("b")
    assert len([one for _, one in pair.done() if one == "a"]) == n_before
    assert pair.leader() == "b"
    pair.require_once_each()


def test_the_leading_scheduler_ends_when_its_host_asks_and_the_other_takes_over(pair):
    pair.start()
    told = pair.hosts["a"]
    answer = told.door("stop")
    assert (answer.code, answer.result["message"]) == (0, "The scheduler stopped.")
    assert told.process.wait(PATIENCE) == 0
    wait_for(lambda: pair.leader() == "b", "the other host to lead")


def test_a_job_of_a_host_that_died_is_recorded_as_lost_by_the_other(pair):
    pair.start(work="import time; time.sleep(600)")
    row = wait_for(pair.store.running, "a running job")[0]
    wait_for(lambda: row.claim and _is_held(pair, f"claim-{row.claim}"), "its supervisor")
    pair.hosts["a"].end()  # the whole host: scheduler, supervisor and job
    for process in psutil.process_iter(["cmdline"]):
        if str(pair.hosts["a"].root) in " ".join(process.info["cmdline"] or ()):
            kill(process)
    ended = wait_for(
        lambda: [r for r in pair.store.recent(JOB) if r.claim == row.claim and r.error], "the loss"
    )
    assert "left no result" in ended[0].error


def _is_held(pair, name):
    with pair.database.transaction() as connection:
        return connection.execute(
            text("SELECT 1 FROM leases WHERE name = :name AND token IS NOT NULL"), {"name": name}
        ).first()


def test_a_database_that_goes_away_delays_runs_and_loses_none(pair, postgres_cluster):
    pair.start()
    pair.wait_for_deeds("a")
    postgres_cluster.stop()
    try:
        time.sleep(OUTAGE_SECONDS)
    finally:
        postgres_cluster.start()
    before = len(pair.done())
    wait_for(lambda: len(pair.done()) >= before + 3, "runs after the outage")
    pair.require_once_each()
