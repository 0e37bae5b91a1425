"""The demo's order of steps, with doors and a service that answer as the test says."""

import itertools
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from viecomrec.adapters.demo_shop import DemoShopFiles
from viecomrec.adapters.door_process import DoorOutcome
from viecomrec.domain.demo import Step
from viecomrec.domain.results import Status
from viecomrec.errors import DemoError, ServiceError
from viecomrec.paths import ProjectPaths
from viecomrec.pipelines import demo

URL = "http://127.0.0.1:1"
MODEL = "als_20260101_v1"
HEALTHY = {"overall_status": "healthy", "components": {}}

FIRST_RUN = {
    "data_refresh": {
        "status": "success",
        "n_interactions": 2400,
        "n_users": 2000,
        "n_trainable_users": 180,
        "n_quarantined": 5,
    },
    "bert_embeddings": {"status": "success", "message": "400 products embedded"},
    "model_training": {"status": "success", "message": "Trained", "current_best": MODEL},
    "model_deployment": {"status": "success", "message": "Deployed", "model_id": MODEL},
    "health_check": HEALTHY,
}
NOTHING_NEW = {
    "data_refresh": {"status": "skipped", "message": "No new data"},
    "bert_embeddings": {"status": "skipped", "message": "Fresh (0 days old)"},
    "model_training": {"status": "skipped", "message": "No new data"},
    "model_deployment": {"status": "skipped", "message": "deployed already", "model_id": MODEL},
    "health_check": HEALTHY,
}


@dataclass
class Doors:
    answers: dict
    exit_codes: dict = field(default_factory=dict)
    calls: list = field(default_factory=list)

    def run(self, door, arguments=(), environment=None):
        self.calls.append((door, tuple(arguments), dict(environment or {})))
        return DoorOutcome(self.exit_codes.get(door, 0), self.answers[door], Path("door.log"))


@dataclass
class Screen:
    steps: list = field(default_factory=list)
    asked: list = field(default_factory=list)
    health: list = field(default_factory=list)

    def begin(self, step):
        self.steps.append(step)

    def end(self, report):
        self.steps[-1] = report

    def show_recommendations(self, customer, answer):
        self.asked.append((customer.user_id, answer))

    def show_health(self, report):
        self.health.append(report)


class Snapshots:
    def require_current(self):
        at = datetime(2026, 1, 1, tzinfo=UTC)
        row = {"user_id": "7", "product_id": "1", "user_index": None, "at": at, "is_positive": True}
        return SimpleNamespace(
            interactions=lambda: pl.DataFrame([row], schema_overrides={"user_index": pl.Int32}),
            products=lambda: pl.DataFrame(
                {"product_id": ["1"], "name": ["Kem"], "variant_group": ["1"]}
            ),
        )


class World:
    def __init__(self, tmp_path, answers):
        self.paths = ProjectPaths(tmp_path)
        self.doors = Doors(answers)
        self.screen = Screen()
        self.running = []
        self.items = [{"rank": 1, "product_id": "2", "name": "Toner"}]

    @contextmanager
    def service(self):
        self.running.append("started")
        try:
            yield URL
        finally:
            self.running.append("stopped")

    def connect(self, url):
        assert url == URL

        def recommend(_user_id, topk, *, exclude_seen):
            assert exclude_seen
            return {"items": self.items[:topk]}

        return SimpleNamespace(recommend=recommend)

    def run(self):
        tools = demo.DemoTools(
            shop=DemoShopFiles(
                self.paths.published_data,
                self.paths.demo_shop_marker,
                self.paths.settings_file,
                self.paths.scheduler_config_file,
            ),
            doors=self.doors,
            snapshots=Snapshots(),
            start_service=self.service,
            connect=self.connect,
            screen=self.screen,
            clock=itertools.count().__next__,
        )
        return demo.run(demo.DemoRequest(n_users=2000, seed=7), tools)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, dict(FIRST_RUN))


def test_every_step_runs_in_its_order_through_the_doors(world):
    result = world.run()
    assert result.status is Status.SUCCESS
    assert [report.step for report in world.screen.steps] == list(Step)
    assert [door for door, *_ in world.doors.calls] == [
        "data_refresh",
        "bert_embeddings",
        "model_training",
        "model_deployment",
        "health_check",
    ]
    assert world.doors.calls[2][1] == ("--auto-select",)


def test_deployment_and_health_ask_the_service_that_runs(world):
    world.run()
    addresses = {door: environment for door, _, environment in world.doors.calls}
    assert addresses["model_deployment"] == addresses["health_check"] == {"SERVICE_URL": URL}
    assert world.running == ["started", "stopped"]


def test_it_asks_for_the_customers_and_shows_what_came(world):
    world.run()
    assert [user_id for user_id, _ in world.screen.asked] == ["7", "khach-moi"]
    assert world.screen.health == [HEALTHY]


def test_a_first_run_changed_something_and_a_second_did_not(world):
    assert world.run().is_unchanged is False
    world.doors.answers.update(NOTHING_NEW)
    assert world.run().is_unchanged is True


def test_a_second_run_writes_nothing_itself(world, tmp_path):
    world.run()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    world.run()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_the_time_of_a_step_is_measured(world):
    world.run()
    assert {report.seconds for report in world.screen.steps} == {1}


@pytest.mark.parametrize(
    ("door", "step"),
    [
        ("data_refresh", "Step 2 of 8, Data refresh"),
        ("bert_embeddings", "Step 3 of 8, Text embeddings"),
        ("model_training", "Step 4 of 8, Training"),
        ("model_deployment", "Step 6 of 8, Deployment"),
    ],
)
def test_a_failing_door_is_named_and_nothing_goes_on(world, door, step):
    world.doors.answers[door] = {"status": "failed", "message": "disk full"}
    world.doors.exit_codes[door] = 1
    with pytest.raises(DemoError, match=rf"{step}, failed: disk full .*door\.log"):
        world.run()
    assert world.doors.calls[-1][0] == door
    assert world.running in ([], ["started", "stopped"])


def test_a_shop_too_small_to_beat_popularity_says_so(world):
    world.doors.answers["model_training"] = {"status": "success", "message": "Trained als_1"}
    with pytest.raises(DemoError, match=r"Step 4 .*choose more with --users"):
        world.run()


def test_a_shop_too_small_says_so_again_at_the_second_run(world):
    world.doors.answers.update(NOTHING_NEW)
    world.doors.answers["model_deployment"] = {"status": "skipped", "message": "No model"}
    with pytest.raises(DemoError, match=r"Step 6 .*nothing to deploy: No model"):
        world.run()


def test_critical_health_is_shown_and_then_fails(world):
    world.doors.answers["health_check"] = {"overall_status": "critical", "components": {}}
    world.doors.exit_codes["health_check"] = 1
    with pytest.raises(DemoError, match="Step 8 of 8, Health check, failed"):
        world.run()
    assert world.screen.health
    assert world.running[-1] == "stopped"


def test_a_deployment_that_waits_for_a_service_is_a_failure_here(world):
    world.doors.answers["model_deployment"] = {"status": "pending", "message": "Service offline"}
    with pytest.raises(DemoError, match="could not be reached: Service offline"):
        world.run()


def test_pitfall_11_an_empty_list_is_a_failure(world):
    world.items = []
    with pytest.raises(DemoError, match="For user 7 the service gave an empty list"):
        world.run()


def test_what_a_customer_has_already_is_never_recommended(world):
    world.items = [{"rank": 1, "product_id": "1", "name": "Kem"}]
    with pytest.raises(DemoError, match=r"For user 7 .* bought already: Kem"):
        world.run()


def test_a_service_that_does_not_start_is_named(world):
    @contextmanager
    def broken():
        raise ServiceError("the service ended while it started")
        yield

    world.service = broken
    with pytest.raises(DemoError, match="Step 5 of 8, Service, failed: the service ended"):
        world.run()


def test_a_real_shop_stops_the_demo_before_any_door_runs(world):
    world.paths.published_data.mkdir(parents=True)
    (world.paths.published_data / "data_product.csv").write_text("product_id\n")
    with pytest.raises(DemoError, match="the demo did not write"):
        world.run()
    assert world.doors.calls == []
