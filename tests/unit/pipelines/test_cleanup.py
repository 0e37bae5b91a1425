import json
import os
from datetime import timedelta

import pytest
from installation import NEW_MODEL, NOW, OLD_MODEL, write_installation, write_model
from loopback import LoopbackService, running, unused_url

from viecomrec.adapters.deletion import DeletionTree
from viecomrec.bootstrap import Installation
from viecomrec.errors import CleanupError
from viecomrec.pipelines import cleanup
from viecomrec.settings import CleanupSettings

LATER = NOW + timedelta(days=100)
MORE = [f"als_202602{day:02}_v1" for day in range(1, 8)]


@pytest.fixture
def shop(tmp_path):
    installation = write_installation(tmp_path)
    for day, model_id in enumerate(MORE, start=1):
        write_model(installation, model_id, seed=day)
        date_model(installation, model_id, NOW + timedelta(days=day))
    for model_id, days in ((OLD_MODEL, -2), (NEW_MODEL, -1)):
        date_model(installation, model_id, NOW + timedelta(days=days))
    installation.registry.update(lambda one: one.confirm(OLD_MODEL).confirm(NEW_MODEL))
    return installation


def date_model(installation, model_id, at):
    def change(registry):
        dated = registry.record(model_id).model_copy(update={"created_at_utc": at.isoformat()})
        return registry.model_copy(update={"models": {**registry.models, model_id: dated}})

    installation.registry.update(change)
    age(installation.models.folder("als", model_id), at)


def age(path, at):
    for one in (*path.rglob("*"), path):
        os.utime(one, (at.timestamp(), at.timestamp()))


def clean(shop, kind="all", *, dry_run=False, now=LATER, url=None, **numbers):
    settings = shop.settings.model_copy(
        update={"service_url": url or unused_url(), "cleanup": CleanupSettings(**numbers)}
    )
    installation = Installation(shop.paths, settings, lambda: now)
    result = cleanup.run(kind, installation.cleanup_tools(), dry_run=dry_run).as_json()
    return {one["type"]: one for one in result["results"]}, result


def models(shop):
    folders = {path.name for path in (shop.paths.models / "als").iterdir()}
    assert folders == set(shop.registry.read().models)
    return folders


def contents(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_pitfall_34_five_models_are_kept_and_the_deployed_and_its_way_back_too(shop):
    by_kind, _ = clean(shop, "models")
    assert by_kind["models"]["deleted"] == MORE[:2][::-1]
    assert models(shop) == {OLD_MODEL, NEW_MODEL, *MORE[2:]}
    for record in shop.registry.read().models.values():
        shop.models.load(record)


def test_a_pinned_model_and_the_one_in_use_stay(shop):
    shop.registry.update(lambda registry: registry.pin(MORE[1]))
    with running(LoopbackService(live=MORE[0])) as service:
        clean(shop, "models", url=service.url)
    assert {MORE[0], MORE[1]} <= models(shop)


def test_a_dry_run_tells_real_sizes_and_changes_no_byte(shop):
    before = contents(shop.paths.root)
    by_kind, result = clean(shop, dry_run=True)
    assert contents(shop.paths.root) == before
    assert list(by_kind)[:3] == ["logs", "checkpoints", "models"]
    sizes = sum(
        file.stat().st_size
        for model_id in MORE[:2]
        for file in shop.models.folder("als", model_id).iterdir()
    )
    assert by_kind["models"]["deleted_size_mb"] == round(sizes / 1024**2, 2)
    assert (result["status"], result["dry_run"]) == ("success", True)
    assert clean(shop)[1]["total_freed_mb"] == result["total_freed_mb"]


def test_only_job_logs_older_than_30_days_go(shop):
    logs = shop.paths.scheduler_logs
    logs.mkdir(parents=True)
    for name, days in (("old.log", 31), ("new.log", 29), ("task_status.json", 90)):
        (logs / name).write_text("x")
        age(logs / name, LATER - timedelta(days=days))
    for name in ("pipeline_metrics.db", "deployment_history.jsonl", "alerts.jsonl"):
        (shop.paths.logs / name).write_text("x")
        age(shop.paths.logs / name, NOW)
    by_kind, _ = clean(shop, "logs")
    assert by_kind["logs"]["deleted"] == ["old"]
    assert sorted(path.name for path in logs.iterdir()) == ["new.log", "task_status.json"]
    assert (shop.paths.logs / "pipeline_metrics.db").exists()


def test_three_checkpoints_of_each_type_are_kept(shop):
    for model_type in ("als", "bpr"):
        folder = shop.paths.checkpoints / model_type
        folder.mkdir(parents=True)
        for number in range(5):
            (folder / f"{number}.npz").write_bytes(b"x")
            age(folder / f"{number}.npz", NOW + timedelta(days=number))
    clean(shop, "checkpoints")
    left = sorted(path.name for path in shop.paths.checkpoints.rglob("*.npz"))
    assert left == ["2.npz", "2.npz", "3.npz", "3.npz", "4.npz", "4.npz"]


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_a_running_training_uses_is_left_alone_though_its_lock_file_was_deleted(shop, dry_run):
    folder = shop.paths.checkpoints / "als"
    folder.mkdir(parents=True)
    (folder / "0.npz").write_bytes(b"x")
    age(folder / "0.npz", NOW)
    old = shop.paths.snapshots / f"{0:016x}"
    old.mkdir()
    age(old, NOW)
    with shop.lock("model_training"):
        (shop.paths.locks / "model_training.lock").unlink()  # as the guide tells people to
        by_kind, _ = clean(shop, "all", checkpoints=0, versions=1, dry_run=dry_run)
    for kind in ("checkpoints", "snapshots", "embeddings"):
        assert by_kind[kind]["deleted"] == []
        assert by_kind[kind]["note"] == "in use by model_training"
    assert (folder / "0.npz").exists()
    assert old.exists()


def test_pipelines_are_kept_from_beginning_for_the_renames_alone(shop, monkeypatch):
    (shop.paths.checkpoints / "als").mkdir(parents=True)
    (shop.paths.checkpoints / "als" / "0.npz").write_bytes(b"x")
    age(shop.paths.checkpoints / "als" / "0.npz", NOW)
    could_begin = {}

    def look(step):
        original = getattr(DeletionTree, step)

        def looking(*args):
            with shop.lock("model_training") as lock:
                could_begin[step] = lock.acquired
            return original(*args)

        monkeypatch.setattr(DeletionTree, step, looking)

    look("put_away")
    look("sweep")
    clean(shop, "checkpoints", checkpoints=0)
    assert could_begin == {"put_away": False, "sweep": True}
    assert list(shop.paths.checkpoints.rglob("*.npz")) == []


def test_versions_of_the_data_that_something_refers_to_are_kept(shop):
    current = shop.snapshots.require_current().version
    for number in range(5):
        folder = shop.paths.snapshots / f"{number:016x}"
        folder.mkdir()
        age(folder, NOW + timedelta(days=number))
    age(shop.paths.snapshots / current, NOW - timedelta(days=9))
    by_kind, _ = clean(shop, "all")
    assert by_kind["snapshots"]["deleted"] == [f"{number:016x}" for number in (1, 0)]
    assert shop.snapshots.require_current().version == current


def test_quarantined_rows_outlive_their_snapshot_by_30_days(shop):
    current = shop.snapshots.require_current().version
    shop.paths.quarantine.mkdir(parents=True)
    for version in ("gone", current):
        file = shop.paths.quarantine / f"{version}.parquet"
        file.write_bytes(b"x")
        age(file, NOW)
    clean(shop, "all")
    assert [file.stem for file in shop.paths.quarantine.iterdir()] == [current]


def test_merged_events_are_never_deleted(shop):
    file = shop.paths.merged_events / "00000001-abc.parquet"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"the only copy")
    age(file.parent, NOW)
    clean(shop, "all")
    assert file.exists()


@pytest.mark.parametrize("path", ["", ".", "../..", "../../data", f"als/{NEW_MODEL}"])
def test_pitfall_22_a_registry_entry_that_leads_elsewhere_stops_the_cleanup(shop, path):
    listed = json.loads(shop.paths.registry_file.read_text(encoding="utf-8"))
    listed["models"][MORE[0]]["path"] = path
    shop.paths.registry_file.write_text(json.dumps(listed), encoding="utf-8")
    before = {file for file in shop.paths.root.rglob("*") if file.is_file()}
    with pytest.raises(CleanupError, match=r"not inside|not its own folder"):
        clean(shop, "models")
    assert before <= {file for file in shop.paths.root.rglob("*") if file.is_file()}


def test_a_model_whose_folder_is_gone_leaves_the_registry_too(shop):
    folder = shop.models.folder("als", MORE[0])
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    clean(shop, "models")
    assert MORE[0] not in shop.registry.read().models


@pytest.mark.parametrize(("days", "stays"), [(29, True), (31, False)])
def test_a_model_folder_that_no_registry_lists_waits_for_30_days(shop, days, stays):
    folder = shop.models.folder("als", MORE[6])
    listed = shop.registry.read().models
    left = {key: record for key, record in listed.items() if key != MORE[6]}
    shop.registry.update(lambda registry: registry.model_copy(update={"models": left}))
    age(folder, LATER - timedelta(days=days))
    clean(shop, "models")
    assert folder.exists() is stays
