from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from viecomrec.adapters.deployment_journal import DeploymentJournal
from viecomrec.domain.deployment import Asked, DeploymentRecord, DeploymentState
from viecomrec.errors import ConfigurationError
from viecomrec.pipelines import deployment_history

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
NOW = datetime(2025, 7, 1, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path):
    journal = DeploymentJournal(tmp_path / "deployment_history.jsonl")
    for hour, model_id in ((3, "first"), (6, "second"), (9, None)):
        journal.append(
            DeploymentRecord(
                deployment_id=str(hour),
                timestamp=f"2025-01-30T{hour + 7:02}:00:00",
                timestamp_utc=datetime(2025, 1, 30, hour, tzinfo=UTC),
                state=DeploymentState.DEPLOYED if model_id else DeploymentState.PENDING,
                model_id=model_id or "third",
                previous_model_id=None,
                live_model_id=model_id,
                asked=Asked.BEST,
            )
        )
    return journal


@pytest.mark.parametrize(
    ("at", "live"),
    [
        ("2025-01-30T12:59:59", "first"),
        ("2025-01-30T13:00", "second"),
        ("2025-01-30T05:59:00+00:00", "first"),
        ("2025-06-01", "second"),
    ],
)
def test_what_was_live_at_a_time_local_unless_it_says_otherwise(journal, at, live):
    assert deployment_history.tell_live_model(journal, at, HANOI, NOW).live_model_id == live


def test_before_the_first_deployment_nothing_was_live(journal):
    result = deployment_history.tell_live_model(journal, "2025-01-30T09:59", HANOI, NOW)
    assert "Before the first deployment" in result.message
    assert "live_model_id" not in result.as_json()


def test_a_time_that_is_none_is_a_wrong_argument(journal):
    with pytest.raises(ConfigurationError, match="yesterday"):
        deployment_history.tell_live_model(journal, "yesterday", HANOI, NOW)


def test_nobody_knows_what_will_be_live(journal):
    with pytest.raises(ConfigurationError, match="lies in the future"):
        deployment_history.tell_live_model(journal, "2025-07-01T07:00:01", HANOI, NOW)
    now = deployment_history.tell_live_model(journal, "2025-07-01T07:00", HANOI, NOW)
    assert now.live_model_id == "second"


def test_the_last_steps_come_newest_first(journal):
    steps = deployment_history.list_steps(journal, 2).as_json()["steps"]
    assert [step["deployment_id"] for step in steps] == ["9", "6"]
