from datetime import UTC, datetime, timedelta

import pytest

from viecomrec.domain.deployment import Asked, DeploymentRecord, DeploymentState, TrafficSeen
from viecomrec.domain.deployment_watch import (
    WatchLimits,
    chance_of_as_many,
    deployment_to_watch,
    what_got_worse,
)

NOW = datetime(2025, 1, 30, 5, tzinfo=UTC)
LIMITS = WatchLimits()
BEFORE = TrafficSeen(n_requests=10_000, n_errors=10, n_empty=20, latency_ms_p95=30)


def record(state=DeploymentState.DEPLOYED, *, hours_ago=1.0, asked=Asked.BEST, previous="old"):
    at = NOW - timedelta(hours=hours_ago)
    return DeploymentRecord(
        deployment_id="d",
        timestamp=at.isoformat(),
        timestamp_utc=at,
        state=state,
        model_id="new",
        previous_model_id=previous,
        live_model_id="new",
        asked=asked,
    )


def after(n_requests=1_000, **counts):
    return TrafficSeen(n_requests=n_requests, latency_ms_p95=30).model_copy(update=counts)


def test_a_fresh_deployment_with_a_way_back_is_watched():
    assert deployment_to_watch([record()], NOW, LIMITS.window) == record()


@pytest.mark.parametrize(
    "last",
    [
        record(hours_ago=4),
        record(hours_ago=-1),
        record(DeploymentState.ROLLED_BACK),
        record(DeploymentState.VERIFYING),
        record(asked=Asked.ROLLBACK),
        record(previous=None),
    ],
)
def test_nothing_else_is_watched(last):
    assert deployment_to_watch([record(), last], NOW, LIMITS.window) is None


def test_the_same_traffic_is_not_worse():
    assert what_got_worse(BEFORE, after(n_errors=1, n_empty=2), LIMITS) is None


@pytest.mark.parametrize(
    ("counts", "named"),
    [
        ({"n_errors": 60}, "errors: 6.0% instead of 0.1%"),
        ({"n_empty": 300}, "empty answers: 30.0% instead of 0.2%"),
        ({"latency_ms_p95": 90}, "latency (p95): 90 ms instead of 30 ms"),
    ],
)
def test_what_got_worse_is_named(counts, named):
    assert what_got_worse(BEFORE, after(**counts), LIMITS) == named


def test_a_few_answers_prove_nothing():
    assert what_got_worse(BEFORE, after(n_requests=99, n_errors=99), LIMITS) is None


def test_a_rise_that_chance_can_make_is_not_worse():
    assert what_got_worse(BEFORE, after(n_requests=100, n_errors=3), LIMITS) is None
    few_before = TrafficSeen(n_requests=100, n_errors=3)
    assert what_got_worse(few_before, after(n_requests=100, n_errors=9), LIMITS) is None


@pytest.mark.parametrize("table", [(3, 100, 9, 100), (10, 10_000, 3, 100), (0, 50, 1, 60)])
def test_the_chance_is_that_of_fishers_exact_test(table):
    from scipy.stats import fisher_exact

    was, n_was, now, n_now = table
    rows = [[now, n_now - now], [was, n_was - was]]
    expected = fisher_exact(rows, alternative="greater").pvalue
    assert chance_of_as_many(*table) == pytest.approx(expected)


def test_if_nobody_ever_failed_nothing_is_unlikely():
    assert chance_of_as_many(0, 1000, 0, 1000) == pytest.approx(1)


def test_a_small_rise_that_is_certain_does_not_matter():
    many = TrafficSeen(n_requests=10_000_000)
    assert what_got_worse(many, after(n_requests=10_000_000, n_errors=100_000), LIMITS) is None


def test_a_fast_answer_is_fast_enough_whatever_it_was():
    quick = BEFORE.model_copy(update={"latency_ms_p95": 1.0})
    assert what_got_worse(quick, after(latency_ms_p95=20), LIMITS) is None


def test_without_traffic_before_a_model_that_fails_is_still_found():
    assert "errors" in what_got_worse(None, after(n_errors=200), LIMITS)
    assert what_got_worse(None, after(latency_ms_p95=900), LIMITS) is None
