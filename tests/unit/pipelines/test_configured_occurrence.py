"""A foreign scheduler's job waits for the jobs upstream and retries, as the configuration says."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from viecomrec.bootstrap import Installation
from viecomrec.domain.occurrences import State
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.errors import InputError
from viecomrec.paths import ProjectPaths
from viecomrec.settings import Settings

TWO, THREE = "2026-01-30T02:00:00Z", "2026-01-30T03:00:00Z"
YESTERDAY_TWO = "2026-01-29T02:00:00Z"


class Clock:
    """Time that passes only while somebody sleeps; `meanwhile` happens in the first sleep."""

    def __init__(self):
        self.now, self.slept, self.meanwhile = datetime(2026, 1, 30, 3, 0, tzinfo=UTC), [], None

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)
        if self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            happens()


class Shop:
    def __init__(self, root):
        self.clock = Clock()
        self.installation = Installation(ProjectPaths(root), Settings(), self.clock)
        self.config_file = root / "config" / "scheduler_config.json"
        self.configure()

    def configure(self, **training):
        jobs = {
            "data_refresh": {"schedule": {"hour": 2}, "module": "automation.data_refresh"},
            "model_training": {
                "schedule": {"hour": 3},
                "module": "automation.model_training",
                "timeout_seconds": 600,
                **training,
            },
        }
        self.config_file.parent.mkdir(exist_ok=True)
        self.config_file.write_text(json.dumps({"timezone": "UTC", "jobs": jobs}), "utf-8")

    def run(self, job, at, *results):
        self.results = list(results) or [Status.SUCCESS]
        self.n_calls = 0
        return self.installation.run_occurrence(
            job, at, self._work, as_configured=True, sleep=self.clock.sleep
        )

    def _work(self):
        self.n_calls += 1
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return PipelineResult(status=result, message="m")

    def row(self, job):
        return self.installation.management_tools().run_tools.store.recent(job)[0]


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path)


def test_training_runs_after_the_refresh_of_its_day(shop):
    shop.run("data_refresh", TWO)
    assert shop.run("model_training", THREE).status is Status.SUCCESS
    assert shop.clock.slept == []


def test_a_job_behind_a_failed_one_is_skipped_and_says_so(shop):
    shop.run("data_refresh", TWO, Status.FAILED)
    result = shop.run("model_training", THREE)
    assert (result.status, shop.n_calls) == (Status.SKIPPED, 0)
    row = shop.row("model_training")
    assert (row.state, row.reason) == (State.SKIPPED, "upstream failed: data_refresh")
    assert "upstream failed: data_refresh" in result.message


def test_a_job_waits_for_one_upstream_that_was_not_fired_yet(shop):
    shop.run("data_refresh", YESTERDAY_TWO)
    shop.clock.meanwhile = lambda: shop.installation.run_occurrence(
        "data_refresh", TWO, lambda: PipelineResult(status=Status.SUCCESS)
    )
    assert shop.run("model_training", THREE).status is Status.SUCCESS
    assert shop.clock.slept == [5.0]


def test_it_does_not_wait_for_ever(shop):
    shop.run("data_refresh", YESTERDAY_TWO)
    result = shop.run("model_training", THREE)
    assert (result.status, shop.n_calls) == (Status.SKIPPED, 0)
    assert "data_refresh has no result after 600 s" in shop.row("model_training").reason
    assert sum(shop.clock.slept) == 600


def test_a_job_that_was_never_handed_over_binds_nobody(shop):
    assert shop.run("model_training", THREE).status is Status.SUCCESS
    assert shop.clock.slept == []


def test_require_fresh_is_kept(shop):
    shop.configure(require_fresh=True)
    assert shop.run("model_training", THREE).status is Status.SKIPPED
    assert shop.row("model_training").reason == "upstream not fresh: data_refresh"


def test_a_failure_is_retried_as_often_and_as_late_as_configured(shop):
    shop.configure(retries=2, after=[])
    result = shop.run("model_training", THREE, InputError("x"), Status.FAILED, Status.SUCCESS)
    assert (result.status, shop.n_calls) == (Status.SUCCESS, 3)
    assert shop.clock.slept == [60.0, 120.0]
    row = shop.row("model_training")
    assert (row.state, row.exit_code, row.attempt) == (State.RAN, 0, 3)


def test_after_the_last_retry_the_failure_is_the_result(shop):
    shop.configure(retries=1, after=[])
    with pytest.raises(InputError, match="second"):
        shop.run("model_training", THREE, InputError("first"), InputError("second"))
    row = shop.row("model_training")
    assert (row.state, row.exit_code, row.attempt, row.error) == (State.RAN, 1, 2, "second")


def test_without_as_configured_nothing_is_waited_for_or_retried(shop):
    shop.configure(retries=5)
    shop.run("data_refresh", TWO, Status.FAILED)
    result = shop.installation.run_occurrence(
        "model_training", THREE, lambda: PipelineResult(status=Status.FAILED)
    )
    assert (result.exit_code, shop.clock.slept) == (1, [])
