"""The staging log: durable, readable while written, and never torn."""

import errno
import os
from datetime import UTC, datetime

import pytest

from viecomrec.adapters import staging
from viecomrec.adapters.erasing import erase_from_staging
from viecomrec.adapters.staged_files import StagedFiles
from viecomrec.adapters.staging import StagingLog
from viecomrec.domain.events import Event

AT = datetime(2026, 1, 1, 8, tzinfo=UTC)


def event(event_id, **fields):
    return Event(event_id=event_id, user_id="u", product_id="p", rating=5, at=AT, **fields)


def ids(events):
    return [one.event_id for one in events]


def test_what_was_appended_is_pending_in_order(tmp_path):
    log = StagingLog(tmp_path)
    log.append([event("a"), event("b", comment="dòng\nmới, “trích”")])
    log.append([event("c")])
    assert StagingLog(tmp_path).pending()[1] == event("b", comment="dòng\nmới, “trích”")
    assert ids(StagingLog(tmp_path).pending()) == ["a", "b", "c"]


def test_each_writer_has_a_file_of_its_own(tmp_path):
    StagingLog(tmp_path).append([event("a")])
    StagingLog(tmp_path).append([event("b")])
    assert len(list(tmp_path.glob("events-*.jsonl"))) == 2


def test_half_a_line_at_the_end_is_not_there_yet(tmp_path):
    log = StagingLog(tmp_path)
    log.append([event("a")])
    segment = next(tmp_path.glob("events-*.jsonl"))
    with segment.open("a", encoding="utf-8") as file:
        file.write('{"event_id": "b", "user')
    events, position = log.read_from({})
    assert ids(events) == ["a"]
    with segment.open("a", encoding="utf-8") as file:
        file.write(event("b").as_line().removeprefix('{"event_id":"b","user') + "\n")
    events, _ = log.read_from(position)
    assert ids(events) in ([], ["b"])


def test_reading_on_gives_what_came_after(tmp_path):
    log = StagingLog(tmp_path)
    log.append([event("a")])
    _, position = log.read_from({})
    log.append([event("b")])
    events, position = log.read_from(position)
    assert ids(events) == ["b"]
    assert ids(log.read_from(position)[0]) == []


def test_a_claimed_file_stays_readable_until_it_is_removed_and_reading_on_copes(tmp_path):
    log, staged = StagingLog(tmp_path), StagedFiles(tmp_path)
    log.append([event("a")])
    _, position = log.read_from({})
    claims = staged.claim(AT)
    log.append([event("b")])
    assert set(ids(log.pending())) == {"a", "b"}
    events, position = log.read_from(position)
    assert ids(events) == ["b"]
    staged.remove(claims)
    assert ids(log.pending()) == ["b"]
    assert ids(log.read_from(position)[0]) == []


def test_pitfall_18_what_is_appended_after_the_claim_is_not_in_the_claim(tmp_path):
    log, staged = StagingLog(tmp_path), StagedFiles(tmp_path)
    log.append([event("a")])
    claims = staged.claim(AT)
    log.append([event("b")])
    assert [claim.path.read_text(encoding="utf-8").count("\n") for claim in claims] == [1]
    staged.remove(claims)
    assert ids(log.pending()) == ["b"]


def test_the_same_id_is_pending_once(tmp_path):
    log = StagingLog(tmp_path)
    log.append([event("a")])
    log.append([event("a")])
    assert ids(log.pending()) == ["a"]


def test_a_line_that_is_no_event_is_skipped(tmp_path):
    StagingLog(tmp_path).append([event("a")])
    (tmp_path / "events-0-0123456789ab.jsonl").write_text("{}\n", encoding="utf-8")
    assert ids(StagingLog(tmp_path).pending()) == ["a"]


def test_a_full_disk_raises_and_leaves_no_half_of_a_batch(tmp_path, monkeypatch):
    log = StagingLog(tmp_path)
    log.append([event("a")])
    write = os.write

    def full(descriptor, content):
        if len(content) > 20:
            return write(descriptor, content[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(staging.os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        log.append([event("b"), event("c")])
    monkeypatch.undo()
    log.append([event("d")])
    assert ids(log.pending()) == ["a", "d"]


def test_a_rewritten_segment_is_read_from_its_beginning(tmp_path):
    log = StagingLog(tmp_path)
    log.append([event("a"), event("b"), event("c")])
    _, position = log.read_from({})
    assert erase_from_staging(tmp_path, "nobody") == 0
    other = Event(event_id="x", user_id="erased", product_id="p", rating=5, at=AT)
    log.append([other])
    assert erase_from_staging(tmp_path, "erased") == 1
    log.append([event("d")])
    events, position = log.read_from(position)
    assert "d" in ids(events)
    assert "x" not in ids(events)
    assert set(ids(log.pending())) == set("abcd")
    assert ids(log.read_from(position)[0]) == []
