"""The table of nominal times, on a real SQLite file."""

import sqlite3
from datetime import UTC, date, datetime, timedelta

import pytest

from viecomrec.adapters.database import Database
from viecomrec.adapters.occurrences import OccurrenceStore, to_text
from viecomrec.domain.occurrences import Cause, OccurrenceRecord, State
from viecomrec.domain.scheduling import Mark, Plan
from viecomrec.errors import LedgerError

NOW = datetime(2026, 1, 30, 3, 0, tzinfo=UTC)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "pipeline_metrics.db"


@pytest.fixture
def store(file):
    return OccurrenceStore(file)


def row(hours=0, state=State.RUNNING, job="data_refresh", **changes):
    nominal = NOW + timedelta(hours=hours)
    content = {
        "job": job,
        "nominal_utc": nominal,
        "nominal_day": date(2026, 1, 30),
        "state": state,
        "cause": Cause.SCHEDULE,
        "decided_at_utc": NOW,
    }
    return OccurrenceRecord(**{**content, **changes})


def decide(store, *rows, marks=None, retracts=False, remembered=None):
    seen = []

    def planner(history):
        seen.append(history)
        return Plan(rows, marks or {}, retracts_future=retracts)

    made, _ = store.decide(planner, NOW, remembered or {})
    return made, seen[0]


def test_a_row_comes_back_as_it_was_written(store):
    written = row(
        state=State.RAN,
        reason="r",
        attempt=3,
        claim="c",
        started_at_utc=NOW,
        ended_at_utc=NOW,
        retry_at_utc=NOW,
        exit_code=-9,
        error="Lỗi",
        log_file="logs/x.log",
    )
    store.change(written.job, written.nominal_utc, lambda old: written if old is None else None)
    assert store.recent() == [written]
    assert store.find("data_refresh", NOW) == written
    assert store.find("data_refresh", NOW + timedelta(microseconds=1)) is None


def test_a_decided_run_gets_a_claim_of_its_own_and_a_skipped_one_none(store):
    made, _ = decide(store, row(-1), row(0), row(-2, State.SKIPPED))
    assert made[0].claim != made[1].claim
    assert made[2].claim is None
    assert {one.claim for one in store.running()} == {made[0].claim, made[1].claim}


def test_a_time_is_claimed_once(store):
    assert store.claim(row()) is not None
    assert store.claim(row()) is None


def test_marks_are_kept_and_forgotten_with_their_job(store):
    mark = Mark("utc daily", NOW)
    decide(store, marks={"a": mark, "b": mark})
    _, history = decide(store, marks={"a": mark})
    assert history.marks == {"a": mark, "b": mark}
    _, history = decide(store)
    assert history.marks == {"a": mark}


def test_what_the_scheduler_remembers_stands_in_for_a_deleted_file_only(store, file):
    old, new = Mark("x", NOW - timedelta(hours=1)), Mark("x", NOW)
    decide(store, marks={"a": new})
    _, history = decide(store, marks={"a": new}, remembered={"a": old})
    assert history.marks == {"a": new}
    file.unlink()
    _, history = decide(store, remembered={"a": old})
    assert history.marks == {"a": old}


def test_the_future_is_taken_back_where_nothing_ran(store):
    states = (State.MISSED, State.SKIPPED, State.RAN, State.RUNNING)
    decide(store, *(row(n + 1, state) for n, state in enumerate(states)), row(-1, State.MISSED))
    decide(store, retracts=True)
    assert [one.state for one in store.recent()] == [State.RUNNING, State.RAN, State.MISSED]


def test_history_holds_what_runs_however_old_and_the_last_first_start(store):
    old = row(-9000)
    first = row(-8000, State.RAN, cause=Cause.FIRST_START, job="model_training")
    decide(store, old, first, row(-9500, State.RAN), row(-1, State.RAN))
    _, history = decide(store)
    assert sorted(one.nominal_utc for one in history.rows.values()) == [
        old.nominal_utc,
        first.nominal_utc,
        row(-1).nominal_utc,
    ]


def test_the_latest_result_of_each_job_is_the_one_that_ended_last(store):
    ended = [
        row(-2, State.RAN, ended_at_utc=NOW, exit_code=1),
        row(-1, State.RAN, ended_at_utc=NOW - timedelta(minutes=1), exit_code=0),
        row(-1, State.RAN, job="cleanup", ended_at_utc=NOW, exit_code=0),
        row(0, State.SKIPPED),
    ]
    decide(store, *ended)
    assert [(one.job, one.exit_code) for one in store.latest_results()] == [
        ("cleanup", 0),
        ("data_refresh", 1),
    ]


def test_recent_rows_can_be_asked_by_job_and_time(store):
    decide(store, row(-5, State.RAN), row(-1, State.RAN), row(-1, State.RAN, job="cleanup"))
    assert len(store.recent("data_refresh")) == 2
    assert len(store.recent("data_refresh", NOW - timedelta(hours=2))) == 1
    assert len(store.recent(limit=1)) == 1


def test_a_crash_inside_a_decision_leaves_neither_rows_nor_marks(store):
    def planner(history):
        if history.rows:
            return Plan((row(1), row(1)[0:]), {}, retracts_future=False)
        return Plan((row(),), {"a": Mark("x", NOW)}, retracts_future=False)

    store.decide(planner, NOW, {})
    with pytest.raises(TypeError):
        store.decide(planner, NOW, {})
    assert [one.nominal_utc for one in store.recent()] == [NOW]


def test_texts_of_instants_sort_like_the_instants():
    instants = [NOW, NOW + timedelta(microseconds=1), NOW + timedelta(seconds=1)]
    local = [one.astimezone() for one in instants]
    assert [to_text(one) for one in local] == sorted(to_text(one) for one in instants)


def test_a_full_disk_says_so(file):
    def fill():
        with Database(file).transaction() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            connection.exec_driver_sql("CREATE TABLE big AS SELECT zeroblob(1000000) AS x")

    OccurrenceStore(file).recent()
    with pytest.raises(LedgerError, match=r"full.*Free some disk space"):
        fill()
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_a_row_that_somebody_edited_into_nonsense_is_left_out_with_a_word(store, file, capsys):
    decide(store, row(0, State.RAN), row(-1, State.RAN))
    connection = sqlite3.connect(file)
    connection.execute(
        "UPDATE occurrences SET state = 'done' WHERE nominal_utc = ?", (to_text(NOW),)
    )
    connection.commit()
    connection.close()
    assert [one.nominal_utc for one in store.recent()] == [NOW - timedelta(hours=1)]
    assert "left out" in capsys.readouterr().out
