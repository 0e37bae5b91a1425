"""Events come in at least once and go out exactly once, from files or from the database."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from viecomrec.adapters.leases import Leases
from viecomrec.adapters.merged_events import MergedEvents
from viecomrec.adapters.shared_staging import SharedStagedFiles, SharedStaging
from viecomrec.adapters.staged_files import StagedFiles
from viecomrec.adapters.staging import StagingLog
from viecomrec.domain import columns as c
from viecomrec.domain.events import Event, EventKind
from viecomrec.pipelines.event_merge import count_staged, merge_staged

NOW = datetime(2026, 1, 30, 3, 0, tzinfo=UTC)


class Host:
    """One machine: folders of its own, and the database where there is one."""

    def __init__(self, folder, database):
        self.merged = MergedEvents(folder / "merged")
        if database is None:
            self.log = StagingLog(folder / "staging")
            self.staged = StagedFiles(folder / "staging")
        else:
            leases = Leases(database, 15, folder.name)
            self.log = SharedStaging(folder / "staging", database)
            self.staged = SharedStagedFiles(folder / "staging", database, leases, self.merged)

    def merge(self, *, publishes=True):
        claims = merge_staged(self.staged, self.merged, zone="UTC", now=NOW)
        if publishes:
            self.staged.remove(claims)

    def merged_ids(self):
        return sorted(self.merged.read(self.merged.names())[c.EVENT_ID])


@pytest.fixture(params=["files", "postgresql"])
def open_host(request, tmp_path):
    """Another process of the same installation; with the database also on another machine."""
    opened = []
    url = None if request.param == "files" else request.getfixturevalue("postgres_url")

    def open_one(name="a"):
        if url is None:
            return Host(tmp_path / "a", None)
        from viecomrec.adapters.postgres import PostgresDatabase

        opened.append(PostgresDatabase(url, patience_seconds=60))
        return Host(tmp_path / name, opened[-1])

    yield open_one
    for database in opened:
        database.close()


@pytest.fixture
def open_shared(open_host, request):
    if "files" in request.node.name:
        pytest.skip("files are of one machine")
    return open_host


def events(*ids, user="u1"):
    return [
        Event(event_id=one, user_id=user, product_id="p", kind=EventKind.VIEW, at=NOW)
        for one in ids
    ]


def test_what_was_appended_is_pending_until_a_merge_was_published(open_host):
    host = open_host()
    host.log.append(events("1", "2"))
    assert sorted(one.event_id for one in open_host().log.pending()) == ["1", "2"]
    assert count_staged(host.staged, host.merged, NOW) == 2
    host.merge()
    assert open_host().log.pending() == []
    assert host.merged_ids() == ["1", "2"]


def test_pitfall_18_a_merge_leaves_alone_what_came_after_it_read(open_host):
    host = open_host()
    host.log.append(events("1"))
    claims = merge_staged(host.staged, host.merged, zone="UTC", now=NOW)
    open_host().log.append(events("2"))
    host.staged.remove(claims)
    assert [one.event_id for one in host.log.pending()] == ["2"]
    host.merge()
    assert host.merged_ids() == ["1", "2"]


def test_a_crash_after_the_merge_merges_nothing_twice(open_host):
    host = open_host()
    host.log.append(events("1"))
    host.merge(publishes=False)
    again = open_host()
    again.merge()
    assert again.merged_ids() == ["1"]
    assert again.log.pending() == []


def test_a_crash_between_claim_and_merge_loses_nothing(open_host):
    host = open_host()
    host.log.append(events("1"))
    host.staged.claim(NOW)
    host.log.append(events("2"))
    open_host().merge()
    assert host.merged_ids() == ["1", "2"]


def test_a_reader_that_goes_on_from_its_position_misses_nothing(open_host):
    writer, reader = open_host(), open_host()
    _, position = reader.log.read_from({})
    writer.log.append(events("1"))
    found, position = reader.log.read_from(position)
    assert "1" in [one.event_id for one in found]
    writer.log.append(events("2"))
    found, _ = reader.log.read_from(position)
    assert "2" in [one.event_id for one in found]


def test_the_same_id_twice_counts_once(open_host):
    host = open_host()
    host.log.append(events("1", "1"))
    open_host().log.append(events("1"))
    assert [one.event_id for one in host.log.pending()] == ["1"]


def test_a_reader_does_not_pass_by_a_transaction_that_ends_later(open_shared, postgres_url):
    """The trap of serial numbers: the second to begin ends first."""
    host = open_shared()
    from viecomrec.adapters.postgres import PostgresDatabase

    slow = PostgresDatabase(postgres_url)
    with slow.shared_transaction() as connection:
        content = events("slow")[0].as_line()
        connection.execute(
            text("INSERT INTO staged_events (event_id, user_id, content) VALUES ('slow', 'u', :c)"),
            {"c": content},
        )
        host.log.append(events("quick"))
        found, position = host.log.read_from({})
        assert [one.event_id for one in found] == ["quick"]
        host.merge()
    found, _ = host.log.read_from(position)
    assert [one.event_id for one in found] == ["slow"]
    host.merge()
    assert host.merged_ids() == ["quick", "slow"]
    slow.close()


def test_many_writers_and_a_merger_at_once_bring_every_event_through_once(open_host):
    n_writers, n_each = 4, 25
    hosts = [open_host() for _ in range(n_writers)]

    def write(number, host):
        for i in range(n_each):
            host.log.append(events(f"{number}-{i}"))

    writers = [threading.Thread(target=write, args=item) for item in enumerate(hosts)]
    for writer in writers:
        writer.start()
    merger = open_host()
    while any(writer.is_alive() for writer in writers):
        merger.merge()
    merger.merge()
    expected = sorted(f"{n}-{i}" for n in range(n_writers) for i in range(n_each))
    assert merger.merged_ids() == expected


def test_another_host_writes_the_merged_events_that_it_lacks(open_shared):
    first, second = open_shared("a"), open_shared("b")
    for number in "123":
        first.log.append(events(number))
        first.merge()
    second.merge()
    assert second.merged_ids() == ["1", "2", "3"]
    assert second.merged.names() == first.merged.names()


def test_an_erasure_of_long_ago_leaves_what_came_later(open_shared, postgres_url):
    from viecomrec.adapters.postgres import PostgresDatabase
    from viecomrec.adapters.postgres_erasing import erase_staged

    host = open_shared()
    host.log.append(events("1", user="khách-7") + events("2"))
    (event,) = events("1")
    database = PostgresDatabase(postgres_url)
    assert erase_staged(database, "khách-7", event.at - timedelta(seconds=1)) == 0
    assert erase_staged(database, "khách-7", event.at) == 1
    with database.transaction() as connection:
        left = connection.execute(text("SELECT event_id FROM staged_events")).scalars().all()
    assert left == ["2"]
    database.close()


def test_an_erased_person_leaves_staging_and_ledger(open_shared, postgres_url):
    from viecomrec.adapters.ledger import Ledger
    from viecomrec.adapters.postgres import PostgresDatabase
    from viecomrec.adapters.postgres_erasing import erase_mentions, erase_staged

    host = open_shared()
    host.log.append(events("1", user="khách-7") + events("2"))
    host.merge()
    host.log.append(events("3", user="khách-7"))
    database = PostgresDatabase(postgres_url)
    ledger = Ledger(database, host.merged._folder.parent / "locks", lambda: NOW)
    run_id = ledger.start_run("data_refresh", {"asked": "khách-7"})
    ledger.fail_run(run_id, "the row of khách-7 is bad, khách-70 is another")
    assert erase_staged(database, "khách-7") == 2
    assert erase_mentions(database, "khách-7") == 2
    with database.transaction() as connection:
        left = connection.execute(text("SELECT event_id FROM staged_events")).scalars().all()
    assert left == ["2"]
    assert ledger.find_run(run_id).config == {"asked": "[erased]"}
    assert ledger.find_run(run_id).error_message.endswith("khách-70 is another")
    database.close()
