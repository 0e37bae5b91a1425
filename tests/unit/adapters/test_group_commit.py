import threading
from datetime import UTC, datetime

import pytest

from viecomrec.adapters.group_commit import GroupCommit
from viecomrec.adapters.staging import StagingLog
from viecomrec.domain.events import Event


def event(number):
    return Event(
        user_id="u", product_id=f"p{number}", kind="view", at=datetime(2026, 1, 1, tzinfo=UTC)
    )


def test_an_event_is_on_disk_when_its_future_is_done(tmp_path):
    log = StagingLog(tmp_path)
    commit = GroupCommit(log.append)
    commit.submit([event(1)]).result(timeout=60)
    assert [one.product_id for one in log.pending()] == ["p1"]
    commit.close()


def test_those_who_wait_while_a_write_runs_share_the_next_one():
    writes, is_writing, may_write = [], threading.Event(), threading.Event()

    def append(events):
        is_writing.set()
        assert may_write.wait(10)
        writes.append(len(events))

    commit = GroupCommit(append)
    first = commit.submit([event(0)])
    assert is_writing.wait(10)
    others = [commit.submit([event(number)]) for number in range(1, 30)]
    may_write.set()
    for future in (first, *others):
        future.result(timeout=60)
    commit.close()
    assert writes == [1, 29]


def test_a_failed_write_is_told_to_everybody_who_waits_and_the_next_one_works(tmp_path):
    log, is_full = StagingLog(tmp_path), [True]

    def append(events):
        if is_full[0]:
            raise OSError("no space left on device")
        log.append(events)

    commit = GroupCommit(append)
    with pytest.raises(OSError, match="no space"):
        commit.submit([event(1)]).result(timeout=60)
    is_full[0] = False
    commit.submit([event(2)]).result(timeout=60)
    commit.close()
    assert [one.product_id for one in log.pending()] == ["p2"]


def test_what_waits_is_written_before_the_end(tmp_path):
    log = StagingLog(tmp_path)
    commit = GroupCommit(log.append)
    futures = [commit.submit([event(number)]) for number in range(50)]
    commit.close()
    assert all(future.done() for future in futures)
    assert len(log.pending()) == 50


def test_who_goes_away_while_waiting_does_not_stop_the_others():
    is_writing, may_write, written = threading.Event(), threading.Event(), []

    def append(events):
        is_writing.set()
        assert may_write.wait(10)
        written.extend(event.product_id for event in events)

    commit = GroupCommit(append)
    commit.submit([event(0)])
    assert is_writing.wait(10)
    gone, waiting = commit.submit([event(1)]), commit.submit([event(2)])
    assert gone.cancel()
    may_write.set()
    waiting.result(timeout=60)
    commit.submit([event(3)]).result(timeout=60)
    commit.close()
    assert written == ["p0", "p2", "p3"]
