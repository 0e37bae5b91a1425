from datetime import UTC, datetime, timedelta

import pytest

from viecomrec.domain import health_rules as rules
from viecomrec.domain.deployment import LiveModel
from viecomrec.domain.health import (
    ComponentHealth,
    HealthReport,
    Level,
    Say,
    critical,
    healthy,
    type_in,
    warning,
)
from viecomrec.domain.registry import ModelRecord

NOW = datetime(2025, 1, 30, 3, tzinfo=UTC)
URL = "http://localhost:8000"


def days_ago(days):
    return NOW - timedelta(days=days)


def live(model_id="als_20250101_v1", status="ok", installation_id="here"):
    return LiveModel(model_id=model_id, status=status, installation_id=installation_id)


def test_the_worst_check_decides():
    good = healthy("a", "x", Say("fine", "tốt"))
    poor = warning("b", "x", Say("old", "cũ"), type_in("refresh"))
    bad = critical("c", "x", Say("down", "dừng"), type_in("start"))
    assert ComponentHealth(checks=()).status is Level.HEALTHY
    assert ComponentHealth(checks=(good, poor)).status is Level.WARNING
    assert ComponentHealth(checks=(poor, bad, good)).status is Level.CRITICAL


def test_the_report_has_the_keys_of_the_guide_in_its_order():
    health = ComponentHealth(
        checks=(warning("freshness", "data", Say("8 days old", "8 ngày"), type_in("refresh")),)
    )
    report = HealthReport(
        timestamp="2025-01-30T10:00:00",
        timestamp_utc="2025-01-30T03:00:00+00:00",
        components={"data": health},
    ).as_json()
    assert list(report) == ["timestamp", "timestamp_utc", "overall_status", "components"]
    assert report["overall_status"] == "warning"
    assert report["components"] == {
        "data": {
            "status": "warning",
            "checks": [
                {
                    "name": "freshness",
                    "status": "warning",
                    "looked_at": "data",
                    "found": "8 days old",
                    "found_vi": "8 ngày",
                    "action": "refresh",
                    "action_vi": "refresh",
                }
            ],
        }
    }


@pytest.mark.parametrize(
    ("state", "level"),
    [
        (live(), Level.HEALTHY),
        (live(status="degraded"), Level.WARNING),
        (live(model_id=None, status="empty"), Level.CRITICAL),
        (live(status="empty"), Level.CRITICAL),
        (live(installation_id="there"), Level.CRITICAL),
    ],
)
def test_pitfall_11_a_service_without_a_model_is_not_healthy(state, level):
    assert rules.check_loaded_model(URL, state, "here").status is level


@pytest.mark.parametrize("answer", [{}, {"items": []}, {"items": None}])
def test_pitfall_11_an_empty_list_is_critical(answer):
    assert rules.check_answer(URL, answer).status is Level.CRITICAL


def test_a_service_that_serves_what_is_wanted_and_confirmed_is_healthy():
    assert rules.check_served_model("a", "a", "a").status is Level.HEALTHY
    assert "wanted is b" in rules.check_served_model("a", "a", "b").found
    assert "confirmed is b" in rules.check_served_model("a", "b", "a").found


def test_data_older_than_seven_days_is_stale():
    assert rules.check_freshness(days_ago(6.9), None, NOW, 7).status is Level.HEALTHY
    assert rules.check_freshness(days_ago(7), None, NOW, 7).status is Level.WARNING


def test_a_quiet_shop_that_is_looked_through_every_day_is_fresh():
    assert rules.check_freshness(days_ago(30), days_ago(1), NOW, 7).status is Level.HEALTHY
    assert rules.check_freshness(days_ago(30), days_ago(8), NOW, 7).status is Level.WARNING


def test_data_from_the_future_points_at_the_clock():
    check = rules.check_freshness(days_ago(-3), None, NOW, 7)
    assert check.status is Level.WARNING
    assert "clock" in check.action


def test_embeddings_are_missed_when_missing_old_or_degraded():
    def level(model="phobert", days=1.0, degraded=None):
        return rules.check_embeddings(model, days_ago(days), degraded, NOW, 7).status

    assert level() is Level.HEALTHY
    assert level(days=7) is Level.WARNING
    assert level(degraded="the weights are not there") is Level.WARNING
    assert rules.check_embeddings(None, None, None, NOW, 7).status is Level.WARNING


@pytest.mark.parametrize(
    ("above", "level"), [(True, Level.HEALTHY), (False, Level.WARNING), (None, Level.WARNING)]
)
def test_a_model_must_have_been_shown_to_beat_popularity(above, level):
    record = ModelRecord(
        model_id="als_20250101_v1",
        model_type="als",
        path="als/als_20250101_v1",
        created_at_utc=NOW.isoformat(),
        snapshot_version="s",
        above_popularity=above,
    )
    assert rules.check_performance(record).status is level


@pytest.mark.parametrize(
    ("completed", "failed", "level"),
    [(6, 1, Level.HEALTHY), (2, 1, Level.HEALTHY), (1, 1, Level.WARNING), (0, 3, Level.WARNING)],
)
def test_more_than_half_of_the_runs_must_succeed(completed, failed, level):
    rate = completed / (completed + failed)
    counts = {"completed": completed, "failed": failed, "success_rate": rate}
    assert rules.check_success_rate("data_refresh", counts, 7, 0.5).status is level


def test_a_pipeline_that_has_not_ended_a_run_is_not_blamed():
    counts = {"completed": 0, "failed": 0, "success_rate": None}
    assert rules.check_success_rate("data_refresh", counts, 7, 0.5).status is Level.HEALTHY


def test_every_check_that_is_not_healthy_says_what_to_do():
    troubles = [
        rules.check_answer(URL, {}),
        rules.check_dead_runs(["run-1"]),
        rules.check_current_best(None, 0),
        rules.check_served_model("a", "b", "b"),
    ]
    assert all(check.action for check in troubles)
