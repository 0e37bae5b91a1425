"""What becomes of each nominal time, decided from the ledger alone."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from viecomrec.domain.occurrences import RUN_OUTSIDE, Cause, State, seconds_before_retry
from viecomrec.domain.scheduler_config import parse_config
from viecomrec.domain.scheduling import History, plan

SAIGON = ZoneInfo("Asia/Ho_Chi_Minh")
JOBS = {
    "data_refresh": {"schedule": {"hour": 2}},
    "bert_embeddings": {"schedule": {"day_of_week": "tue", "hour": 3}},
    "model_training": {"schedule": {"day_of_week": "sun", "hour": 3}},
    "model_deployment": {"schedule": {"hour": 5}},
    "health_check": {"schedule": {"minute": 0}},
}


def local(text):
    return datetime.fromisoformat(text).replace(tzinfo=SAIGON).astimezone(UTC)


class World:
    """A ledger in memory and a clock; ticks apply the plan as the store would."""

    def __init__(self, now, **changes):
        self.marks, self.rows = {}, {}
        self.has_model, self.outside = True, ()
        self.configure(**changes)
        self.tick(now)

    def configure(self, **changes):
        jobs = {
            name: {"module": f"automation.{name}", **entry, **changes.get(name, {})}
            for name, entry in JOBS.items()
        }
        self.config = parse_config({"jobs": jobs}, "test")

    def tick(self, now):
        """The rows that this tick added, as `job: state reason`."""
        self.now = local(now)
        history = History(dict(self.marks), dict(self.rows))
        made = plan(
            self.config,
            SAIGON,
            self.now,
            history,
            has_model=self.has_model,
            running_outside=self.outside,
        )
        if made.retracts_future:
            undone = {State.SKIPPED, State.MISSED}
            self.rows = {
                key: row
                for key, row in self.rows.items()
                if row.state not in undone or row.nominal_utc <= self.now
            }
        self.rows |= {(row.job, row.nominal_utc): row for row in made.rows}
        self.marks = dict(made.marks)
        return [f"{row.job} {said(row)}" for row in made.rows if row.job != "health_check"]

    def end(self, job, exit_code=0):
        (key,) = [k for k, r in self.rows.items() if k[0] == job and r.state is State.RUNNING]
        changes = {"state": State.RAN, "exit_code": exit_code, "ended_at_utc": self.now}
        self.rows[key] = self.rows[key].model_copy(update=changes)


def said(row):
    if row.state is State.RUNNING:
        return f"{row.cause}"
    return f"{row.state}: {row.reason}"


# 2026-02-01 is a Sunday.


def test_a_new_job_counts_from_now_and_nothing_of_the_past_is_due():
    world = World("2026-02-01T02:30")
    assert world.rows == {}
    assert world.tick("2026-02-01T03:00") == ["model_training schedule"]


def test_pitfall_25_a_time_missed_while_down_is_caught_up_once_and_the_older_ones_are_on_record():
    world = World("2026-02-02T01:00")
    assert world.tick("2026-02-05T02:30") == [
        "data_refresh missed: superseded: a later time was due",
        "data_refresh missed: superseded: a later time was due",
        "data_refresh missed: superseded: a later time was due",
        "data_refresh catch_up",
        "bert_embeddings catch_up",
        "model_deployment missed: superseded: a later time was due",
        "model_deployment missed: superseded: a later time was due",
        "model_deployment catch_up",
    ]
    assert world.tick("2026-02-05T02:31") == []


def test_without_catch_up_a_missed_time_is_missed_and_says_how_late_it_was():
    world = World("2026-02-02T01:00", data_refresh={"catch_up": "none"})
    assert world.tick("2026-02-02T04:00") == [
        "data_refresh missed: late: 2 h, and catch_up is none"
    ]
    assert "data_refresh schedule" in world.tick("2026-02-03T02:00:59")


def test_a_time_that_comes_while_the_last_run_goes_on_is_skipped_as_overlap():
    world = World("2026-02-02T01:00")
    world.tick("2026-02-02T02:00")
    overlap = "data_refresh skipped: overlap: the run of 2026-02-01T19:00:00+00:00 goes on"
    assert overlap in world.tick("2026-02-03T02:00")


def test_a_disabled_job_has_its_times_skipped_as_paused_and_never_catches_up():
    world = World("2026-02-02T01:00", data_refresh={"enabled": False})
    paused = "data_refresh skipped: paused: disabled in configuration"
    assert world.tick("2026-02-02T02:00") == [paused]
    assert world.tick("2026-02-04T02:00").count(paused) == 2
    world.configure()
    assert world.tick("2026-02-04T02:05") == []


def test_training_waits_for_the_refresh_of_its_day_and_starts_when_it_succeeded():
    world = World("2026-02-01T01:00")
    world.tick("2026-02-01T02:00")
    assert world.tick("2026-02-01T03:00") == []
    assert world.tick("2026-02-01T04:10") == []
    world.end("data_refresh")
    assert world.tick("2026-02-01T04:11") == ["model_training catch_up"]
    assert world.tick("2026-02-01T05:00") == []
    world.end("model_training")
    assert world.tick("2026-02-01T06:30") == ["model_deployment catch_up"]


def test_a_wait_for_upstream_is_no_lateness_for_a_job_without_catch_up():
    world = World("2026-02-01T01:00", model_training={"catch_up": "none"})
    world.tick("2026-02-01T02:00")
    world.tick("2026-02-01T03:00")
    world.end("data_refresh")
    assert world.tick("2026-02-01T04:11") == ["model_training catch_up"]


def test_a_failed_refresh_skips_the_training_and_the_deployment_of_that_day_only():
    world = World("2026-02-01T01:00")
    world.tick("2026-02-01T02:00")
    world.end("data_refresh", exit_code=1)
    assert world.tick("2026-02-01T03:00") == [
        "model_training skipped: upstream failed: data_refresh"
    ]
    assert world.tick("2026-02-01T05:00") == [
        "model_deployment skipped: upstream failed: model_training"
    ]
    assert world.tick("2026-02-02T02:00") == ["data_refresh schedule"]
    assert world.tick("2026-02-02T05:00") == ["model_deployment schedule"]


def meet_a_run_outside(world, job):
    """The job found its pipeline run by somebody at a keyboard and did nothing."""
    world.outside = (job,)
    (key,) = [k for k, r in world.rows.items() if k[0] == job and r.state is State.RUNNING]
    skipped = {"state": State.SKIPPED, "reason": f"overlap: {RUN_OUTSIDE}"}
    world.rows[key] = world.rows[key].model_copy(update=skipped)


def test_a_refresh_that_somebody_runs_by_hand_holds_the_training_of_the_day_until_it_ends():
    world = World("2026-02-01T01:00")
    world.tick("2026-02-01T02:00")
    meet_a_run_outside(world, "data_refresh")
    assert world.tick("2026-02-01T03:00") == []
    world.outside = ()
    assert world.tick("2026-02-01T03:20") == ["model_training catch_up"]


def test_a_run_outside_holds_nothing_of_another_day():
    world = World("2026-02-02T01:00")
    world.outside = ("data_refresh", "model_training")
    world.tick("2026-02-02T02:00")
    world.end("data_refresh")
    assert world.tick("2026-02-02T05:00") == ["model_deployment schedule"]


def test_a_first_start_waits_for_a_run_outside():
    world = first_start()
    world.tick("2026-02-02T10:15")
    meet_a_run_outside(world, "data_refresh")
    assert world.tick("2026-02-02T10:16") == []
    world.outside = ()
    assert world.tick("2026-02-02T10:17") == ["bert_embeddings first_start"]


def test_a_refresh_repeated_by_hand_with_success_lets_the_training_go():
    world = World("2026-02-01T01:00")
    world.tick("2026-02-01T02:00")
    world.end("data_refresh", exit_code=1)
    at = local("2026-02-01T02:40")
    (row,) = [row for row in world.rows.values() if row.job == "data_refresh"]
    by_hand = {"nominal_utc": at, "cause": Cause.HAND, "exit_code": 0}
    world.rows["data_refresh", at] = row.model_copy(update=by_hand)
    assert world.tick("2026-02-01T03:00") == ["model_training schedule"]


def test_a_paused_refresh_binds_nobody_unless_freshness_is_required():
    off = {"data_refresh": {"enabled": False}}
    world = World("2026-02-01T01:00", **off)
    assert world.tick("2026-02-01T03:00")[-1] == "model_training schedule"
    strict = World("2026-02-01T01:00", **off, model_training={"require_fresh": True})
    assert strict.tick("2026-02-01T03:00")[-1] == (
        "model_training skipped: upstream not fresh: data_refresh"
    )


def test_catching_up_after_a_downtime_keeps_the_order_of_the_day():
    world = World("2026-02-01T01:00")
    assert world.tick("2026-02-01T12:00") == ["data_refresh catch_up"]
    world.end("data_refresh")
    assert world.tick("2026-02-01T12:20") == ["model_training catch_up"]
    world.end("model_training")
    assert world.tick("2026-02-01T12:40") == ["model_deployment catch_up"]


def test_pitfall_32_an_edited_expression_counts_from_now():
    world = World("2026-02-02T01:00")
    world.configure(data_refresh={"schedule": {"hour": 1, "minute": 30}})
    assert world.tick("2026-02-02T02:30") == []
    assert "data_refresh schedule" in world.tick("2026-02-03T01:30")


def test_pitfall_25_a_clock_that_goes_back_two_hours_silences_nothing_and_repeats_nothing():
    world = World("2026-02-02T01:30")
    world.tick("2026-02-02T02:00")
    world.end("data_refresh")
    assert world.tick("2026-02-02T00:10") == []
    assert world.tick("2026-02-02T02:00") == []
    assert world.tick("2026-02-02T05:00") == ["model_deployment schedule"]


def test_a_clock_that_was_a_year_ahead_for_a_minute_silences_nothing():
    world = World("2026-02-02T01:30")
    world.tick("2027-02-02T01:30")
    for job in ("data_refresh", "bert_embeddings", "model_training", "health_check"):
        if any(row.job == job and row.state is State.RUNNING for row in world.rows.values()):
            world.end(job)
    assert world.tick("2026-02-02T01:31") == []
    assert world.tick("2026-02-02T02:00") == ["data_refresh schedule"]


def test_a_refresh_that_runs_holds_the_training_although_the_clock_went_back_before_it():
    world = World("2026-02-01T01:00", data_refresh={"schedule": {"hour": "2,5"}})
    world.tick("2026-02-01T02:00")
    world.end("data_refresh")
    world.marks["model_training"] = replace(
        world.marks["model_training"], decided_until=local("2026-02-01T02:30")
    )
    at = local("2026-02-01T05:00")
    (row,) = [row for row in world.rows.values() if row.job == "data_refresh"]
    running = {"nominal_utc": at, "state": State.RUNNING, "exit_code": None}
    world.rows["data_refresh", at] = row.model_copy(update=running)
    assert world.tick("2026-02-01T03:00") == []


def test_a_deleted_ledger_brings_no_flood():
    world = World("2026-02-02T01:30")
    world.marks, world.rows = {}, {}
    assert world.tick("2026-02-20T12:00") == []


def first_start(**changes):
    world = World.__new__(World)
    world.marks, world.rows, world.has_model, world.outside = {}, {}, False, ()
    world.configure(**changes)
    return world


def test_an_installation_without_a_model_runs_the_whole_chain_at_once():
    world = first_start()
    for job in ("data_refresh", "bert_embeddings", "model_training", "model_deployment"):
        assert world.tick("2026-02-02T10:15") == [f"{job} first_start"]
        assert world.tick("2026-02-02T10:16") == []
        world.has_model = job == "model_training"
        world.end(job)
    assert world.tick("2026-02-02T10:20") == []


def test_a_first_start_that_fails_skips_the_rest_and_is_tried_again_a_day_later():
    world = first_start()
    world.tick("2026-02-02T10:15")
    world.end("data_refresh", exit_code=1)
    failed = "skipped: upstream failed: data_refresh"
    assert world.tick("2026-02-02T10:16") == [
        f"bert_embeddings {failed}",
        f"model_training {failed}",
        f"model_deployment {failed}",
    ]
    assert world.tick("2026-02-03T01:00") == []
    assert "data_refresh first_start" in world.tick("2026-02-03T10:30")


def test_a_crash_in_the_middle_of_the_first_start_goes_on_where_it_was():
    world = first_start()
    world.tick("2026-02-02T10:15")
    world.end("data_refresh")
    assert world.tick("2026-02-02T11:45") == ["bert_embeddings first_start"]


def test_a_disabled_job_of_the_first_start_is_passed_over():
    world = first_start(bert_embeddings={"enabled": False})
    world.tick("2026-02-02T10:15")
    world.end("data_refresh")
    assert world.tick("2026-02-02T10:20") == [
        "bert_embeddings skipped: paused: disabled in configuration",
        "model_training first_start",
    ]


@pytest.mark.parametrize(
    ("failed", "retries", "seconds"),
    [(1, 0, None), (1, 2, 60), (2, 2, 120), (3, 2, None), (9, 9, 3600)],
)
def test_retries_wait_60_120_240_seconds_and_at_most_an_hour(failed, retries, seconds):
    assert seconds_before_retry(failed, retries) == seconds


def test_a_late_run_counts_as_caught_up_after_a_minute():
    world = World("2026-02-02T01:59")
    assert world.tick("2026-02-02T02:01:00") == ["data_refresh schedule"]
    later = World("2026-02-02T01:59")
    assert later.tick("2026-02-02T02:01:01") == ["data_refresh catch_up"]


def test_the_nominal_day_is_that_of_the_shops_zone():
    world = World("2026-02-02T01:59")
    world.tick("2026-02-02T02:00")
    (row,) = [row for row in world.rows.values() if row.job == "data_refresh"]
    assert row.nominal_day.isoformat() == "2026-02-02"
    assert row.nominal_utc == datetime(2026, 2, 1, 19, 0, tzinfo=UTC)
