from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest

from viecomrec.domain.results import PipelineResult, Status
from viecomrec.errors import TrainingError
from viecomrec.pipelines.runner import run_pipeline
from viecomrec.service.console.messages import twin_of
from viecomrec.service.console.words import Language


@dataclass
class Records:
    """A tracker, a lock and an alert channel that remember what they were told."""

    acquired: bool = True
    runs: list = field(default_factory=list)
    alerts: list = field(default_factory=list)
    resolved: list = field(default_factory=list)

    def start_run(self, pipeline_name, config):
        self.runs.append(("started", pipeline_name, config))
        return "run-1"

    def complete_run(self, run_id, result):
        self.runs.append(("completed", run_id, result))

    def fail_run(self, run_id, error_message):
        self.runs.append(("failed", run_id, error_message))

    @contextmanager
    def lock(self):
        yield self

    def send(self, *alert):
        self.alerts.append(alert)

    def run(self, work):
        return run_pipeline(
            "data_refresh",
            work,
            tracker=self,
            lock=self.lock(),
            send_alert=self.send,
            resolve_alert=self.resolved.append,
            config={"force": True},
        )


def test_a_run_that_ends_well_is_on_record_and_says_its_id():
    records = Records()
    result = records.run(lambda: PipelineResult(status=Status.SUCCESS, rows=3))
    assert result.as_json() == {"status": "success", "rows": 3, "run_id": "run-1"}
    assert records.runs == [
        ("started", "data_refresh", {"force": True}),
        ("completed", "run-1", result.as_json()),
    ]
    assert records.alerts == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
@pytest.mark.parametrize(
    "write",
    [
        lambda: Path("/dev/full").write_bytes(b"x" * 10_000),
        lambda: pl.DataFrame({"x": range(100_000)}).write_parquet("/dev/full"),
        lambda: pl.DataFrame({"x": range(100_000)}).lazy().sink_csv("/dev/full"),
    ],
)
def test_a_full_disk_is_a_failed_run_that_says_what_to_do(write):
    records = Records()
    result = records.run(write)
    assert result.status is Status.FAILED
    assert result.message.startswith("The disk is full")
    assert "automation.cleanup" in result.message
    assert records.runs[-1] == ("failed", "run-1", result.message)
    assert records.alerts == [("data_refresh", "error", result.message, {"run_id": "run-1"})]
    assert twin_of(result.message, Language.VI)


def test_pitfall_30_a_run_that_ends_well_ends_the_open_incident():
    records = Records()
    records.run(lambda: PipelineResult(status=Status.SUCCESS))
    records.run(lambda: PipelineResult(status=Status.FAILED))
    assert records.resolved == ["data_refresh"]


def test_a_second_run_at_the_same_time_is_skipped_without_a_row():
    records = Records(acquired=False)
    result = records.run(lambda: pytest.fail("must not run"))
    assert result.as_json() == {"status": "skipped", "message": "Already running"}
    assert result.exit_code == 0
    assert records.runs == []


def test_pitfall_9_an_error_of_ours_is_a_failed_run_and_an_alert():
    records = Records()

    def work():
        raise TrainingError("no positive event")

    result = records.run(work)
    assert (result.status, result.exit_code) == (Status.FAILED, 1)
    assert records.runs[-1] == ("failed", "run-1", "no positive event")
    assert records.alerts == [("data_refresh", "error", "no positive event", {"run_id": "run-1"})]


def test_a_returned_failure_counts_as_one():
    records = Records()
    records.run(lambda: PipelineResult(status=Status.FAILED, message="below the floor"))
    assert records.runs[-1] == ("failed", "run-1", "below the floor")
    assert len(records.alerts) == 1


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), KeyboardInterrupt()])
def test_a_defect_is_on_record_and_keeps_its_trace(error):
    records = Records()

    def work():
        raise error

    with pytest.raises(type(error)):
        records.run(work)
    assert records.runs[-1][0] == "failed"
    assert type(error).__name__ in records.runs[-1][2]
