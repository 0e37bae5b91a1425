"""The guide's pipeline tracker: one behaviour, whichever database keeps the rows."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from viecomrec.adapters.ledger import Ledger
from viecomrec.domain.runs import RunState
from viecomrec.errors import LedgerError

START = datetime(2026, 1, 30, 19, 0, tzinfo=UTC)
GUIDE_COLUMNS = [
    "run_id",
    "pipeline_name",
    "start_time",
    "end_time",
    "status",
    "config",
    "result",
    "error_message",
]


class Clock:
    def __init__(self):
        self.at = START

    def __call__(self):
        return self.at


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(open_database, tmp_path, clock):
    return Ledger(open_database(), tmp_path / "locks", clock, ZoneInfo("Asia/Ho_Chi_Minh"))


def test_a_run_is_recorded_from_start_to_end(ledger, clock):
    run_id = ledger.start_run("data_refresh", {"force": True})
    assert ledger.find_run(run_id).status is RunState.RUNNING
    clock.at += timedelta(minutes=5)
    ledger.complete_run(run_id, {"message": "Làm mới xong"})
    run = ledger.find_run(run_id)
    assert (run.status, run.config, run.result) == (
        RunState.COMPLETED,
        {"force": True},
        {"message": "Làm mới xong"},
    )
    assert (run.start_time, run.end_time) == ("2026-01-31T02:00:00", "2026-01-31T02:05:00")
    assert (run.started_at_utc, run.ended_at_utc) == (START, START + timedelta(minutes=5))


def test_the_table_of_the_guide_has_its_columns_and_no_others(open_database):
    with open_database().transaction() as connection:
        assert list(connection.execute(text("SELECT * FROM pipeline_runs")).keys()) == GUIDE_COLUMNS


def test_the_latest_runs_come_first_and_of_one_pipeline_if_asked(ledger, clock):
    made = []
    for name in ("data_refresh", "model_training", "data_refresh"):
        made.append(ledger.start_run(name))
        clock.at += timedelta(seconds=1)
    assert [run.run_id for run in ledger.recent_runs()] == made[::-1]
    assert [run.run_id for run in ledger.recent_runs("data_refresh")] == [made[2], made[0]]
    assert [run.run_id for run in ledger.recent_runs(limit=1)] == [made[2]]


def test_statistics_count_the_runs_of_the_last_days(ledger, clock):
    ledger.complete_run(ledger.start_run("data_refresh"))
    clock.at += timedelta(days=8)
    ledger.complete_run(ledger.start_run("data_refresh"))
    ledger.fail_run(ledger.start_run("data_refresh"), "no input")
    stats = ledger.get_stats(days=7)["stats_by_pipeline"]["data_refresh"]
    assert stats == {"total": 2, "completed": 1, "failed": 1, "success_rate": 0.5}


def test_instants_are_answered_as_instants(ledger, clock):
    assert ledger.newest_at() is None
    assert ledger.last_completed_at("data_refresh") is None
    run_id = ledger.start_run("data_refresh")
    assert ledger.newest_at() == START
    clock.at += timedelta(minutes=1)
    ledger.complete_run(run_id)
    assert ledger.last_completed_at("data_refresh") == ledger.newest_at() == clock.at


def test_an_unknown_run_cannot_end(ledger):
    with pytest.raises(LedgerError, match="not in the ledger"):
        ledger.complete_run("data_refresh_nobody")


def test_a_second_reader_sees_what_the_first_wrote(ledger, open_database, tmp_path, clock):
    run_id = ledger.start_run("data_refresh")
    other = Ledger(open_database(), tmp_path / "locks", clock)
    assert other.find_run(run_id).status is RunState.RUNNING
    assert other.close_dead_runs() == []  # it lives
