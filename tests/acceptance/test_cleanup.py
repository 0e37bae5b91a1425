"""Section 7 of the guide, line by line: targets, policies, flags, output."""

import os
from datetime import UTC, datetime, timedelta

import doors
import pytest
from installation import NEW_MODEL, OLD_MODEL, write_installation, write_model


def age(path, days):
    at = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    for one in (*path.rglob("*"), path):
        os.utime(one, (at, at))


@pytest.fixture
def shop(tmp_path):
    installation = write_installation(tmp_path)
    for number in range(1, 7):
        write_model(installation, f"als_202602{number:02}_v1", seed=number)
    installation.registry.update(lambda one: one.confirm(OLD_MODEL))
    logs = installation.paths.scheduler_logs
    logs.mkdir(parents=True)
    for name, days in (("data_refresh_20250101_020000.log", 31), ("scheduler.log", 0)):
        (logs / name).write_bytes(b"x" * 1024 * 1024)
        age(logs / name, days)
    checkpoints = installation.paths.checkpoints / "als"
    checkpoints.mkdir(parents=True)
    for number in range(5):
        (checkpoints / f"{number}.npz").write_bytes(b"x" * 1024)
        age(checkpoints / f"{number}.npz", 10 - number)
    age(installation.paths.models / "als", 5)
    return installation


def cleanup(shop, *flags):
    return doors.run("cleanup", *flags, project=shop.paths.root)


def by_type(answer):
    return {one["type"]: one for one in answer.result["results"]}


def test_dry_run_all_has_the_output_of_the_guide_and_deletes_nothing(shop):
    before = sorted(shop.paths.root.rglob("*"))
    answer = cleanup(shop, "--dry-run", "--type", "all")
    assert answer.code == 0
    assert (answer.result["status"], answer.result["dry_run"]) == ("success", True)
    assert [one["type"] for one in answer.result["results"]][:3] == [
        "logs",
        "checkpoints",
        "models",
    ]
    for one in answer.result["results"]:
        assert {"type", "deleted_count", "deleted_size_mb"} <= one.keys()
    assert by_type(answer)["logs"]["deleted_count"] == 1
    assert by_type(answer)["logs"]["deleted_size_mb"] == 1.0
    assert answer.result["total_freed_mb"] >= 1.0
    assert sorted(shop.paths.root.rglob("*")) == before


@pytest.mark.parametrize(("kind", "count"), [("logs", 1), ("checkpoints", 2), ("models", 2)])
def test_a_dry_run_of_one_type_shows_that_type_alone(shop, kind, count):
    answer = cleanup(shop, "--type", kind, "--dry-run")
    assert [(one["type"], one["deleted_count"]) for one in answer.result["results"]] == [
        (kind, count)
    ]
    assert len(list(shop.paths.checkpoints.rglob("*.npz"))) == 5


def test_logs_are_kept_for_30_days(shop):
    assert by_type(cleanup(shop, "--type", "logs"))["logs"]["deleted_count"] == 1
    assert [file.name for file in shop.paths.scheduler_logs.iterdir()] == ["scheduler.log"]


def test_the_last_3_checkpoints_of_a_type_are_kept(shop):
    cleanup(shop, "--type", "checkpoints")
    left = sorted(file.name for file in (shop.paths.checkpoints / "als").iterdir())
    assert left == ["2.npz", "3.npz", "4.npz"]


def test_the_last_5_models_and_the_deployed_one_are_kept(shop):
    listed = shop.registry.read()
    created = {
        model_id: (datetime.now(UTC) - timedelta(days=30 - rank)).isoformat()
        for rank, model_id in enumerate(sorted(listed.models))
    }
    dated = {
        key: record.model_copy(update={"created_at_utc": created[key]})
        for key, record in listed.models.items()
    }
    shop.registry.update(lambda one: one.model_copy(update={"models": dated, "desired": None}))
    cleanup(shop, "--type", "models")
    left = set(shop.registry.read().models)
    assert left == {OLD_MODEL, *(f"als_202602{number:02}_v1" for number in range(2, 7))}
    assert {folder.name for folder in (shop.paths.models / "als").iterdir()} == left
    assert NEW_MODEL not in left


def test_without_flags_everything_is_cleaned_and_the_run_is_on_record(shop):
    answer = cleanup(shop)
    assert (answer.code, answer.result["dry_run"]) == (0, False)
    assert shop.ledger.recent_runs("cleanup")[0].status == "completed"


def test_an_unknown_type_is_exit_code_2(shop):
    process = doors.start("cleanup", "--type", "everything", project=shop.paths.root)
    process.communicate(timeout=60)
    assert process.returncode == 2
