"""The verbs of a host whose scheduler stands by while another host's leads."""

import os
import socket
import tempfile
from pathlib import Path

import psutil
import pytest
from doors import start
from two_hosts import PATIENCE, Pair
from waiting import wait_for

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the hosts of the tests are POSIX")


@pytest.fixture
def pair(tmp_path, postgres_url):
    pair = Pair(tmp_path, postgres_url)
    for host in pair.hosts.values():
        # Nobody takes over here: a machine that stalls must not hand the lease to the other.
        host.more = {"VIECOMREC_DATABASE__LEASE_SECONDS": "900"}
    yield pair
    pair.end()


@pytest.fixture
def leading(pair):
    """Host a leads; nothing runs on b."""
    for host in pair.hosts.values():
        host.configure()
    pair.hosts["a"].start()
    wait_for(lambda: pair.leader() == "a", "the leader")
    return pair.hosts["a"]


@pytest.fixture
def waiting(pair, leading):
    """Host b, whose scheduler stands by for a."""
    host = pair.hosts["b"]
    host.start()
    wait_for(lambda: "stands by: the scheduler on the host a leads" in host.log(), "the standby")
    return host


def status(host):
    answer = host.door("status", "--json")
    assert answer.code == 0, answer
    return answer.result


def table(host):
    settings = host.settings()
    process = start("scheduler", "status", project=host.root, **settings)
    return process.communicate(timeout=PATIENCE)[0]


def test_status_tells_who_leads_who_stands_by_and_until_when(leading, waiting):
    at_leader, at_other = status(leading), status(waiting)
    assert (at_leader["running"], at_leader["role"], at_leader["host"]) == (True, "leads", "a")
    assert at_leader["leader"]["pid"] == leading.process.pid == at_leader["scheduler"]["pid"]
    assert (at_other["running"], at_other["role"], at_other["host"]) == (True, "stands_by", "b")
    assert at_other["scheduler"]["pid"] == waiting.process.pid
    leader = at_other["leader"]
    assert (leader["host"], leader["pid"]) == ("a", leading.process.pid)
    assert leader["since"] < leader["lease_until"]
    assert table(leading).startswith("The scheduler of this host (a) leads: process")
    words = table(waiting).splitlines()[0]
    assert words.startswith("The scheduler of this host (b) stands by: process")
    assert "The host a leads: process" in words


def test_stop_ends_the_scheduler_that_stands_by_and_not_the_one_that_leads(pair, leading, waiting):
    answer = waiting.door("stop")
    assert (answer.code, answer.result["status"]) == (0, "success")
    assert "it stood by. The host a goes on leading." in answer.result["message"]
    assert waiting.process.wait(PATIENCE) == 0
    assert leading.process.poll() is None
    told = status(waiting)
    assert (told["running"], told["role"], told["leader"]["host"]) == (False, "none", "a")
    again = waiting.door("stop")
    assert (again.code, again.result["status"]) == (0, "skipped")
    assert "No scheduler runs on this host (b). The host a leads" in again.result["message"]
    pair.wait_for_deeds("a", more=1)  # it works as before
    assert pair.leader() == "a"


def test_a_leader_that_stops_frees_its_lease_at_once(pair, leading, waiting):
    assert leading.door("stop").code == 0
    wait_for(lambda: pair.leader() == "b", "the other host, long before the lease ends")
    assert waiting.process.poll() is None


def test_start_where_one_stands_by_says_so_and_starts_no_second(leading, waiting):
    here = waiting.door()
    assert (here.code, here.result["status"]) == (1, "failed")
    assert f"runs already in this project: process {waiting.process.pid}" in here.result["message"]
    behind = waiting.door("start", "--background")
    assert (behind.code, behind.result["status"]) == (0, "skipped")
    assert "The scheduler of this host (b) stands by" in behind.result["message"]
    assert [waiting.process.pid] == schedulers_of(waiting)


def test_a_scheduler_in_the_background_stands_by_is_started_anew_and_stopped(pair, leading):
    host = pair.hosts["b"]
    begun = host.door("start", "--background")
    assert (begun.code, "(b) stands by" in begun.result["message"]) == (0, True), begun
    first = schedulers_of(host)
    anew = host.door("restart", "--background")
    assert (anew.code, "(b) stands by" in anew.result["message"]) == (0, True), anew
    second = schedulers_of(host)
    assert (len(first), len(second), set(first) & set(second)) == (1, 1, set())
    logged = (host.root / "logs" / "scheduler" / "scheduler.log").read_text("utf-8")
    assert "stands by: the scheduler on the host a leads" in logged
    assert host.door("stop").code == 0
    assert schedulers_of(host) == []
    assert leading.process.poll() is None


def test_one_that_stands_by_is_stopped_also_while_the_database_is_away(waiting, postgres_cluster):
    postgres_cluster.stop()
    try:
        answer = waiting.door("stop")
        assert (answer.code, answer.result["message"]) == (0, "The scheduler stopped.")
        assert waiting.process.wait(PATIENCE) == 0
        again = waiting.door("stop")
        assert (again.code, again.result["status"]) == (0, "skipped")
        assert "Which host leads is not known: The database" in again.result["message"]
        begun = waiting.door("start", "--background")  # it waits for the database too
        assert (begun.code, begun.result["status"]) == (0, "success")
        assert "Which host leads is not known: The database" in begun.result["message"]
        assert waiting.door("stop").code == 0
    finally:
        postgres_cluster.start()


def test_a_wrong_configuration_is_told_at_the_start_and_not_when_it_has_to_lead(pair, leading):
    host = pair.hosts["b"]
    host.configure(minutes=0)
    answer = host.door()
    assert (answer.code, "minute" in answer.result["message"]) == (2, True), answer
    assert status(leading)["role"] == "leads"


def test_for_systemd_a_scheduler_that_stands_by_is_ready_and_alive(pair, leading):
    host = pair.hosts["b"]
    with (
        tempfile.TemporaryDirectory(prefix="vn-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
    ):
        address = str(Path(folder) / "notify")
        systemd.bind(address)
        systemd.settimeout(PATIENCE)
        host.more["NOTIFY_SOCKET"] = address
        host.start()
        heard = [systemd.recv(100) for _ in range(4)]
        assert (b"READY=1" in heard, b"WATCHDOG=1" in heard) == (True, True)
        assert pair.leader() == "a"
        host.end()


def schedulers_of(host):
    """The processes of this host that are schedulers, by the folder and the command they have."""
    found = []
    for process in psutil.process_iter(["environ", "cmdline"]):
        command = " ".join(process.info["cmdline"] or ())
        is_scheduler = command.endswith("automation.scheduler") or "scheduler_driver" in command
        if is_scheduler and (process.info["environ"] or {}).get("PROJECT_DIR") == str(host.root):
            found.append(process.pid)
    return found
