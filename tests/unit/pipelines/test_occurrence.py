"""What a foreign scheduler can do to a job: fire twice, late, in a flood, or die."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from viecomrec.adapters.kernel_lock import KernelLock
from viecomrec.bootstrap import Installation
from viecomrec.domain.occurrences import Cause, State
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.errors import ConfigurationError, InputError
from viecomrec.paths import ProjectPaths
from viecomrec.settings import Settings

NOW = datetime(2026, 1, 30, 3, 0, tzinfo=UTC)
TWO = "2026-01-30T02:00:00Z"


class Work:
    def __init__(self, result=Status.SUCCESS, error=None, message="m"):
        self.calls, self.result, self.error, self.message = 0, result, error, message

    def __call__(self):
        self.calls += 1
        if self.error is not None:
            raise self.error
        return PipelineResult(status=self.result, message=self.message)


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "config").mkdir()
    return Installation(ProjectPaths(tmp_path), Settings(), lambda: NOW)


def rows(shop):
    store = shop.management_tools().run_tools.store
    return [(row.state, row.exit_code, row.attempt) for row in store.recent("data_refresh")]


def test_the_first_fire_works_and_the_second_changes_nothing(shop):
    work = Work()
    assert shop.run_occurrence("data_refresh", TWO, work).status is Status.SUCCESS
    again = shop.run_occurrence("data_refresh", "2026-01-30T02:00:00+00:00", work)
    assert (again.status, "ran already" in again.message) == (Status.SKIPPED, True)
    assert work.calls == 1
    assert rows(shop) == [(State.RAN, 0, 1)]


def test_a_failed_time_fails_again_without_doing_the_work_again(shop):
    work = Work(Status.FAILED)
    assert shop.run_occurrence("data_refresh", TWO, work).exit_code == 1
    again = shop.run_occurrence("data_refresh", TWO, work)
    assert (again.exit_code, work.calls) == (1, 1)
    assert "without --occurrence" in again.message


def test_an_error_is_recorded_and_passes_on(shop):
    with pytest.raises(InputError):
        shop.run_occurrence("data_refresh", TWO, Work(error=InputError("no file")))
    with pytest.raises(ZeroDivisionError):
        shop.run_occurrence("data_refresh", "2026-01-30T02:30:00Z", Work(error=ZeroDivisionError()))
    assert rows(shop) == [(State.RAN, 1, 1), (State.RAN, 1, 1)]


def test_fired_while_it_runs_it_is_skipped(shop):
    lock = KernelLock(shop.management_tools().run_tools.runs.lock_file("data_refresh"))
    lock.acquire()
    work = Work()
    assert shop.run_occurrence("data_refresh", TWO, work).message == "Already running"
    assert (work.calls, rows(shop)) == (0, [])
    lock.release()


def test_a_pipeline_that_somebody_runs_by_hand_is_an_overlap_and_not_a_run(shop):
    work = Work(Status.SKIPPED, message="Already running")
    assert shop.run_occurrence("data_refresh", TWO, work).status is Status.SKIPPED
    (row,) = shop.management_tools().run_tools.store.recent("data_refresh")
    assert (row.state, row.reason.split(":")[0]) == (State.SKIPPED, "overlap")


def test_a_flood_of_old_times_after_a_later_one_is_missed_and_not_run(shop):
    work = Work()
    shop.run_occurrence("data_refresh", TWO, work)
    for day in (27, 28, 29):
        late = shop.run_occurrence("data_refresh", f"2026-01-{day}T02:00:00Z", work)
        assert (late.status, "superseded" in late.message) == (Status.SKIPPED, True)
    assert work.calls == 1
    assert [state for state, _, _ in rows(shop)] == [State.RAN] + [State.MISSED] * 3


def test_a_time_whose_process_was_killed_is_taken_over(shop):
    with pytest.raises(SystemExit):
        shop.run_occurrence("data_refresh", TWO, Work(error=SystemExit()))
    store = shop.management_tools().run_tools.store
    (row,) = store.recent("data_refresh")
    killed = {"state": State.RUNNING, "exit_code": None, "ended_at_utc": None}
    store.change(row.job, row.nominal_utc, lambda old: old.model_copy(update=killed))
    work = Work()
    assert shop.run_occurrence("data_refresh", TWO, work).status is Status.SUCCESS
    assert rows(shop) == [(State.RAN, 0, 2)]


def test_what_the_projects_own_scheduler_claimed_is_left_to_it(shop):
    shop.run_occurrence("data_refresh", TWO, Work())
    store = shop.management_tools().run_tools.store
    (row,) = store.recent("data_refresh")
    claimed = {"state": State.RUNNING, "cause": Cause.SCHEDULE}
    store.change(row.job, row.nominal_utc, lambda old: old.model_copy(update=claimed))
    work = Work()
    answer = shop.run_occurrence("data_refresh", TWO, work)
    assert (answer.status, work.calls) == (Status.SKIPPED, 0)
    assert "is being run" in answer.message


def test_latest_is_the_last_nominal_time_of_the_job_however_late_it_is_fired(shop):
    work = Work()
    shop.run_occurrence("data_refresh", "latest", work)
    late = replace(shop, now=lambda: NOW + timedelta(hours=9))
    late.run_occurrence("data_refresh", "latest", work)
    assert work.calls == 1
    (row,) = shop.management_tools().run_tools.store.recent("data_refresh")
    assert row.nominal_utc == datetime(2026, 1, 29, 19, 0, tzinfo=UTC)  # 02:00 in the shipped zone


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("yesterday", "is no instant"),
        ("2026-01-30T02:00:00", "is not in UTC"),
        ("2026-01-30T02:00:00+07:00", "is not in UTC"),
    ],
)
def test_an_occurrence_that_is_no_instant_in_utc_is_refused(shop, text, message):
    work = Work()
    with pytest.raises(ConfigurationError, match=message):
        shop.run_occurrence("data_refresh", text, work)
    assert work.calls == 0
