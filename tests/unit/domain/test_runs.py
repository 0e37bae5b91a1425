from datetime import UTC, datetime

from viecomrec.domain.runs import new_run_id, summarise


def test_the_statistics_have_the_shape_and_rounding_of_the_guide():
    counts = [("data_refresh", "completed", 6), ("data_refresh", "failed", 1)]
    assert summarise(7, counts) == {
        "days": 7,
        "stats_by_pipeline": {
            "data_refresh": {"total": 7, "completed": 6, "failed": 1, "success_rate": 0.857}
        },
    }


def test_running_runs_count_in_the_total_but_not_in_the_rate():
    counts = [("x", "completed", 1), ("x", "running", 3)]
    assert summarise(7, counts)["stats_by_pipeline"]["x"] == {
        "total": 4,
        "completed": 1,
        "failed": 0,
        "success_rate": 1.0,
    }


def test_a_rate_of_nothing_is_unknown_rather_than_zero():
    assert summarise(7, [("x", "running", 1)])["stats_by_pipeline"]["x"]["success_rate"] is None


def test_health_checks_are_left_out_of_the_success_rates():
    assert summarise(7, [("health_check", "completed", 168)])["stats_by_pipeline"] == {}


def test_run_ids_of_one_second_differ_by_their_suffix():
    at = datetime(2026, 1, 30, 2, 0, tzinfo=UTC)
    assert new_run_id("data_refresh", at, "0a1b") == "data_refresh_20260130_020000_0a1b"
