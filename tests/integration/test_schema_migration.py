"""An installation of the previous schema is opened, worked with, and kept for the way back."""

import json

import doors
import pytest
from installation import NEW_MODEL, OLD_MODEL, write_installation

from viecomrec.errors import ArtifactError, RegistryError, SnapshotError

# As schema 1 wrote it: no pinned models, no training key.
RECORD_KEYS = (
    "model_id",
    "model_type",
    "path",
    "created_at_utc",
    "snapshot_version",
    "embedding_version",
    "metrics",
    "above_popularity",
)


@pytest.fixture
def old_shop(tmp_path):
    """The small installation with its registry rewritten in the words of schema 1."""
    installation = write_installation(tmp_path, desired=OLD_MODEL)
    installation.registry.update(lambda one: one.confirm(OLD_MODEL).promote(NEW_MODEL))
    content = json.loads(installation.paths.registry_file.read_text(encoding="utf-8"))
    content["schema_version"] = 1
    del content["pinned"]
    content["models"] = {
        key: {name: record[name] for name in RECORD_KEYS}
        for key, record in content["models"].items()
    }
    installation.paths.registry_file.write_text(json.dumps(content), encoding="utf-8")
    return installation


def test_reading_changes_no_byte_and_loses_nothing(old_shop):
    before = old_shop.paths.registry_file.read_bytes()
    listed = old_shop.registry.read()
    assert (listed.deployed, listed.current_best) == (OLD_MODEL, NEW_MODEL)
    assert listed.pinned == ()
    for record in listed.models.values():
        old_shop.models.load(record)
    assert old_shop.paths.registry_file.read_bytes() == before


def test_the_first_change_writes_the_new_schema_and_keeps_the_old_file_beside(old_shop):
    before = old_shop.paths.registry_file.read_bytes()
    answer = doors.run("model_deployment", project=old_shop.paths.root)
    assert answer.result["status"] == "pending"
    now = json.loads(old_shop.paths.registry_file.read_text(encoding="utf-8"))
    assert (now["schema_version"], now["desired"], now["deployed"]) == (2, NEW_MODEL, OLD_MODEL)
    kept = old_shop.paths.models / "registry.v1.json"
    assert kept.read_bytes() == before
    old_shop.registry.update(lambda one: one.pin(OLD_MODEL))
    assert kept.read_bytes() == before


def test_what_a_newer_program_wrote_is_refused_and_left_alone(old_shop):
    def rewrite(file):
        content = json.loads(file.read_text(encoding="utf-8"))
        content["schema_version"] = 99
        file.chmod(0o644)
        file.write_text(json.dumps(content), encoding="utf-8")

    record = old_shop.registry.read().record(OLD_MODEL)
    rewrite(old_shop.models.folder("als", OLD_MODEL) / "manifest.json")
    with pytest.raises(ArtifactError, match="schema version 99"):
        old_shop.models.load(record)
    rewrite(old_shop.snapshots.require_current().folder / "manifest.json")
    with pytest.raises(SnapshotError, match="schema version 99"):
        old_shop.snapshots.require_current()
    rewrite(old_shop.paths.registry_file)
    with pytest.raises(RegistryError, match="schema version 99"):
        old_shop.registry.update(lambda one: one)
    assert json.loads(old_shop.paths.registry_file.read_text())["schema_version"] == 99


def test_a_model_is_pinned_and_let_go_again(old_shop):
    pinned = doors.run("pin", OLD_MODEL, project=old_shop.paths.root)
    assert (pinned.code, pinned.result["pinned"]) == (0, [OLD_MODEL])
    unknown = doors.run("pin", "als_19990101_v1", project=old_shop.paths.root)
    assert (unknown.code, unknown.result["status"]) == (1, "failed")
    freed = doors.run("pin", OLD_MODEL, "--remove", project=old_shop.paths.root)
    assert freed.result["pinned"] == []
