import hashlib
import json
import sqlite3
import threading
import tracemalloc
import zipfile
from contextlib import closing
from dataclasses import replace

import pytest
from installation import NEW_MODEL, NOW, OLD_MODEL, write_installation
from loopback import LoopbackService, running, unused_url

from viecomrec.adapters import backup_archive
from viecomrec.adapters.backup_archive import extract
from viecomrec.bootstrap import Installation
from viecomrec.domain.results import PipelineResult
from viecomrec.errors import BackupError, ConfigurationError
from viecomrec.paths import ProjectPaths
from viecomrec.pipelines import backup
from viecomrec.settings import Settings


def opened(root, url=None):
    settings = Settings(service_url=url or unused_url(), admin_token="x" * 20)
    return Installation(ProjectPaths(root), settings, lambda: NOW)


@pytest.fixture
def shop(tmp_path):
    installation = write_installation(tmp_path / "shop")
    installation.registry.update(lambda one: one.confirm(OLD_MODEL).confirm(NEW_MODEL))
    installation.ledger.complete_run(installation.ledger.start_run("data_refresh", {}), {})
    installation.alerts.send("data_refresh", "error", "broken")
    installation.paths.installation_file.write_text('{"installation_id": "here"}')
    (installation.paths.config / "settings.json").write_text('{"training": {"seed": 7}}')
    (installation.paths.published_data).mkdir(parents=True)
    (installation.paths.published_data / "data_product.csv").write_text("product_id\np1\n")
    (installation.paths.merged_events).mkdir()
    installation.paths.comment_scores.mkdir(parents=True)
    (installation.paths.comment_scores / "scores.parquet").write_bytes(b"scores")
    (installation.paths.merged_events / "00000001-a.parquet").write_bytes(b"events")
    return opened(installation.paths.root)


@pytest.fixture
def saved(shop, tmp_path):
    file = tmp_path / "backups" / "shop.zip"
    backup.save(file, shop.backup_tools())
    return file


def bare(tmp_path, name="new"):
    (tmp_path / name).mkdir()
    return opened(tmp_path / name)


def test_a_restored_installation_is_the_saved_one(shop, saved, tmp_path):
    new = bare(tmp_path)
    result = backup.restore(saved, new.backup_tools(), replace=False)
    assert result.status == "success"
    new = opened(new.paths.root)
    assert new.registry.read().models == shop.registry.read().models
    assert new.registry.read().deployed == NEW_MODEL
    for record in new.registry.read().models.values():
        new.models.load(record)
    new.snapshots.require_current().verify()
    assert new.snapshots.require_current().version == shop.snapshots.require_current().version
    assert new.embeddings.current().version == shop.embeddings.current().version
    assert [run.pipeline_name for run in new.ledger.recent_runs()] == ["data_refresh"]
    assert [one.key for one in new.alerts.open_incidents()] == ["data_refresh"]
    assert (new.paths.processed / "interactions.parquet").is_file()
    assert (new.paths.merged_events / "00000001-a.parquet").read_bytes() == b"events"
    assert (new.paths.comment_scores / "scores.parquet").read_bytes() == b"scores"
    assert json.loads(new.paths.settings_file.read_text())["training"] == {"seed": 7}


def test_the_admin_token_does_not_travel(shop, tmp_path):
    shop.paths.admin_token_file.write_text("a-secret-that-stays-at-home")
    file = tmp_path / "b.zip"
    backup.save(file, shop.backup_tools())
    with zipfile.ZipFile(file) as archive:
        assert not any("token" in name for name in archive.namelist())
    assert file.stat().st_mode & 0o077 == 0


def test_a_backup_is_consistent_while_runs_are_recorded(shop, tmp_path):
    stop = threading.Event()

    def record_runs():
        while not stop.is_set():
            shop.ledger.complete_run(shop.ledger.start_run("data_refresh", {}), {})

    thread = threading.Thread(target=record_runs)
    thread.start()
    try:
        backup.save(tmp_path / "b.zip", shop.backup_tools())
    finally:
        stop.set()
        thread.join()
    new = bare(tmp_path)
    backup.restore(tmp_path / "b.zip", new.backup_tools(), replace=False)
    with closing(sqlite3.connect(new.paths.ledger_file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_an_installation_that_stands_here_is_moved_aside_and_only_if_asked(shop, saved, tmp_path):
    other = write_installation(tmp_path / "other", desired=None)
    before = other.registry.read()
    tools = opened(other.paths.root).backup_tools()
    with pytest.raises(BackupError, match="--replace"):
        backup.restore(saved, tools, replace=False)
    assert other.registry.read() == before
    result = backup.restore(saved, tools, replace=True)
    aside = other.paths.root / "before-restore-20260131-080000"
    assert result.moved_aside == str(aside)
    assert opened(aside).registry.read().deployed is None
    assert opened(other.paths.root).registry.read().deployed == NEW_MODEL


@pytest.mark.parametrize("damage", ["cut", "empty", "missing", "other"])
def test_a_damaged_archive_touches_nothing(saved, tmp_path, damage):
    content = saved.read_bytes()
    if damage == "cut":
        saved.write_bytes(content[: len(content) // 2])
    elif damage == "empty":
        saved.write_bytes(b"")
    elif damage == "missing":
        saved.unlink()
    else:
        with zipfile.ZipFile(saved, "w") as archive:
            archive.writestr("readme.txt", "hello")
    new = bare(tmp_path)
    with pytest.raises(BackupError):
        backup.restore(saved, new.backup_tools(), replace=True)
    assert [path for path in new.paths.root.rglob("*") if "locks" not in str(path)] == [
        new.paths.logs
    ]


def test_a_flipped_byte_anywhere_is_found_or_does_not_matter(shop, saved, tmp_path):
    content = saved.read_bytes()
    for number in range(60):
        damaged = bytearray(content)
        damaged[number * len(content) // 60] ^= 0xFF
        (tmp_path / "flipped.zip").write_bytes(damaged)
        folder = tmp_path / f"restored-{number}"
        try:
            manifest = extract(tmp_path / "flipped.zip", folder)
        except BackupError:
            continue
        # A byte of the zip's own bookkeeping: what was restored is right all the same.
        for name, expected in manifest.sha256.items():
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected


@pytest.mark.parametrize("name", ["../outside", "data/../../outside", "/etc/passwd", "secrets/x"])
def test_an_archive_that_leads_outside_is_refused(tmp_path, name):
    file = tmp_path / "evil.zip"
    manifest = {"created_at_utc": "x", "program_version": "0", "installation_id": None}
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, "x")
        archive.writestr("backup.json", json.dumps({**manifest, "sha256": {name: "0"}}))
    with pytest.raises(BackupError, match="no place of an installation"):
        backup.restore(file, bare(tmp_path).backup_tools(), replace=True)
    assert not (tmp_path / "outside").exists()


def test_an_archive_of_a_newer_program_is_refused(tmp_path):
    file = tmp_path / "new.zip"
    content = {
        "schema_version": 99,
        "created_at_utc": "x",
        "program_version": "9",
        "installation_id": None,
        "sha256": {},
    }
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("backup.json", json.dumps(content))
    with pytest.raises(BackupError, match="newer program"):
        backup.restore(file, bare(tmp_path).backup_tools(), replace=True)


def test_nothing_is_restored_under_a_running_pipeline_or_service(shop, saved):
    with shop.lock("data_refresh"):
        (shop.paths.locks / "data_refresh.lock").unlink()  # as the guide tells people to
        with pytest.raises(BackupError, match="data_refresh"):
            backup.restore(saved, shop.backup_tools(), replace=True)
    with running(LoopbackService(live=NEW_MODEL)) as service:
        tools = opened(shop.paths.root, service.url).backup_tools()
        with pytest.raises(BackupError, match="the service"):
            backup.restore(saved, tools, replace=True)


def test_a_backup_that_fails_leaves_no_file(shop, tmp_path):
    shop.paths.snapshot_pointer.write_text("{")
    with pytest.raises(BackupError, match="damaged"):
        backup.save(tmp_path / "b" / "shop.zip", shop.backup_tools())
    assert list((tmp_path / "b").iterdir()) == []


def test_cleanup_and_backup_exclude_each_other(shop, tmp_path):
    with shop.lock("cleanup"), pytest.raises(BackupError, match="cleanup"):
        backup.save(tmp_path / "b.zip", shop.backup_tools())


def refreshing(tools):
    """The tools with a refresh that only says that it was asked for; nobody to erase again."""
    asked = []

    def refresh():
        asked.append(1)
        return {"status": "success"}

    nobody = PipelineResult(status="skipped", message="nobody")
    return replace(tools, refresh=refresh, forget=lambda: nobody), asked


def test_an_erasure_is_in_the_backup_and_forces_a_refresh(shop, tmp_path):
    shop.erased_users.add("u3", NOW)
    backup.save(tmp_path / "b.zip", shop.backup_tools())
    new = bare(tmp_path)
    tools, asked = refreshing(new.backup_tools())
    backup.restore(tmp_path / "b.zip", tools, replace=False)
    assert opened(new.paths.root).erased_users.read() == shop.erased_users.read()
    assert asked == [1]


@pytest.mark.parametrize("erased_before", [False, True])
def test_an_erasure_made_after_the_backup_survives_its_restore(shop, tmp_path, erased_before):
    if erased_before:
        shop.erased_users.add("u3", NOW)
    backup.save(tmp_path / "b.zip", shop.backup_tools())
    known = shop.erased_users.add("u5", NOW)
    tools, asked = refreshing(shop.backup_tools())
    backup.restore(tmp_path / "b.zip", tools, replace=True)
    assert opened(shop.paths.root).erased_users.read() == known
    assert asked == [1]


def test_erasures_of_another_shop_are_not_mixed_up(shop, tmp_path):
    shop.erased_users.add("u3", NOW)
    backup.save(tmp_path / "b.zip", shop.backup_tools())
    other = write_installation(tmp_path / "other")
    known = other.erased_users.add("u3", NOW)
    with pytest.raises(ConfigurationError, match="different shops"):
        backup.restore(tmp_path / "b.zip", opened(other.paths.root).backup_tools(), replace=True)
    assert opened(other.paths.root).erased_users.read() == known


def test_a_large_file_is_not_read_into_memory(shop, tmp_path):
    large = shop.paths.published_data / "data_shop.csv"
    with large.open("wb") as file:
        file.truncate(200 << 20)
    tracemalloc.start()
    try:
        backup.save(tmp_path / "b.zip", shop.backup_tools())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60 << 20
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert archive.getinfo("data/published_data/data_shop.csv").file_size == 200 << 20


def test_a_file_that_is_replaced_all_the_time_is_named(shop, tmp_path, monkeypatch):
    restless = shop.paths.published_data / "data_product.csv"
    original = backup_archive._copy_at_one_instant

    def disturb(file, copy):
        if file == restless:
            restless.write_text(restless.read_text() + "p2\n")
            original(file, copy)
            restless.write_text(restless.read_text() + "p3\n")
            return False
        return original(file, copy)

    monkeypatch.setattr(backup_archive, "_copy_at_one_instant", disturb)
    with pytest.raises(BackupError, match=r"data_product\.csv is being written all the time"):
        backup.save(tmp_path / "b.zip", shop.backup_tools())
    assert not (tmp_path / "b.zip").exists()
