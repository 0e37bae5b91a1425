from datetime import UTC, datetime

from viecomrec.adapters.deployment_journal import DeploymentJournal
from viecomrec.domain.deployment import Asked, DeploymentRecord, DeploymentState


def record(model_id):
    return DeploymentRecord(
        deployment_id="d",
        timestamp="2025-01-30T12:00:00",
        timestamp_utc=datetime(2025, 1, 30, 5, tzinfo=UTC),
        state=DeploymentState.DEPLOYED,
        model_id=model_id,
        previous_model_id=None,
        live_model_id=model_id,
        asked=Asked.BEST,
        reason="tên có dấu",
    )


def test_what_is_appended_is_read_back_in_order(tmp_path):
    journal = DeploymentJournal(tmp_path / "logs" / "deployment_history.jsonl")
    assert journal.read() == []
    for model_id in ("a", "b"):
        journal.append(record(model_id))
    assert journal.read() == [record("a"), record("b")]


def test_appending_never_changes_what_stands_there(tmp_path):
    file = tmp_path / "deployment_history.jsonl"
    journal = DeploymentJournal(file)
    journal.append(record("a"))
    before = file.read_bytes()
    journal.append(record("b"))
    assert file.read_bytes().startswith(before)


def test_a_line_torn_by_a_crash_does_not_swallow_the_next_one(tmp_path):
    file = tmp_path / "deployment_history.jsonl"
    journal = DeploymentJournal(file)
    journal.append(record("a"))
    with file.open("ab") as torn:
        torn.write(b'{"deployment_id": "to')
    journal.append(record("b"))
    assert [one.model_id for one in journal.read()] == ["a", "b"]
