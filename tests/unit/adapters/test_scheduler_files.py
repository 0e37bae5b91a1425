import json
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from viecomrec.adapters.scheduler_files import ConfigFile, StopRequest, TaskStatusFile
from viecomrec.domain.occurrences import Cause, OccurrenceRecord, State
from viecomrec.errors import ConfigurationError


@pytest.fixture
def file(tmp_path):
    return tmp_path / "config" / "scheduler_config.json"


def write(file, text):
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())


def test_a_missing_file_means_the_shipped_jobs(file):
    assert len(ConfigFile(file).read().jobs) == 7
    assert ConfigFile(file).content_hash() is None


def test_pitfall_32_a_file_that_disappeared_is_an_error_where_it_was_in_force(file):
    with pytest.raises(ConfigurationError, match="has disappeared"):
        ConfigFile(file).read_existing()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{\n  broken", r"not valid JSON: line 2, column 3"),
        (b"\xff\xfe{", "not UTF-8"),
        ('{"jobs": {"a": {}, "a": {}}}', "the key 'a' stands there twice"),
        ('{"jobs": {"a": {"day": 1}}}', r"scheduler_config\.json: job a: the key 'day'"),
    ],
)
def test_a_file_that_cannot_be_used_says_where(file, text, message):
    write(file, text)
    with pytest.raises(ConfigurationError, match=message):
        ConfigFile(file).read()


def test_an_edit_changes_one_job_and_a_wrong_edit_changes_nothing(file):
    config = ConfigFile(file)
    config.edit_job("cleanup", lambda job: {**job, "enabled": False})
    assert config.read().job("cleanup").enabled is False
    assert config.read().job("model_training").args == ("--auto-select",)
    before = file.read_bytes()
    with pytest.raises(ConfigurationError, match="minute is 99"):
        config.edit_job("cleanup", lambda job: {**job, "schedule": {"minute": 99}})
    with pytest.raises(ConfigurationError, match="no job 'nobody'"):
        config.edit_job("nobody", lambda job: job)
    assert file.read_bytes() == before


def row(job, **changes):
    at = datetime(2025, 1, 29, 19, 15, tzinfo=UTC)
    content = {
        "job": job,
        "nominal_utc": at,
        "nominal_day": date(2025, 1, 30),
        "state": State.RAN,
        "cause": Cause.SCHEDULE,
        "decided_at_utc": at,
        "ended_at_utc": at,
        "exit_code": 0,
    }
    return OccurrenceRecord(**{**content, **changes})


def test_the_status_file_has_the_guides_shape_in_local_time(tmp_path):
    status = TaskStatusFile(tmp_path / "scheduler" / "task_status.json")
    log_file = "logs/scheduler/data_refresh_20250130_020000.log"
    failed = row("model_training", exit_code=1, error="CUDA out of memory")
    rows = [row("data_refresh", log_file=log_file), failed]
    status.write(rows, ZoneInfo("Asia/Ho_Chi_Minh"))
    content = json.loads((tmp_path / "scheduler" / "task_status.json").read_text("utf-8"))
    assert content == {
        "data_refresh": {
            "status": "success",
            "timestamp": "2025-01-30T02:15:00",
            "exit_code": 0,
            "log_file": log_file,
        },
        "model_training": {
            "status": "failed",
            "timestamp": "2025-01-30T02:15:00",
            "exit_code": 1,
            "error": "CUDA out of memory",
        },
    }


def test_a_stop_request_is_for_one_run_only(tmp_path):
    request = StopRequest(tmp_path / ".stop")
    assert not request.is_for("scheduler_1")
    request.send("scheduler_1")
    assert request.is_for("scheduler_1")
    assert not request.is_for("scheduler_2")
    request.clear()
    assert not request.is_for("scheduler_1")
