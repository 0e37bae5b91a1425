"""What artifact stores promise, on one disk and in an object store alike."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import installation as shop
import pytest

from viecomrec.adapters.scorers import ScorerStore
from viecomrec.bootstrap import Installation
from viecomrec.domain.comment_quality import ScorerWeights
from viecomrec.errors import SnapshotError
from viecomrec.paths import ProjectPaths
from viecomrec.pipelines import cleanup, user_erasure
from viecomrec.settings import Settings

WRITERS, WRITES = 2, 20

WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from viecomrec.bootstrap import Installation
from viecomrec.domain.registry import ModelRecord
from viecomrec.paths import ProjectPaths
from viecomrec.settings import Settings

root, name, writes = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
installation = Installation(ProjectPaths(root), Settings(), lambda: datetime.now(UTC))
attempts = 0
print("ready", flush=True)
sys.stdin.readline()
for number in range(writes):
    model_id = f"als_{name}_v{number}"
    record = ModelRecord(model_id=model_id, model_type="als", path=f"als/{model_id}",
                         created_at_utc="2026-01-31T00:00:00+00:00", snapshot_version="0" * 16)

    def enter(registry):
        global attempts
        attempts += 1
        return registry.with_model(record)

    installation.registry.update(enter)
print(attempts, flush=True)
"""

HANGS_BEFORE_THE_POINTER = """
import sys, time
sys.path.insert(0, sys.argv[2])
from pathlib import Path
import installation as shop
from viecomrec.bootstrap import Installation
from viecomrec.paths import ProjectPaths
from viecomrec.settings import Settings

def hang(version):
    print("published all but the pointer", version, flush=True)
    time.sleep(600)

host = Installation(ProjectPaths(Path(sys.argv[1])), Settings(), lambda: shop.NOW)
host.snapshots.publish(
    lambda folder: shop._write_snapshot_files(folder, shop.N_PRODUCTS + 1, (), ()),
    {"raw": "later"}, shop.NOW, before_pointer=hang)
"""


class Hosts:
    """Hosts of one installation: one folder on one disk, or a folder each and one bucket."""

    def __init__(self, root: Path, is_shared: bool) -> None:
        self._root = root
        self.is_shared = is_shared

    def root(self, name: str) -> Path:
        root = self._root / (name if self.is_shared else "one")
        (root / "config").mkdir(parents=True, exist_ok=True)
        return root

    def open(self, name: str, now=lambda: shop.NOW) -> Installation:
        return Installation(ProjectPaths(self.root(name)), Settings(admin_token=shop.TOKEN), now)


@pytest.fixture(params=["folder", "s3"])
def hosts(request, tmp_path, monkeypatch):
    if request.param == "s3":
        request.getfixturevalue("bucket")
    else:
        monkeypatch.delenv("ARTIFACT_URL", raising=False)
    return Hosts(tmp_path, request.param == "s3")


@pytest.fixture
def first(hosts):
    """The host that made everything."""
    return shop.write_installation(hosts.root("first"))


def test_what_one_host_publishes_another_reads(hosts, first):
    second = hosts.open("second")
    snapshot = second.snapshots.require_current()
    snapshot.verify()
    assert snapshot.version == first.snapshots.require_current().version
    assert second.embeddings.current().version == first.embeddings.current().version
    assert second.registry.read() == first.registry.read()
    record = second.registry.read().record(shop.NEW_MODEL)
    assert second.models.load(record).factors.ids == first.models.load(record).factors.ids
    assert second.installation_id.ensure() == first.installation_id.ensure()


def scorers_of(host: Installation) -> ScorerStore:
    paths = host.paths
    return ScorerStore(paths.scorers, paths.scorer_pointer, host.now, host.kept_scorers())


def test_the_comment_scorer_is_the_same_on_every_host(hosts):
    import numpy as np

    weights = ScorerWeights(
        kind="stars",
        weights=np.ones(4, dtype=np.float32),
        familiar=np.ones(4, dtype=np.bool_),
        bias=0.5,
        n_positive=1,
        n_negative=1,
    )
    published = scorers_of(hosts.open("first")).publish(weights)
    assert scorers_of(hosts.open("second")).current().version == published.version


def test_a_host_sees_the_next_version_and_keeps_reading_the_one_it_opened(hosts, first):
    second = hosts.open("second")
    before = second.snapshots.require_current()
    shop.write_snapshot(first, n_extra_products=1)
    assert second.snapshots.require_current().version != before.version
    before.verify()


def test_a_writer_that_fails_before_the_pointer_leaves_the_old_version_in_force(hosts, first):
    before = first.snapshots.require_current().version

    def fails(_version: str) -> None:
        raise SnapshotError("the quarantine is full")

    with pytest.raises(SnapshotError, match="quarantine"):
        first.snapshots.publish(
            lambda folder: shop._write_snapshot_files(folder, shop.N_PRODUCTS + 1, (), ()),
            {"raw": "later"},
            shop.NOW,
            before_pointer=fails,
        )
    assert hosts.open("second").snapshots.require_current().version == before


def test_pitfall_23_a_publisher_killed_before_the_pointer_leaves_the_old_version(hosts, first):
    before = first.snapshots.require_current().version
    tests = str(Path(__file__).resolve().parent.parent)
    process = subprocess.Popen(
        [sys.executable, "-c", HANGS_BEFORE_THE_POINTER, str(hosts.root("first")), tests],
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    line = process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert line.startswith("published all but the pointer")
    assert hosts.open("second").snapshots.require_current().version == before
    shop.write_snapshot(hosts.open("first"), n_extra_products=1)
    again = hosts.open("second").snapshots.require_current()
    again.verify()
    assert again.version != before


def test_two_writers_that_race_for_the_registry_lose_nothing(hosts):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(hosts.root(f"host{n}")), str(n), str(WRITES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        for n in range(WRITERS)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    attempts = [int(writer.communicate(timeout=120)[0]) for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * WRITERS
    written = hosts.open("reader").registry.read().models
    assert sorted(written) == sorted(f"als_{n}_v{k}" for n in range(WRITERS) for k in range(WRITES))
    assert sum(attempts) >= WRITERS * WRITES
    if not hosts.is_shared:  # on one disk the lock keeps them apart
        assert sum(attempts) == WRITERS * WRITES


def test_a_rollback_on_one_host_is_seen_by_the_other(hosts, first):
    first.registry.update(lambda registry: registry.desire(shop.OLD_MODEL))
    second = hosts.open("second")
    assert second.registry.read().desired == shop.OLD_MODEL
    second.registry.update(lambda registry: registry.desire(shop.NEW_MODEL))
    assert first.registry.read().desired == shop.NEW_MODEL


def test_cleanup_deletes_old_versions_for_all_hosts_and_keeps_what_is_current(hosts, first):
    second = hosts.open("second")
    second.snapshots.require_current()
    for extra in range(1, 6):
        shop.write_snapshot(first, n_extra_products=extra)
        second.snapshots.require_current()
    current = first.snapshots.require_current().version
    live = first.registry.read().record(shop.NEW_MODEL).snapshot_version
    later = hosts.open("first", lambda: datetime.now(UTC) + timedelta(hours=2))
    # A store tells times in whole seconds, so that versions made at once are told apart by name.
    dated = later.cleanup_tools().snapshots.entries("*")
    by_age = sorted((one.modified_at, one.name) for one in dated if one.is_folder)
    kept = {name for _, name in by_age[-3:]} | {current, live}
    preview = cleanup.run("snapshots", later.cleanup_tools(), dry_run=True).as_json()
    assert len(_versions(second)) == 6
    done = cleanup.run("snapshots", later.cleanup_tools(), dry_run=False).as_json()
    assert preview["results"][0]["deleted"] == done["results"][0]["deleted"]
    assert set(done["results"][0]["deleted"]) == {name for _, name in by_age} - kept
    assert done["total_freed_mb"] > 0
    second.forget_removed()
    assert _versions(first) == _versions(second) == kept
    if hosts.is_shared:
        stored = {one.name for one in first.kept_snapshots().folders.listed()}
        assert stored == _versions(second)
    second.snapshots.require_current().verify()


def test_an_erased_person_is_gone_from_the_models_and_snapshots_of_all_hosts(hosts, first):
    user = shop.user_ids()[0]
    second = hosts.open("second")
    second.snapshots.require_current()
    record = second.registry.read().record(shop.NEW_MODEL)
    assert user in second.models.load(record).factors.ids.user_ids
    at = datetime.now(UTC) + timedelta(minutes=1)
    user_erasure.run(user, hosts.open("first", lambda: at).erasure_tools())

    assert user not in second.models.load(record).factors.ids.user_ids
    second.erased_users.pull()
    assert second.erased_users.read().instant(user) == at

    old = first.snapshots.require_current().version
    shop.write_snapshot(first, n_extra_products=1)  # as the refresh that follows
    new = first.snapshots.require_current().version
    first.snapshots.remove_others(new, until=datetime.now(UTC), same="erasures")
    second.forget_removed()
    assert second.snapshots.require_current().version == new
    assert not (second.paths.snapshots / old).exists()
    if hosts.is_shared:
        names = {one.name for one in first.kept_snapshots().folders.listed()}
        assert names == {new}


def _versions(host: Installation) -> set[str]:
    return {path.name for path in host.paths.snapshots.iterdir() if path.is_dir()}
