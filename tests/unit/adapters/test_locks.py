import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from viecomrec.adapters.kernel_lock import KernelLock, is_locked, kernel_lock_file
from viecomrec.adapters.locks import (
    PipelineLock,
    name_run,
)

NOW = datetime(2026, 1, 30, 2, 0, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "logs" / "locks"


def lock_of(folder, at=NOW, timeout=3600):
    return PipelineLock("data_refresh", timeout=timeout, folder=folder, now=lambda: at)


def test_a_second_lock_says_no_at_once_and_gets_it_after_the_first(folder):
    with lock_of(folder) as first:
        assert first.acquired
        with lock_of(folder) as second:
            assert not second.acquired
    with lock_of(folder) as third:
        assert third.acquired


def test_the_visible_file_names_the_holder_and_disappears_with_it(folder):
    with lock_of(folder):
        name_run(folder, "data_refresh", "data_refresh_1")
        content = json.loads((folder / "data_refresh.lock").read_text("utf-8"))
        assert content == {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "run": "data_refresh_1",
            "since": "2026-01-30T02:00:00Z",
        }
    assert not (folder / "data_refresh.lock").exists()


def test_pitfall_26_deleting_every_file_of_a_held_lock_makes_no_second_holder(folder):
    with lock_of(folder) as held:
        assert held.acquired
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        with lock_of(folder) as second:
            assert not second.acquired


def test_pitfall_26_a_lock_older_than_its_timeout_is_reported_and_never_robbed(folder, capsys):
    with lock_of(folder):
        late = lock_of(folder, at=NOW + timedelta(hours=2))
        assert not late.acquire()
        assert late.is_stuck
        assert not lock_of(folder).is_stuck
    assert "keeps it" in capsys.readouterr().out


def test_a_stale_file_of_a_dead_holder_does_not_block(folder):
    folder.mkdir(parents=True)
    (folder / "data_refresh.lock").write_text('{"pid": 1, "host": "x", "since": "2026-01-01"}')
    with lock_of(folder) as lock:
        assert lock.acquired


def test_a_visible_file_full_of_nonsense_does_not_block(folder):
    folder.mkdir(parents=True)
    (folder / "data_refresh.lock").write_bytes(b"\xff\x00{")
    with lock_of(folder) as lock:
        assert lock.acquired
        assert lock.holder.pid == os.getpid()


def test_the_lock_is_free_after_an_error_inside_it(folder):
    with pytest.raises(ValueError, match="work"), lock_of(folder):
        raise ValueError("work")
    assert lock_of(folder).acquire()


def test_a_kernel_lock_file_deleted_while_waiting_is_not_locked_twice(folder):
    file = kernel_lock_file(folder, "x")
    first = KernelLock(file)
    assert first.acquire()
    first.discard()
    second = KernelLock(file)
    assert second.acquire()
    assert not KernelLock(file).acquire()


def test_somebody_who_only_asks_in_a_loop_never_makes_a_run_skip(folder):
    done = threading.Event()

    def ask():
        while not done.is_set():
            is_locked(folder, "data_refresh")

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        for _ in range(200):
            with lock_of(folder) as lock:
                assert lock.acquired
    finally:
        done.set()
        asker.join()


def test_a_holder_whose_lock_files_were_all_deleted_holds_on(folder):
    with lock_of(folder) as held:
        shutil.rmtree(folder.parent)
        assert held.renew()
        assert held.acquired
        assert held.holder.pid == os.getpid()
        assert not lock_of(folder).acquire()
        assert held.renew()
    assert lock_of(folder).acquire()


def test_a_holder_learns_that_another_took_the_lock_after_its_file_was_deleted(folder):
    held, other = lock_of(folder), lock_of(folder)
    assert held.acquire()
    shutil.rmtree(folder.parent)
    assert other.acquire()
    assert not held.renew()
    assert other.renew()


HOLDER = """
import subprocess, sys, time
from pathlib import Path
from viecomrec.adapters.locks import PipelineLock
lock = PipelineLock("data_refresh", folder=Path(sys.argv[1]))
assert lock.acquire()
child = subprocess.Popen(
    [sys.executable, "-c", "import sys; sys.stdin.read()"],
    stdin=subprocess.PIPE if sys.argv[2] == "own" else None,
    pass_fds=() if lock.descriptor is None or sys.argv[2] == "none" else (lock.descriptor,),
)
print(child.pid, flush=True)
time.sleep(60)
"""


def start_holder(folder, children):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder), children],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    process.stdout.readline()
    return process


def test_a_killed_holder_frees_its_lock_at_once(folder):
    process = start_holder(folder, "none")
    assert not lock_of(folder).acquire()
    process.kill()
    process.wait()
    lock = lock_of(folder)
    assert lock.acquire()
    lock.release()
    process.communicate()


@pytest.mark.skipif(os.name == "nt", reason="Windows locks do not pass to children")
def test_after_kill_of_the_parent_the_lock_stays_until_the_last_child_is_gone(folder):
    process = start_holder(folder, "inherit")
    process.kill()
    process.wait()
    assert is_locked(folder, "data_refresh")
    process.stdin.close()  # the child reads its end and ends
    process.stdout.read()  # end of file once the child is gone
    process.stdout.close()
    assert lock_of(folder).acquire()


@pytest.mark.skipif(os.name == "nt", reason="fork exists on POSIX only")
def test_a_forked_child_that_leaves_the_block_does_not_free_its_parents_lock(folder):
    with lock_of(folder) as lock:
        pid = os.fork()
        if pid == 0:
            lock.release()
            os._exit(0)
        os.waitpid(pid, 0)
        assert is_locked(folder, "data_refresh")
