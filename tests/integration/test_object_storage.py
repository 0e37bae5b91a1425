"""An object store with several hosts: conditions, caches, and everything that goes wrong."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import doors
import installation as shop
import pytest
from loopback import unused_url
from s3_server import FORBIDDEN_BUCKET, running_proxy
from server import running_service

from viecomrec.adapters.object_store import ObjectStore
from viecomrec.bootstrap import Installation
from viecomrec.errors import (
    ArtifactStoreError,
    BackupError,
    ConfigurationError,
    SnapshotError,
    StoreChangedError,
    VieComRecError,
)
from viecomrec.paths import ProjectPaths
from viecomrec.pipelines import artifact_upload, backup, doctor
from viecomrec.settings import Settings

TESTS = Path(__file__).resolve().parent.parent

HANGS_AFTER_SOME_FILES = """
import sys, time
sys.path.insert(0, sys.argv[2])
from pathlib import Path
import installation as shop
from viecomrec.adapters.object_store import ObjectStore
from viecomrec.bootstrap import Installation
from viecomrec.paths import ProjectPaths
from viecomrec.settings import Settings

upload, n_sent = ObjectStore.upload, []

def slow(self, key, file):
    upload(self, key, file)
    n_sent.append(key)
    if len(n_sent) == 3:
        print(key, flush=True)
        time.sleep(600)

ObjectStore.upload = slow
host = Installation(ProjectPaths(Path(sys.argv[1])), Settings(), lambda: shop.NOW)
shop.write_snapshot(host, n_extra_products=1)
"""


def connect(url: str) -> ObjectStore:
    return ObjectStore(url, timeout_seconds=20, retry_seconds=1)


@pytest.fixture
def open_host(tmp_path, bucket):
    """Another host of the same installation, as often as one asks; its folder stays."""

    def open_(name: str) -> Installation:
        root = tmp_path / name
        (root / "config").mkdir(parents=True, exist_ok=True)
        return Installation(ProjectPaths(root), Settings(admin_token=shop.TOKEN), lambda: shop.NOW)

    return open_


@pytest.fixture
def first(tmp_path, bucket):
    return shop.write_installation(tmp_path / "first")


# --- what the store must do --------------------------------------------------------------
def test_the_server_honours_conditions(bucket):
    store = connect(bucket)
    tag = store.create("pointer", b"1")
    with pytest.raises(StoreChangedError):
        store.create("pointer", b"2")
    newer = store.replace("pointer", b"2", tag)
    with pytest.raises(StoreChangedError):
        store.replace("pointer", b"3", tag)
    with pytest.raises(StoreChangedError):
        store.replace("nothing", b"3", tag)
    assert store.read("pointer").content == b"2"
    assert store.read_if_changed("pointer", newer).content == b""
    assert store.read_if_changed("pointer", tag).content == b"2"
    assert store.read("nothing") is None


def test_counting_under_conditions_loses_no_step(bucket):
    store = connect(bucket)
    store.create("counter", b"0")

    def count() -> None:
        for _ in range(15):
            while True:
                found = store.read("counter")
                try:
                    store.replace("counter", str(int(found.content) + 1).encode(), found.tag)
                except StoreChangedError:
                    continue
                break

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.read("counter").content == b"60"


# --- the cache ---------------------------------------------------------------------------
def use_everything(host: Installation) -> None:
    host.snapshots.require_current().verify()
    assert host.embeddings.current() is not None
    host.models.load(host.registry.read().record(shop.NEW_MODEL))


def downloads(asked: list[dict]) -> list[dict]:
    return [one for one in asked if one["method"] == "GET" and one["status"] == 200]


def test_a_restart_downloads_nothing_twice(first, open_host, s3_server):
    with s3_server.counted() as asked:
        use_everything(open_host("second"))
    assert len(downloads(asked)) > 15
    with s3_server.counted() as asked:
        use_everything(open_host("second"))
    assert downloads(asked) == []
    assert {one["status"] for one in asked} == {304}
    # A folder that is named by its content is not even asked about.
    kinds = {one["key"].split("/")[1] for one in asked}
    assert kinds == {"registry.json", "pointers", "models"}


def test_a_publisher_does_not_download_what_it_has_written(first, open_host, s3_server):
    with s3_server.counted() as asked:
        use_everything(open_host("first"))
    assert downloads(asked) == []


def test_a_version_that_differs_in_one_file_sends_only_that_file(first, open_host, s3_server):
    user = shop.user_ids()[0]
    with s3_server.counted() as asked:
        assert open_host("first").models.rename_user(user, "erased-x") == 2
    sent = [one["key"].rsplit("/", 1)[1] for one in asked if one["method"] == "PUT"]
    assert sorted(set(sent)) == ["ids.json", "index.json", "manifest.json"]


def test_a_torn_file_of_the_cache_is_fetched_again(first, open_host):
    second = open_host("second")
    file = second.snapshots.require_current().folder / "products.parquet"
    file.unlink()
    file.write_bytes(b"torn")
    second.snapshots.require_current().verify()


def test_a_scribbled_pointer_of_the_cache_is_read_anew(first, open_host):
    second = open_host("second")
    version = second.snapshots.require_current().version
    second.paths.snapshot_pointer.write_text("scribbled", encoding="utf-8")
    assert second.snapshots.require_current().version == version


def test_the_view_for_people_shows_the_shared_snapshot(first, open_host):
    second = open_host("second")
    second.snapshots.repair_view()
    second.embeddings.repair_view()
    names = {path.name for path in second.paths.processed.iterdir()}
    assert "user_item_mappings.json" in names
    own = first.paths.product_embeddings_file.read_bytes()
    assert second.paths.product_embeddings_file.read_bytes() == own


# --- several writers ---------------------------------------------------------------------
def test_two_hosts_that_train_at_once_get_different_model_ids(first, open_host):
    hosts = [open_host("first"), open_host("second")]
    ids = [host.models.free_id("als", "20260131", host.registry.read()) for host in hosts]
    assert ids == ["als_20260131_v2", "als_20260131_v3"]


def test_a_snapshot_made_from_an_older_one_does_not_replace_a_newer_one(first, open_host):
    second = open_host("second")
    second.snapshots.require_current()
    shop.write_snapshot(first, n_extra_products=1)
    newer = first.snapshots.require_current().version
    with pytest.raises(SnapshotError, match=r"Another host published.*Run the refresh again"):
        shop.write_snapshot(second, n_extra_products=2)
    assert open_host("third").snapshots.require_current().version == newer
    second.snapshots.require_current()
    shop.write_snapshot(second, n_extra_products=2)
    assert first.snapshots.require_current().version != newer


def test_a_write_whose_reply_was_lost_is_not_taken_for_another_hosts(first, monkeypatch):
    replace = ObjectStore.replace

    def reply_lost(self: ObjectStore, key: str, content: bytes, tag: str) -> str:
        replace(self, key, content, tag)
        return replace(self, key, content, tag)  # the library asks again, and is refused

    changes = []
    monkeypatch.setattr(ObjectStore, "replace", reply_lost)
    first.registry.update(lambda registry: changes.append(1) or registry.desire(shop.OLD_MODEL))
    assert changes == [1]
    assert first.registry.read().desired == shop.OLD_MODEL


# --- bad days ----------------------------------------------------------------------------
def test_pitfall_23_a_publisher_killed_between_two_files_leaves_nothing_visible(first, open_host):
    before = first.snapshots.require_current().version
    process = subprocess.Popen(
        [sys.executable, "-c", HANGS_AFTER_SOME_FILES, str(first.paths.root), str(TESTS)],
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    key = process.stdout.readline().strip()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    half = key.split("/")[1]
    second = open_host("second")
    assert second.snapshots.require_current().version == before
    with pytest.raises(SnapshotError, match=half):
        second.snapshots.open(half)
    assert half in {one.name for one in second.kept_snapshots().folders.listed()}
    shop.write_snapshot(open_host("first"), n_extra_products=1)
    second.snapshots.require_current().verify()
    assert second.snapshots.require_current().version != before


@pytest.mark.parametrize("n_bytes", [0, 3_000, 20_000])
def test_a_network_that_drops_while_publishing_leaves_the_old_version(
    first, open_host, s3_server, monkeypatch, n_bytes
):
    before = first.snapshots.require_current().version
    with running_proxy(s3_server.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        host = open_host("first")
        assert host.snapshots.require_current().version == before
        proxy.bytes_left = n_bytes
        with pytest.raises(ArtifactStoreError, match=r"No pointer was moved.*run it again"):
            shop.write_snapshot(host, n_extra_products=1)
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
        assert open_host("second").snapshots.require_current().version == before
        leftovers = [path.name for path in host.paths.snapshots.glob(".*.tmp")]
        assert leftovers == []
        proxy.bytes_left = None  # the network is back, and the same host goes on
        shop.write_snapshot(host, n_extra_products=1)
    second = open_host("second").snapshots.require_current()
    second.verify()
    assert second.version != before


def test_a_network_that_drops_while_downloading_leaves_nothing_half(
    first, open_host, s3_server, monkeypatch
):
    with running_proxy(s3_server.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        second = open_host("second")
        proxy.bytes_left = 2_500
        with pytest.raises(ArtifactStoreError, match="run it again"):
            second.snapshots.require_current()
        assert [path for path in second.paths.snapshots.glob("*") if path.is_dir()] == []
        proxy.bytes_left = None
        second.snapshots.require_current().verify()


def test_a_model_that_cannot_be_sent_is_not_registered_and_not_kept(
    first, open_host, s3_server, monkeypatch
):
    with running_proxy(s3_server.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        host = open_host("first")
        host.registry.read()
        proxy.bytes_left = 1_500
        with pytest.raises(ArtifactStoreError):
            shop.write_model(host, "als_20260131_v9", seed=3)
        assert not (host.paths.models / "als" / "als_20260131_v9").exists()
        proxy.bytes_left = None
        shop.write_model(host, "als_20260131_v9", seed=3)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
    second = open_host("second")
    second.models.load(second.registry.read().record("als_20260131_v9"))


def test_a_bucket_without_permission_says_which_ones_are_needed(tmp_path, bucket, monkeypatch):
    monkeypatch.setenv("ARTIFACT_URL", f"s3://{FORBIDDEN_BUCKET}/live")
    with pytest.raises(ArtifactStoreError, match=r"refuses access.*s3:PutObject"):
        shop.write_installation(tmp_path / "first")


def test_credentials_that_may_only_read_change_nothing_here_or_there(first, open_host, s3_server):
    before, registry = first.snapshots.require_current().version, first.registry.read()
    n_models = len(list((first.paths.models / "als").iterdir()))
    with s3_server.read_only():
        with pytest.raises(ArtifactStoreError, match=r"refuses access.*s3:PutObject"):
            shop.write_snapshot(first, n_extra_products=1)
        with pytest.raises(ArtifactStoreError, match=r"refuses access.*s3:PutObject"):
            first.registry.update(lambda one: one.promote(shop.OLD_MODEL))
        with pytest.raises(ArtifactStoreError, match=r"refuses access.*s3:PutObject"):
            shop.write_model(first, "als_20260131_v9", seed=3)
        assert first.snapshots.require_current().version == before
    assert [path.name for path in first.paths.snapshots.glob(".*.tmp")] == []
    assert len(list((first.paths.models / "als").iterdir())) == n_models
    for host in (open_host("first"), open_host("second")):
        assert host.snapshots.require_current().version == before
        assert host.registry.read() == registry
    shop.write_snapshot(first, n_extra_products=1)
    assert open_host("second").snapshots.require_current().version != before


def test_a_bucket_that_does_not_exist_is_named(tmp_path, bucket, monkeypatch):
    monkeypatch.setenv("ARTIFACT_URL", "s3://no-such-bucket/live")
    with pytest.raises(ArtifactStoreError, match=r"s3://no-such-bucket/live does not exist"):
        shop.write_installation(tmp_path / "first")


@pytest.mark.parametrize(
    ("changed", "code", "message"),
    [
        ({"ARTIFACT_URL": "http://shop/live"}, 2, "s3://bucket/prefix"),
        ({"ARTIFACT_URL": "s3://no-such-bucket/live"}, 1, "does not exist"),
        ({"AWS_ENDPOINT_URL": "nobody"}, 1, "Check the network and AWS_ENDPOINT_URL"),
    ],
)
def test_a_door_says_what_is_wrong_with_the_store(
    tmp_path, bucket, monkeypatch, changed, code, message
):
    project = tmp_path / "shop"
    (project / "config").mkdir(parents=True)
    if changed.get("AWS_ENDPOINT_URL") == "nobody":
        changed = {"AWS_ENDPOINT_URL": unused_url()}
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    answer = doors.run("bert_embeddings", project=project)
    assert answer.code == code, answer
    assert message in json.dumps(answer.result), answer
    assert "Traceback" not in answer.log


def test_an_object_that_was_damaged_in_the_store_is_refused(first, open_host, bucket):
    store = connect(bucket)
    key = next(
        one.key for one in store.listing("snapshots/") if one.key.endswith("products.parquet")
    )
    found = store.read(key)
    store.replace(key, b"x" * len(found.content), found.tag)
    second = open_host("second")
    with pytest.raises(ArtifactStoreError, match=r"products\.parquet.*damaged in the store"):
        second.snapshots.require_current()
    assert [path for path in second.paths.snapshots.glob("*") if path.is_dir()] == []


def test_an_index_never_leads_outside_its_folder(first, open_host, bucket):
    store = connect(bucket)
    key = next(one.key for one in store.listing("snapshots/") if one.key.endswith("index.json"))
    found = store.read(key)
    store.replace(key, found.content.replace(b"products.parquet", b"../../escaped"), found.tag)
    second = open_host("second")
    with pytest.raises(ArtifactStoreError, match="names a file"):
        second.snapshots.require_current()
    assert not list(second.paths.root.rglob("escaped"))


def test_what_was_in_the_store_and_is_gone_is_never_taken_for_an_empty_shop(
    first, open_host, bucket
):
    connect(bucket).delete(["registry.json"])
    with pytest.raises(ArtifactStoreError, match="was there and is gone"):
        open_host("first").registry.read()


# --- joining and leaving -----------------------------------------------------------------
@pytest.fixture
def alone(tmp_path, monkeypatch):
    """An installation that kept its artifacts alone until now."""
    monkeypatch.delenv("ARTIFACT_URL", raising=False)
    made = shop.write_installation(tmp_path / "alone")
    made.installation_id.ensure()
    return made


def test_a_shop_that_was_alone_is_told_to_upload_and_loses_nothing(alone, open_host, s3_server):
    host = open_host("alone")
    with pytest.raises(ConfigurationError, match="viecomrec artifacts push"):
        host.registry.read()
    result = artifact_upload.run(host.upload_tools()).as_json()
    assert (result["n_folders"], result["n_pointers"]) == (4, 4)
    second = open_host("second")
    use_everything(second)
    assert second.installation_id.read() == alone.installation_id.read()
    with s3_server.counted() as asked:
        again = artifact_upload.run(open_host("alone").upload_tools()).as_json()
    assert (again["n_folders"], again["n_pointers"]) == (0, 0)
    assert [one for one in asked if one["method"] != "GET"] == []


def test_an_upload_never_replaces_another_installation(first, open_host, monkeypatch, tmp_path):
    url = os.environ["ARTIFACT_URL"]
    monkeypatch.delenv("ARTIFACT_URL")
    shop.write_installation(tmp_path / "other", desired=shop.OLD_MODEL)
    monkeypatch.setenv("ARTIFACT_URL", url)
    other = open_host("other")
    with pytest.raises(ConfigurationError, match="Use an empty folder"):
        other.registry.read()
    before = first.registry.read()
    with pytest.raises(VieComRecError, match="exists already"):
        artifact_upload.run(other.upload_tools())
    assert open_host("second").registry.read() == before


def test_without_an_address_there_is_nothing_to_upload_to(alone):
    with pytest.raises(ConfigurationError, match="Set ARTIFACT_URL"):
        artifact_upload.run(alone.upload_tools())


def test_the_folder_of_what_is_known_may_be_deleted(first, open_host, s3_server):
    second = open_host("second")
    use_everything(second)
    shutil.rmtree(second.paths.artifact_store_notes)
    with s3_server.counted() as asked:
        use_everything(open_host("second"))
    files = [one["key"] for one in downloads(asked) if not one["key"].endswith(".json")]
    assert files == []


# --- a store that is away ----------------------------------------------------------------
def test_a_service_goes_on_with_what_it_has_while_the_store_is_away(first, open_host, monkeypatch):
    use_everything(open_host("second"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", unused_url())
    with pytest.raises(ArtifactStoreError):
        open_host("second").registry.read()
    patient = open_host("second").patient()
    use_everything(patient)
    with pytest.raises(ArtifactStoreError):
        patient.registry.update(lambda registry: registry.desire(shop.OLD_MODEL))
    assert patient.registry.read().desired == shop.NEW_MODEL


def test_health_and_doctor_say_which_store_it_is_and_whether_it_answers(
    first, open_host, bucket, monkeypatch
):
    monkeypatch.setenv("SERVICE_URL", unused_url())
    first.installation_id.ensure()
    check = open_host("first").patient().health_tools().surroundings.check_artifact_store()
    assert [(one.name, one.status, one.looked_at) for one in check] == [
        ("artifact_store", "healthy", bucket)
    ]
    monkeypatch.setenv("AWS_ENDPOINT_URL", unused_url())
    away = open_host("first").patient()
    (check,) = away.health_tools().surroundings.check_artifact_store()
    assert (check.status, check.looked_at) == ("critical", bucket)
    assert "does not answer" in check.found
    page = doctor.run(away.doctor_tools()).as_json()
    assert page["artifact_store"] == bucket
    assert any("does not answer" in problem["what"] for problem in page["problems"]), page


def test_a_disk_that_cannot_take_a_download_is_named(first, open_host):
    second = open_host("second")
    second.paths.data.mkdir()
    second.paths.snapshots.write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(VieComRecError, match=r"cannot be kept in .*snapshots.*Make room"):
        second.snapshots.open(first.snapshots.require_current().version)


# --- a service on another host -----------------------------------------------------------
def wait_for(service, is_so) -> dict:
    """Ask until it is so, for a minute; return the last answer."""
    deadline = time.monotonic() + 60
    while True:
        answer = service.get("/model_info").json()
        if is_so(answer) or time.monotonic() > deadline:
            return answer
        time.sleep(0.1)


def test_a_service_follows_what_another_host_publishes_and_outlives_the_network(
    first, open_host, s3_server, monkeypatch
):
    second = open_host("second")
    monkeypatch.setenv("VIECOMREC_ARTIFACT_STORE__LOOK_SECONDS", "0.3")
    with running_proxy(s3_server.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        with running_service(second.paths.root) as service:
            monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
            before = service.get("/model_info").json()
            assert before["model_id"] == shop.NEW_MODEL
            shop.write_snapshot(first, n_extra_products=1)
            newer = first.snapshots.require_current().version
            followed = wait_for(service, lambda info: info["snapshot_version"] == newer)
            assert followed["snapshot_version"] == newer != before["snapshot_version"]

            proxy.bytes_left = 0
            shop.write_snapshot(first, n_extra_products=2)
            newest = first.snapshots.require_current().version
            user = {"user_id": shop.user_ids()[0], "topk": 5}
            assert service.post("/recommend", json=user).json()["items"] != []
            proxy.bytes_left = 3_000  # enough for the pointers, not for the files
            assert service.get("/model_info").json()["model_id"] == shop.NEW_MODEL
            proxy.bytes_left = None
            caught_up = wait_for(
                service,
                lambda info: info["snapshot_version"] == newest and info["status"] == "ok",
            )
            assert (caught_up["snapshot_version"], caught_up["status"]) == (newest, "ok")


# --- backup ------------------------------------------------------------------------------
def test_a_backup_takes_what_lies_in_the_store_and_comes_back_without_it(
    first, open_host, monkeypatch, tmp_path
):
    file = tmp_path / "shop.zip"
    second = open_host("second")
    backup.save(file, second.backup_tools())
    with pytest.raises(BackupError, match="viecomrec artifacts push"):
        backup.restore(file, open_host("third").backup_tools(), replace=False)
    monkeypatch.delenv("ARTIFACT_URL")
    alone = open_host("alone")
    backup.restore(file, alone.backup_tools(), replace=False)
    use_everything(alone)
