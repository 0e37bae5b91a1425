"""The ledger of nominal times: one behaviour, whichever database keeps the rows."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest

from viecomrec.adapters.occurrences import OccurrenceStore
from viecomrec.domain.occurrences import Cause, OccurrenceRecord, State
from viecomrec.domain.scheduling import Mark, Plan

NOW = datetime(2026, 1, 30, 3, 0, tzinfo=UTC)
N_RIVALS = 6


@pytest.fixture
def store(open_database):
    return OccurrenceStore(open_database())


def row(hours=0, state=State.RUNNING, job="data_refresh", **changes):
    content = {
        "job": job,
        "nominal_utc": NOW + timedelta(hours=hours),
        "nominal_day": date(2026, 1, 30),
        "state": state,
        "cause": Cause.SCHEDULE,
        "decided_at_utc": NOW,
    }
    return OccurrenceRecord(**{**content, **changes})


def ran(hours, ended_after=1, **changes):
    ended = NOW + timedelta(hours=hours + ended_after)
    return row(hours, State.RAN, exit_code=0, ended_at_utc=ended, **changes)


def planned(rows, marks=None):
    return Plan(rows, marks or {}, retracts_future=False)


def put(store, *rows):
    store.decide(lambda _: planned(rows), NOW, {})


def test_a_row_comes_back_as_it_was_written(store):
    written = row(
        state=State.RAN,
        reason="lý do",
        attempt=3,
        started_at_utc=NOW,
        ended_at_utc=NOW,
        retry_at_utc=NOW,
        exit_code=-9,
        error="error",
        log_file="a.log",
    )
    put(store, written)
    assert store.find("data_refresh", NOW) == written


def test_of_many_who_claim_one_time_exactly_one_gets_it(open_database):
    stores = [OccurrenceStore(open_database()) for _ in range(N_RIVALS)]
    with ThreadPoolExecutor(N_RIVALS) as pool:
        claims = list(pool.map(lambda store: store.claim(row()), stores))
    assert len([claim for claim in claims if claim is not None]) == 1


def test_two_planners_at_once_decide_each_time_once(open_database):
    def decide(store):
        def planner(history):
            return planned([row(h) for h in range(20) if key(h) not in history.rows])

        return store.decide(planner, NOW, {})[0]

    def key(hours):
        return ("data_refresh", NOW + timedelta(hours=hours))

    with ThreadPoolExecutor(N_RIVALS) as pool:
        made = list(pool.map(decide, [OccurrenceStore(open_database()) for _ in range(N_RIVALS)]))
    assert sorted(len(rows) for rows in made) == [0] * (N_RIVALS - 1) + [20]


def test_marks_and_history_are_what_the_next_planner_sees(store):
    mark = Mark("daily 02:00", NOW)
    store.decide(lambda _: planned([row()], {"data_refresh": mark}), NOW, {})
    seen = []
    store.decide(lambda history: seen.append(history) or planned([], history.marks), NOW, {})
    assert seen[0].marks == {"data_refresh": mark}
    assert list(seen[0].rows) == [("data_refresh", NOW)]


def test_a_planner_that_fails_leaves_nothing_behind(open_database):
    store = OccurrenceStore(open_database())

    def planner(_):
        raise KeyError("defect")

    with pytest.raises(KeyError):
        store.decide(planner, NOW, {})
    assert store.recent() == []


def test_a_change_replaces_the_row_and_none_leaves_it(store):
    put(store, row())
    ended = store.change("data_refresh", NOW, lambda old: old.model_copy(update={"exit_code": 0}))
    assert store.find("data_refresh", NOW) == ended
    assert store.change("data_refresh", NOW, lambda _: None) is None
    assert store.find("data_refresh", NOW) == ended


def test_the_latest_result_of_each_job_is_the_run_that_ended_last(store):
    put(
        store,
        ran(0, ended_after=9),
        ran(1),
        row(2, State.SKIPPED, reason="paused"),
        ran(3, job="cleanup"),
        row(4, job="cleanup"),
    )
    latest = [(one.job, one.nominal_utc) for one in store.latest_results()]
    assert latest == [("cleanup", NOW + timedelta(hours=3)), ("data_refresh", NOW)]


def test_recent_rows_come_newest_first_and_are_limited(store):
    put(store, row(0), row(2), row(1), row(1, job="cleanup"))
    hours = [(one.nominal_utc - NOW) / timedelta(hours=1) for one in store.recent("data_refresh")]
    assert hours == [2, 1, 0]
    since = NOW + timedelta(hours=1)
    assert [one.job for one in store.recent(since=since)] == [
        "data_refresh",
        "cleanup",
        "data_refresh",
    ]
    assert len(store.recent(limit=1)) == 1


def test_rows_of_a_future_that_was_taken_back_disappear(store):
    put(store, row(-1, State.MISSED), row(1, State.MISSED), row(2, State.SKIPPED), row(3))
    store.decide(lambda _: Plan([], {}, retracts_future=True), NOW, {})
    left = [one.nominal_utc for one in store.recent()]
    assert left == [NOW + timedelta(hours=3), NOW - timedelta(hours=1)]
    assert [one.nominal_utc for one in store.running()] == [NOW + timedelta(hours=3)]
