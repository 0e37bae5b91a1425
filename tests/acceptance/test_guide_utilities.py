"""The guide's section on utility components, its snippets to the letter."""

# ruff: noqa: T201 - the snippets print

import json

import pytest


@pytest.fixture
def shop(tmp_path, monkeypatch):
    (tmp_path / "config").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PROJECT_DIR", raising=False)
    return tmp_path


def test_pipeline_tracker(shop):
    from scripts.utils import PipelineTracker

    tracker = PipelineTracker()

    # Start run
    run_id = tracker.start_run("data_refresh", {"force": True})

    # Complete run
    tracker.complete_run(run_id, {"status": "success", "records": 1000})
    assert tracker.get_stats(days=7) == {
        "days": 7,
        "stats_by_pipeline": {
            "data_refresh": {"total": 1, "completed": 1, "failed": 0, "success_rate": 1.0}
        },
    }

    # Or fail run
    tracker.fail_run(run_id, "Connection timeout")

    # Get stats
    stats = tracker.get_stats(days=7)
    assert stats["stats_by_pipeline"]["data_refresh"]["failed"] == 1
    assert (shop / "logs" / "pipeline_metrics.db").is_file()


def test_six_of_seven_runs_are_a_rate_of_0_857(shop):
    from scripts.utils import PipelineTracker

    tracker = PipelineTracker()
    for number in range(7):
        run_id = tracker.start_run("data_refresh", {})
        if number:
            tracker.complete_run(run_id, {})
        else:
            tracker.fail_run(run_id, "Connection timeout")
    assert tracker.get_stats(days=7) == {
        "days": 7,
        "stats_by_pipeline": {
            "data_refresh": {"total": 7, "completed": 6, "failed": 1, "success_rate": 0.857}
        },
    }


def test_pipeline_lock(shop, capsys):
    from scripts.utils import PipelineLock

    def run_pipeline():
        with PipelineLock("data_refresh", timeout=3600) as lock:
            if lock.acquired:
                print("running")
            else:
                print("Pipeline already running")

    with PipelineLock("data_refresh", timeout=3600) as lock:
        if lock.acquired:
            run_pipeline()
        else:
            print("unexpected")
    run_pipeline()
    assert capsys.readouterr().out == "Pipeline already running\nrunning\n"


def test_clearing_all_locks_as_the_guide_says_while_one_is_held_makes_no_second_holder(shop):
    from scripts.utils import PipelineLock

    with PipelineLock("data_refresh") as lock:
        assert lock.acquired
        for file in (shop / "logs" / "locks").glob("*.lock"):
            file.unlink()
        with PipelineLock("data_refresh") as second:
            assert not second.acquired


def test_retry_decorator(monkeypatch):
    from scripts.utils import retry

    waits = []
    monkeypatch.setattr("time.sleep", waits.append)

    @retry(max_attempts=3, delay=60, backoff=2)
    def unreliable_operation():
        raise ConnectionError("may fail sometimes")

    with pytest.raises(ConnectionError):
        unreliable_operation()
    # Attempts at: 0s, 60s, 120s (total 3 attempts)
    assert waits == [60, 120]


def test_send_pipeline_alert(shop):
    from scripts.utils import send_pipeline_alert

    send_pipeline_alert(
        pipeline_name="model_training",
        severity="error",  # info, warning, error
        message="Training failed: CUDA OOM",
        details={"model": "als", "epoch": 10},
    )
    alert = json.loads((shop / "logs" / "alerts.jsonl").read_text("utf-8"))
    assert alert["pipeline_name"] == "model_training"
    assert alert["details"] == {"model": "als", "epoch": 10}


def test_resetting_the_tracker_by_deleting_its_file_starts_an_empty_history(shop):
    from scripts.utils import PipelineTracker

    tracker = PipelineTracker()
    tracker.complete_run(tracker.start_run("data_refresh", {}), {})
    (shop / "logs" / "pipeline_metrics.db").unlink()
    assert tracker.get_stats(days=7) == {"days": 7, "stats_by_pipeline": {}}
