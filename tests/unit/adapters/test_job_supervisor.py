"""The supervisor with real jobs: small Python programs that misbehave on purpose."""

import json
import os
import shutil
import sys
import time
from pathlib import Path

import psutil
import pytest

from viecomrec.adapters import detached, job_runs, job_supervisor
from viecomrec.adapters.job_runs import JobRuns, Life
from viecomrec.adapters.job_supervisor import last_error
from viecomrec.adapters.run_folder import RunEnd, RunSpec

CLAIM = "c0ffee"


@pytest.fixture
def runs(tmp_path):
    return JobRuns(tmp_path / "logs" / "scheduler" / ".runs", tmp_path / "logs" / "locks")


@pytest.fixture
def spec_of(runs, tmp_path):
    def spec_of(code, **changes):
        spec = {
            "claim": CLAIM,
            "job": "job",
            "nominal_utc": "2026-01-30T02:00:00+00:00",
            "nominal_day": "2026-01-30",
            "cause": "schedule",
            "attempt": 1,
            "retries": 0,
            "started_at_utc": "2026-01-30T02:00:00+00:00",
            "command": [sys.executable, "-c", code],
            "folder": str(tmp_path),
            "environment": {"SHOP": "Cocoon"},
            "log_file": str(tmp_path / "job.log"),
            "shown_log_file": "job.log",
            "lock_file": str(runs.lock_file("job")),
            "log_limit_bytes": 10_000,
            "timeout_seconds": 30.0,
            "grace_seconds": 0.5,
            **changes,
        }
        return RunSpec(**spec)

    return spec_of


@pytest.fixture
def start(runs, spec_of):
    yield lambda code, **changes: runs.start(spec_of(code, **changes))
    for child in detached._children:
        child.wait(30)


def wait_for_end(runs):
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if ended := list(runs.ended()):
            return ended[0][1]
        time.sleep(0.02)
    raise AssertionError("the run did not end")


def wait_for_file(file):
    deadline = time.monotonic() + 90
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < deadline, f"{file} did not appear"
        time.sleep(0.02)
    return file.read_text()


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_run_that_ends_while_it_is_looked_at_still_counts_until_its_end_is_recorded(
    runs, spec_of, monkeypatch
):
    """A successor's view, which has only the files and the lock to go by."""
    folder = runs.folder(CLAIM)
    folder.ask(spec_of("pass"))
    folder.mark_begun(1)

    def ends_just_now(*_):
        folder.record_end(RunEnd(0, "2026-01-30T02:00:01+00:00"))
        return False

    monkeypatch.setattr(job_runs, "is_locked", ends_just_now)
    assert runs.alive() == [CLAIM]


def test_output_of_both_streams_goes_to_the_log_and_the_exit_code_is_kept(runs, start, tmp_path):
    start("import os, sys; print(os.environ['SHOP']); print('Lỗi', file=sys.stderr); sys.exit(3)")
    end = wait_for_end(runs)
    assert (end.exit_code, end.error) == (3, "Lỗi")
    assert sorted((tmp_path / "job.log").read_text("utf-8").split()) == ["Cocoon", "Lỗi"]


def test_a_success_has_no_error(runs, start):
    start("print('done')")
    end = wait_for_end(runs)
    assert (end.exit_code, end.error, end.has_alerted) == (0, None, False)


def test_a_door_that_found_its_pipeline_running_did_nothing(runs, start):
    start('print(\'log\'); print(\'{"status": "skipped", "message": "Already running"}\')')
    end = wait_for_end(runs)
    assert (end.exit_code, end.was_overlap) == (0, True)


def test_a_door_that_had_nothing_new_did_its_work(runs, start):
    start('print(\'{"status": "skipped", "message": "No new data"}\')')
    assert not wait_for_end(runs).was_overlap


def test_a_job_killed_by_a_signal_says_which(runs, start):
    start("import os; print('so far'); import sys; sys.stdout.flush(); os.kill(os.getpid(), 9)")
    end = wait_for_end(runs)
    assert (end.exit_code, end.error) == (-9, "killed by SIGKILL; last output: so far")


def test_a_program_that_does_not_exist_is_a_result_too(runs, start, tmp_path):
    start("", command=[str(tmp_path / "nothing")])
    end = wait_for_end(runs)
    assert end.exit_code == 127
    assert "could not be started" in end.error


def test_a_log_is_cut_at_its_limit_with_a_marker_and_keeps_the_end(runs, start, tmp_path):
    start("import sys\nfor _ in range(300): sys.stdout.write('x' * 100_000)\nprint('the end')")
    assert wait_for_end(runs).exit_code == 0
    log = (tmp_path / "job.log").read_bytes()
    assert log.startswith(b"x" * 10_000 + b"\n[log cut: the limit of 10000 bytes was reached and ")
    assert log.endswith(b"the end\n\n")
    assert len(log) < 10_000 + 8192 + 200


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_the_log_does_not_stop_the_job(runs, start):
    start("print('x' * 200_000); import sys; sys.exit(4)", log_file="/dev/full")
    assert wait_for_end(runs).exit_code == 4


HIDING = """
import subprocess, time
with open("stay.sh", "w") as script:
    script.write("trap '' TERM; echo $$ >> hidden; while :; do sleep 0.2; done")
subprocess.Popen(["setsid", "sh", "stay.sh"])
subprocess.Popen(["setsid", "sh", "-c", "sh stay.sh & exit 0"], env={"PATH": "/usr/bin:/bin"})
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="cleared environments are found on Linux only")
def test_pitfall_24_a_timeout_ends_the_whole_tree_with_children_in_sessions_of_their_own(
    runs, start, tmp_path
):
    start(HIDING, timeout_seconds=2.0)
    end = wait_for_end(runs)
    assert (end.exit_code, end.error) == (
        124,
        "timed out after 2 s; its whole process tree was ended",
    )
    hidden = [int(line) for line in (tmp_path / "hidden").read_text().split()]
    assert len(hidden) == 2
    assert not any(map(is_alive, hidden))


@pytest.mark.skipif(os.name == "nt", reason="uses sh")
def test_what_a_job_leaves_behind_when_it_ends_is_ended_too(runs, start, tmp_path):
    start(
        "import subprocess\n"
        "subprocess.Popen(['sh', '-c', 'echo $$ > hidden; sleep 60'], start_new_session=True)\n"
        "import os, time\n"
        "while not os.path.exists('hidden'): time.sleep(0.01)\n"
    )
    assert wait_for_end(runs).exit_code == 0
    assert not is_alive(int((tmp_path / "hidden").read_text()))


def test_a_stop_request_ends_the_job(runs, start, tmp_path):
    start("open('begun', 'w').write('1'); import time; time.sleep(60)")
    wait_for_file(tmp_path / "begun")
    runs.request_stop(CLAIM)
    end = wait_for_end(runs)
    assert (end.exit_code, end.error) == (143, "stopped on request before it was done")


def test_a_run_is_alive_while_it_works_and_ended_afterwards(runs, start, tmp_path):
    start(
        "import os, time\nopen('begun', 'w').write('1')\n"
        "while not os.path.exists('go'): time.sleep(0.02)\n"
    )
    wait_for_file(tmp_path / "begun")
    stranger = JobRuns(tmp_path / "logs" / "scheduler" / ".runs", tmp_path / "logs" / "locks")
    assert stranger.settle("job", CLAIM) is Life.ALIVE
    (tmp_path / "go").touch()
    wait_for_end(runs)
    detached._children[-1].wait(30)
    assert stranger.settle("job", CLAIM) is Life.ENDED


def test_a_run_that_never_began_is_withdrawn_and_its_late_supervisor_does_nothing(
    runs, spec_of, tmp_path
):
    runs.folder(CLAIM).ask(spec_of("open('begun', 'w').write('1')"))
    assert runs.settle("job", CLAIM) is Life.NEVER_BEGUN
    assert job_supervisor.main([str(runs.folder(CLAIM).path)]) == 0
    assert not (tmp_path / "begun").exists()


def test_a_run_withdrawn_while_its_supervisor_waits_for_the_lock_does_not_begin(
    runs, spec_of, tmp_path, monkeypatch
):
    folder = runs.folder(CLAIM)
    folder.ask(spec_of("open('begun', 'w').write('1')"))

    def acquire(lock):
        folder.discard()  # the scheduler settles the run in just this moment
        return lock.acquire()

    monkeypatch.setattr(job_supervisor, "_acquire", acquire)
    assert job_supervisor.main([str(folder.path)]) == 0
    assert not (tmp_path / "begun").exists()
    assert not folder.has_begun


def test_a_run_whose_lock_file_was_deleted_by_hand_is_alive_all_the_same(runs, start, tmp_path):
    start("open('begun', 'w').write('1'); import time; time.sleep(60)")
    wait_for_file(tmp_path / "begun")
    shutil.rmtree(tmp_path / "logs" / ".locks")
    stranger = JobRuns(tmp_path / "logs" / "scheduler" / ".runs", tmp_path / "logs" / "locks")
    assert stranger.settle("job", CLAIM) is Life.ALIVE
    runs.request_stop(CLAIM)
    assert wait_for_end(runs).exit_code == 143


@pytest.mark.skipif(os.name == "nt", reason="kills by signal")
def test_a_run_whose_supervisor_was_killed_is_lost_once_its_job_is_gone(runs, start, tmp_path):
    start(
        "import os, time\nopen('begun', 'w').write(str(os.getpid()))\n"
        "while not os.path.exists('go'): time.sleep(0.02)\n"
    )
    pid = int(wait_for_file(tmp_path / "begun"))
    detached._children[-1].kill()
    detached._children[-1].wait()
    stranger = JobRuns(tmp_path / "logs" / "scheduler" / ".runs", tmp_path / "logs" / "locks")
    assert stranger.settle("job", CLAIM) is Life.ALIVE
    (tmp_path / "go").touch()
    deadline = time.monotonic() + 90
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert stranger.settle("job", CLAIM) is Life.LOST


@pytest.mark.parametrize(
    ("output", "error", "has_alerted"),
    [
        ("", "", False),
        ("one\n\ntwo  \n\n", "two", False),
        ('x\n{"status": "failed", "message": "no data"}\n', "no data", False),
        ('{"status": "failed", "message": "m", "run_id": "r"}\nlog line\n', "m", True),
        (
            json.dumps(
                {
                    "overall_status": "critical",
                    "run_id": "r",
                    "components": {
                        "service": {"status": "critical"},
                        "data": {"status": "healthy"},
                    },
                }
            ),
            "it says critical: service critical",
            False,
        ),
        ("[1, 2]\n", "[1, 2]", False),
    ],
)
def test_the_last_words_of_a_job_are_its_results_message_or_its_last_line(
    output, error, has_alerted
):
    assert last_error(output) == (error, has_alerted)
