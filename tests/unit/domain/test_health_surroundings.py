from datetime import UTC, datetime, timedelta

import pytest

from viecomrec.domain import health_surroundings as rules
from viecomrec.domain.deployment import Asked, DeploymentRecord, DeploymentState
from viecomrec.domain.health import Level

NOW = datetime(2025, 1, 30, tzinfo=UTC)
GB = rules.GIGABYTE


@pytest.mark.parametrize(
    ("free", "total", "level"),
    [
        (50 * GB, 100 * GB, Level.HEALTHY),
        (1 * GB, 100 * GB, Level.WARNING),
        (3 * GB, 1000 * GB, Level.HEALTHY),
        (1 * GB, 10 * GB, Level.HEALTHY),
        (GB // 10, 10 * GB, Level.CRITICAL),
    ],
)
def test_a_disk_is_judged_by_what_is_left(free, total, level):
    assert rules.check_disk(free, total).status is level


def test_a_clock_before_the_last_run_is_noticed():
    assert rules.check_clock(NOW, None).status is Level.HEALTHY
    assert rules.check_clock(NOW, NOW + timedelta(seconds=30)).status is Level.HEALTHY
    check = rules.check_clock(NOW, NOW + timedelta(hours=2))
    assert check.status is Level.WARNING
    assert "clock" in check.action


def test_a_clock_that_differs_from_the_servers_is_noticed_whichever_way():
    near = NOW + timedelta(seconds=30)
    assert rules.check_clock(NOW, None, near).status is Level.HEALTHY
    for minutes in (-10, 10):
        check = rules.check_clock(NOW, None, NOW + timedelta(minutes=minutes))
        assert check.status is Level.WARNING
        assert "by the clock of the database server" in check.found
        assert "time synchronisation" in check.action


def test_a_scheduler_that_stopped_is_a_warning_and_one_never_used_is_none():
    assert rules.check_scheduler(was_started=True, is_alive=True).status is Level.HEALTHY
    assert rules.check_scheduler(was_started=False, is_alive=None).status is Level.HEALTHY
    for alive in (False, None):
        assert rules.check_scheduler(was_started=True, is_alive=alive).status is Level.WARNING


def test_events_may_wait_for_two_days():
    def level(n_pending, days):
        last = None if days is None else NOW - timedelta(days=days)
        return rules.check_backlog(n_pending, last, NOW).status

    assert level(0, None) is Level.HEALTHY
    assert level(500, 1) is Level.HEALTHY
    assert level(1, 3) is Level.WARNING
    assert level(1, None) is Level.WARNING


def record(state, hours_ago, model_id="new"):
    at = NOW - timedelta(hours=hours_ago)
    return DeploymentRecord(
        deployment_id=str(hours_ago),
        timestamp=at.isoformat(),
        timestamp_utc=at,
        state=state,
        model_id=model_id,
        previous_model_id=None,
        live_model_id=None,
        asked=Asked.BEST,
    )


def test_a_deployment_may_be_pending_for_a_day():
    pending, deployed = DeploymentState.PENDING, DeploymentState.DEPLOYED
    fresh = [record(deployed, 50), record(pending, 20)]
    old = [record(deployed, 50), record(pending, 26), record(pending, 2)]
    over = [*old, record(deployed, 1)]
    other = [record(pending, 50, "old"), record(pending, 2)]
    assert rules.check_pending_deployment([], NOW).status is Level.HEALTHY
    assert rules.check_pending_deployment(fresh, NOW).status is Level.HEALTHY
    assert rules.check_pending_deployment(over, NOW).status is Level.HEALTHY
    assert rules.check_pending_deployment(other, NOW).status is Level.HEALTHY
    late = rules.check_pending_deployment(old, NOW)
    assert late.status is Level.WARNING
    assert "26 h" in late.found
