import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from viecomrec.adapters.alerts import AlertLog
from viecomrec.domain.alerts import Alert
from viecomrec.errors import AlertError

AT = datetime(2026, 1, 30, 2, 15, tzinfo=UTC)
HANOI = ZoneInfo("Asia/Ho_Chi_Minh")


def alert(**fields):
    common = {"pipeline_name": "model_training", "severity": "error", "message": "m", "at": AT}
    return Alert(**{**common, **fields})


def test_an_alert_is_one_line_of_json_with_its_vietnamese_intact(tmp_path):
    file = tmp_path / "logs" / "alerts.jsonl"
    log = AlertLog(file, HANOI)
    log.append(alert(message="Huấn luyện\nthất bại", details={"epoch": 10}))
    log.append(alert(pipeline_name="data_refresh", severity="info", message="ok"))
    first, second = file.read_text("utf-8").splitlines()
    assert "Huấn luyện" in first
    assert json.loads(first) == {
        "timestamp": "2026-01-30T09:15:00",
        "timestamp_utc": "2026-01-30T02:15:00+00:00",
        "pipeline_name": "model_training",
        "severity": "error",
        "message": "Huấn luyện\nthất bại",
        "details": {"epoch": 10},
    }
    assert json.loads(second)["details"] == {}


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "logs").write_text("a file where the folder should be")
    with pytest.raises(AlertError, match=r"alerts\.jsonl cannot be written"):
        AlertLog(tmp_path / "logs" / "alerts.jsonl", HANOI).append(alert())
