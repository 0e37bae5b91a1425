"""Runs of jobs as two hosts see them: begun once, found alive, lost or ended, and recorded once."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text
from waiting import wait_for

from viecomrec.adapters.job_runs import Life
from viecomrec.adapters.leases import Leases
from viecomrec.adapters.occurrences import OccurrenceStore
from viecomrec.adapters.postgres import PostgresDatabase
from viecomrec.adapters.run_folder import RunEnd, RunSpec
from viecomrec.adapters.server_clock import ServerClock
from viecomrec.adapters.shared_job_runs import RunKeeper, SharedJobRuns, lease_name
from viecomrec.domain.occurrences import Cause, OccurrenceRecord, State
from viecomrec.domain.scheduling import Plan
from viecomrec.errors import LeaseLostError

NOW = datetime(2026, 1, 30, 3, 0, tzinfo=UTC)
JOB = "data_refresh"
PATIENCE = 60


class Host:
    def __init__(self, url, folder, seconds):
        self.database = PostgresDatabase(url, PATIENCE)
        self.leases = Leases(self.database, seconds, folder.name)
        self.runs = SharedJobRuns(folder / "runs", folder / "locks", self.database, self.leases)
        self.store = OccurrenceStore(self.database, self.leases.check)
        self.keeper = RunKeeper(self.database, self.leases)

    def fall_silent(self):
        self.leases._ensure_renewer = lambda: None
        return self


@pytest.fixture
def host(postgres_url, tmp_path):
    opened = []

    def open_host(name, seconds=60.0):
        opened.append(Host(postgres_url, tmp_path / name, seconds))
        return opened[-1]

    yield open_host
    for one in opened:
        one.leases.close()
        one.database.close()


def claimed(host):
    return host.store.claim(
        OccurrenceRecord(
            job=JOB,
            nominal_utc=NOW,
            nominal_day=date(2026, 1, 30),
            state=State.RUNNING,
            cause=Cause.SCHEDULE,
            decided_at_utc=NOW,
        )
    )


def spec_of(row):
    return RunSpec(
        claim=row.claim,
        job=row.job,
        nominal_utc=row.nominal_utc.isoformat(),
        nominal_day=row.nominal_day.isoformat(),
        cause=row.cause.value,
        attempt=1,
        retries=0,
        started_at_utc=NOW.isoformat(),
        command=[],
        folder="",
        environment={},
        log_file="",
        shown_log_file="",
        lock_file="",
        log_limit_bytes=1,
        timeout_seconds=1,
        grace_seconds=0,
    )


def test_a_run_that_was_given_away_can_no_longer_begin(host):
    first, second = host("a"), host("b")
    row = claimed(first)
    assert second.runs.settle(JOB, row.claim) is Life.NEVER_BEGUN
    assert not first.keeper.begin(spec_of(row))
    assert not first.leases.is_held(lease_name(row.claim))


def test_a_run_whose_row_names_another_claim_cannot_begin(host):
    first = host("a")
    row = claimed(first)
    first.store.change(JOB, NOW, lambda old: old.model_copy(update={"claim": "another"}))
    assert not first.keeper.begin(spec_of(row))


def test_a_run_of_another_host_lives_and_ends_once(host):
    first, second = host("a"), host("b")
    row = claimed(first)
    assert first.keeper.begin(spec_of(row))
    assert second.runs.settle(JOB, row.claim) is Life.ALIVE
    end = RunEnd.at(NOW, 0, None)
    first.keeper.end(spec_of(row), end)
    assert second.runs.settle(JOB, row.claim) is Life.ENDED
    assert list(second.runs.ended()) == [(spec_of(row), end)]
    second.runs.discard(row.claim)
    assert list(second.runs.ended()) == []


def test_a_silent_run_is_lost_once_and_its_late_result_counts_for_nothing(host):
    first, second = host("a", seconds=1.0).fall_silent(), host("b")
    row = claimed(second)
    assert first.keeper.begin(spec_of(row))
    wait_for(lambda: second.runs.settle(JOB, row.claim) is Life.LOST)
    assert second.runs.settle(JOB, row.claim) is Life.LOST
    first.leases._renew_quietly(first.keeper._lease)  # it goes on
    assert first.keeper.must_stop
    first.keeper.end(spec_of(row), RunEnd.at(NOW, 0, None))
    assert list(second.runs.ended()) == []


def test_a_stop_asked_on_one_host_reaches_the_run_on_the_other(host):
    first, second = host("a"), host("b")
    row = claimed(first)
    assert first.keeper.begin(spec_of(row))
    second.runs.request_stop(row.claim)
    assert first.leases.renew(first.keeper._lease)
    assert first.keeper.must_stop


def test_a_run_that_no_scheduler_started_is_seen_from_the_other_host(host):
    first, second = host("a"), host("b")
    with first.runs.hold("claim-of-airflow"):
        assert second.runs.lives_elsewhere("claim-of-airflow")
        assert second.runs.settle(JOB, "claim-of-airflow") is Life.ALIVE
    assert not second.runs.lives_elsewhere("claim-of-airflow")


def test_a_scheduler_that_lost_its_lease_decides_nothing(host):
    first, second = host("a", seconds=1.0).fall_silent(), host("b")
    first.leases.acquire("scheduler")
    wait_for(lambda: second.leases.acquire("scheduler"))
    asked = []
    with pytest.raises(LeaseLostError):
        first.store.decide(
            lambda history: asked.append(history) or Plan([], {}, retracts_future=False), NOW, {}
        )
    assert asked == []
    with pytest.raises(LeaseLostError):
        claimed(first)
    assert second.store.recent() == []


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_clock_that_is_ten_minutes_wrong_is_put_right_by_the_server(host, minutes):
    database = host("a").database
    wrong = ServerClock(database, lambda: datetime.now(UTC) + timedelta(minutes=minutes))
    with database.transaction() as connection:
        server = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    assert abs(wrong() - server) < timedelta(minutes=5)
