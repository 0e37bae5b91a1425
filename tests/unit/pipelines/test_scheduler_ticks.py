"""Ticks on a real ledger and real files, with a clock in hand and runs that end when told."""

import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from viecomrec.adapters.job_runs import JobRuns
from viecomrec.adapters.occurrences import OccurrenceStore
from viecomrec.adapters.run_folder import RunEnd
from viecomrec.adapters.scheduler_files import ConfigFile, TaskStatusFile
from viecomrec.domain.occurrences import State
from viecomrec.errors import AlertError, ConfigurationError
from viecomrec.pipelines.job_runs import RunTools
from viecomrec.pipelines.scheduler import Scheduler

BEGIN = datetime(2026, 2, 2, 1, 59, tzinfo=UTC)


class RunsInHand(JobRuns):
    """Starts no process: a run begins at once and ends when the test says so."""

    started = ()

    def start(self, spec):
        if spec.command == ["impossible"]:
            raise OSError("no such program")
        self.folder(spec.claim).ask(spec)
        self.folder(spec.claim).mark_begun(1)
        self.started = (*self.started, spec)

    def _is_supervised(self, claim):
        return any(spec.claim == claim for spec in self.started)

    def end(self, exit_code=0, error=None, at=BEGIN, **more):
        spec = self.started[-1]
        self.folder(spec.claim).record_end(RunEnd(exit_code, at.isoformat(), error, **more))


class AlertsInHand:
    def __init__(self):
        self.sent, self.resolved, self.fails = [], [], False

    def send(self, pipeline_name, severity, message, details):
        if self.fails:
            raise AlertError("disk full")
        self.sent.append((pipeline_name, severity, message))

    def resolve(self, pipeline_name, part):
        self.resolved.append((pipeline_name, part))

    def deliver_due(self):
        self.deliver()
        return 0

    def deliver(self):
        pass


class Desk:
    """A scheduler on a desk."""

    def __init__(self, root):
        self.root, self.now = root, BEGIN
        self.database = root / "logs" / "pipeline_metrics.db"
        self.config = root / "config" / "scheduler_config.json"
        self.status = root / "logs" / "scheduler" / "task_status.json"
        self.alerts = AlertsInHand()
        self.store = OccurrenceStore(self.database)
        self.configure()
        self.restart()

    def configure(self, text=None, **changes):
        job = {"schedule": {"hour": 2}, "module": "automation.data_refresh", **changes}
        self.config.parent.mkdir(exist_ok=True)
        content = {"timezone": "UTC", "jobs": {"data_refresh": job}}
        self.config.write_text(json.dumps(content) if text is None else text)

    def restart(self, **changes):
        self.runs = RunsInHand(self.root / "logs" / "scheduler" / ".runs", self.root / "logs/locks")
        tools = RunTools(
            store=self.store,
            runs=self.runs,
            status=TaskStatusFile(self.status),
            alerts=self.alerts,
            now=lambda: self.now,
            zone=ZoneInfo("UTC"),
            project=self.root,
            logs=self.root / "logs" / "scheduler",
            log_limit_bytes=1000,
            grace_seconds=0,
            is_pipeline_running=lambda _: False,
        )
        tools = replace(tools, **changes)
        self.scheduler = Scheduler(tools, ConfigFile(self.config), ZoneInfo, lambda: True)

    def tick(self, after=timedelta(0)):
        self.now += after
        self.scheduler.tick()
        return self.rows

    @property
    def rows(self):
        return [(row.state.value, row.exit_code) for row in self.store.recent()]


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


MINUTE = timedelta(minutes=1)
SOON = timedelta(seconds=6)


def test_a_due_job_is_started_once_and_its_end_recorded_in_the_ledger_and_the_status(desk):
    assert desk.tick() == []
    assert desk.tick(MINUTE) == [("running", None)]
    assert desk.tick(SOON) == [("running", None)]
    (spec,) = desk.runs.started
    assert spec.command[1:] == ["-m", "automation.data_refresh"]
    assert spec.shown_log_file == "logs/scheduler/data_refresh_20260202_020000.log"
    assert spec.environment["PROJECT_DIR"] == str(desk.root)
    desk.runs.end()
    assert desk.tick(SOON) == [("ran", 0)]
    assert json.loads(desk.status.read_text())["data_refresh"]["status"] == "success"
    assert not desk.runs.claims()
    assert desk.alerts.resolved == [("data_refresh", "scheduler")]


def test_the_status_file_is_made_again_from_the_ledger_when_it_was_deleted(desk):
    desk.tick()
    desk.tick(MINUTE)
    desk.runs.end(1, "no data")
    desk.tick(SOON)
    before = desk.status.read_text()
    desk.status.unlink()
    desk.tick(SOON)
    assert desk.status.read_text() == before


def test_a_failure_is_alerted_unless_the_jobs_own_runner_did(desk):
    desk.tick()
    desk.tick(MINUTE)
    desk.runs.end(1, "no data", has_alerted=True)
    desk.tick(SOON)
    assert desk.alerts.sent == []
    desk.tick(timedelta(days=1))
    desk.runs.end(124, "timed out")
    desk.tick(SOON)
    assert desk.alerts.sent == [("data_refresh", "error", "timed out")]


def test_pitfall_29_a_job_that_cannot_start_is_a_failed_row_and_an_alert(desk):
    desk.restart(command_for=lambda _: ["impossible"])
    desk.tick()
    assert desk.tick(MINUTE) == [("ran", 127)]
    assert "could not be started: no such program" in desk.alerts.sent[0][2]


def test_a_failing_job_is_retried_after_60_and_120_seconds_and_alerted_once_at_the_end(desk):
    desk.configure(retries=2)
    desk.restart()
    desk.tick()
    desk.tick(MINUTE)
    for wait in (60, 120):
        desk.runs.end(1, "busy", at=desk.now)
        n_started = len(desk.runs.started)
        desk.tick(timedelta(seconds=1))
        assert desk.store.recent()[0].retry_at_utc is not None
        desk.tick(timedelta(seconds=wait - 5))
        assert len(desk.runs.started) == n_started
        desk.tick(timedelta(seconds=5))
        assert len(desk.runs.started) == n_started + 1
    assert [spec.attempt for spec in desk.runs.started] == [1, 2, 3]
    assert desk.alerts.sent == []
    desk.runs.end(1, "busy", at=desk.now)
    assert desk.tick(SOON) == [("ran", 1)]
    assert desk.alerts.sent == [("data_refresh", "error", "busy")]


def test_a_crash_between_the_decision_and_the_start_loses_nothing(desk, monkeypatch):
    desk.tick()
    monkeypatch.setattr(desk.runs, "start", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        desk.tick(MINUTE)
    assert desk.rows == [("running", None)]
    desk.restart()
    desk.tick(SOON)
    assert len(desk.runs.started) == 1
    desk.runs.end()
    assert desk.tick(SOON) == [("ran", 0)]


def test_a_run_whose_supervisor_died_is_recorded_as_lost_once(desk):
    desk.tick()
    desk.tick(MINUTE)
    desk.restart()
    assert desk.tick(SOON) == [("ran", None)]
    assert "left no result" in desk.store.recent()[0].error
    assert desk.tick(SOON) == [("ran", None)]
    assert len(desk.alerts.sent) == 1


def test_a_result_is_recorded_once_whatever_is_found_of_it_later(desk):
    desk.tick()
    desk.tick(MINUTE)
    desk.runs.end(3, "first")
    folder = desk.runs.folder(desk.runs.claims()[0])
    spec = folder.spec()
    desk.tick(SOON)
    folder.ask(spec)
    desk.runs.end(0)
    assert desk.tick(SOON) == [("ran", 3)]


def test_only_the_run_that_holds_the_claim_may_record_a_result(desk):
    desk.configure(retries=1)
    desk.restart()
    desk.tick()
    desk.tick(MINUTE)
    first = desk.runs.started[0]
    desk.runs.end(1, "first", at=desk.now)
    desk.tick(timedelta(seconds=61))
    desk.tick(SOON)
    assert [spec.attempt for spec in desk.runs.started] == [1, 2]
    desk.runs.folder(first.claim).ask(first)
    desk.runs.folder(first.claim).record_end(RunEnd(0, desk.now.isoformat()))
    assert desk.tick(SOON) == [("running", 1)]


def test_the_ledger_deleted_while_a_job_runs_keeps_its_result_and_repeats_nothing(desk):
    desk.tick()
    desk.tick(MINUTE)
    desk.database.unlink()
    desk.runs.end()
    assert desk.tick(SOON) == [("ran", 0)]
    assert desk.tick(2 * MINUTE) == [("ran", 0)]


def test_the_ledger_deleted_a_moment_before_a_job_is_due_does_not_lose_the_run(desk):
    desk.tick()
    desk.database.unlink()
    assert desk.tick(MINUTE) == [("running", None)]


def test_pitfall_28_a_locked_ledger_is_trouble_alerted_once_and_over_when_it_is_free(desk):
    desk.tick()
    desk.store._database = type(desk.store._database)(desk.database, busy_timeout_seconds=0.01)
    blocker = sqlite3.connect(desk.database, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    for wait in (MINUTE, SOON):
        desk.now += wait
        desk.scheduler.tick()
    ((_, _, message),) = desk.alerts.sent
    assert "locked" in message
    blocker.execute("ROLLBACK")
    blocker.close()
    assert desk.tick(SOON) == [("running", None)]
    assert ("scheduler", "scheduler") in desk.alerts.resolved


def test_an_alert_that_cannot_be_sent_stops_nothing(desk):
    desk.alerts.fails = True
    desk.tick()
    desk.tick(MINUTE)
    desk.runs.end(1, "x")
    assert desk.tick(SOON) == [("ran", 1)]


def test_a_status_file_that_cannot_be_written_stops_nothing(desk):
    desk.status.mkdir(parents=True)
    desk.tick()
    desk.tick(MINUTE)
    desk.runs.end()
    assert desk.tick(SOON) == [("ran", 0)]


def test_a_changed_configuration_is_taken_and_a_wrong_one_refused_with_one_alert(desk):
    desk.tick()
    desk.configure(text="{ broken")
    desk.tick(SOON)
    desk.tick(SOON)
    assert len(desk.alerts.sent) == 1
    assert "The last good configuration stays in force" in desk.alerts.sent[0][2]
    assert desk.tick(MINUTE) == [("running", None)]
    desk.configure(schedule={"hour": 3})
    desk.tick(SOON)
    assert desk.scheduler.config.job("data_refresh").schedule.hour == (3,)


def test_a_configuration_that_is_wrong_at_the_start_stops_the_start(desk):
    desk.configure(text='{"jobs": {"a": {"schedule": {"minute": 61}, "module": "automation.a"}}}')
    with pytest.raises(ConfigurationError, match="job a: schedule: minute is 61"):
        desk.restart()


def test_a_job_that_left_the_configuration_while_it_waited_for_a_retry_ends(desk):
    desk.configure(retries=1)
    desk.restart()
    desk.tick()
    desk.tick(MINUTE)
    desk.runs.end(1, "x", at=desk.now)
    desk.tick(timedelta(seconds=1))
    desk.config.write_text('{"timezone": "UTC", "jobs": {}}')
    desk.tick(timedelta(seconds=70))
    assert desk.rows == [("ran", 127)]
    assert "left the configuration" in desk.store.recent()[0].error


def test_draining_waits_for_a_run_then_asks_it_to_stop(desk):
    desk.tick()
    desk.tick(MINUTE)
    asked = []
    desk.runs.request_stop = lambda claim: (asked.append(claim), desk.runs.end(143, "stopped"))
    desk.scheduler.drain(0)
    assert len(asked) >= 1
    assert desk.rows == [("ran", 143)]


def test_a_claimed_run_is_launched_soon_also_while_other_runs_end_at_every_tick(desk):
    """A scheduler killed between claim and launch; its successor never finds a quiet moment."""
    often = {"schedule": {"minute": "*"}}
    jobs = {
        "data_refresh": {**often, "module": "automation.data_refresh"},
        "health_check": {"schedule": {"hour": 2}, "module": "automation.health_check"},
    }
    desk.config.write_text(json.dumps({"timezone": "UTC", "jobs": jobs}))
    desk.restart()
    desk.tick()
    start = desk.runs.start

    def start_or_die(spec):
        if spec.job == "health_check":
            raise KeyboardInterrupt
        start(spec)

    desk.runs.start = start_or_die
    with pytest.raises(KeyboardInterrupt):
        desk.tick(MINUTE)
    desk.runs.end(at=desk.now)
    desk.restart()
    for _ in range(3):
        desk.tick(MINUTE)
        if desk.runs.started[-1].job == "data_refresh":
            desk.runs.end(at=desk.now)
    assert "health_check" in {spec.job for spec in desk.runs.started}


def test_two_runs_of_one_second_have_two_log_files(desk):
    desk.tick()
    log = Path(desk.root / "logs/scheduler/data_refresh_20260202_020000.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch()
    desk.tick(MINUTE)
    assert desk.runs.started[0].shown_log_file.endswith("data_refresh_20260202_020000_2.log")


def test_a_skipped_time_is_in_the_history_and_starts_nothing(desk):
    desk.configure(enabled=False)
    desk.restart()
    desk.tick()
    desk.tick(MINUTE)
    (row,) = desk.store.recent("data_refresh")
    assert (row.state, row.reason) == (State.SKIPPED, "paused: disabled in configuration")
    assert desk.runs.started == ()


def test_what_a_failure_upstream_stops_is_skipped_with_one_alert(desk):
    door = {"module": "automation.x"}
    jobs = {
        "data_refresh": {**door, "schedule": {"hour": 2}},
        "model_training": {**door, "schedule": {"hour": 2, "minute": 1}},
        "model_deployment": {**door, "schedule": {"hour": 2, "minute": 1}},
    }
    desk.configure(text=json.dumps({"timezone": "UTC", "jobs": jobs}))
    desk.restart()
    desk.tick()
    desk.tick(MINUTE)
    desk.runs.end(1, "no data", has_alerted=True)
    desk.tick(MINUTE)
    assert [row.reason for row in desk.store.recent()[:2]] == [
        "upstream failed: model_training",
        "upstream failed: data_refresh",
    ]
    assert desk.alerts.sent == [
        ("model_training", "error", "skipped: upstream failed: data_refresh")
    ]


def test_a_job_whose_pipeline_somebody_runs_by_hand_was_skipped_and_is_no_success(desk):
    desk.tick()
    desk.tick(MINUTE)
    desk.runs.end(0, was_overlap=True)
    desk.tick(SOON)
    (row,) = desk.store.recent()
    reason = "overlap: a run that the scheduler did not start goes on"
    assert (row.state, row.reason) == (State.SKIPPED, reason)
    assert not desk.runs.claims()
    assert desk.alerts.resolved == []


def test_a_channel_that_hangs_makes_no_job_late(desk):
    started = []
    desk.tick()
    desk.alerts.deliver = lambda: started.append(len(desk.runs.started))
    desk.tick(MINUTE)
    assert started == [1]
