import json
import os
import pickle
from datetime import UTC, datetime
from pathlib import Path

import pytest

from viecomrec.adapters.snapshots import SnapshotStore, load_builtins
from viecomrec.domain import snapshots as layout
from viecomrec.errors import SnapshotError

NOW = datetime(2025, 1, 30, 2, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    root = tmp_path / "snapshots"
    return SnapshotStore(root, root / "current.json", tmp_path / "processed")


def writer(content: str):
    def write(folder: Path) -> None:
        for name in layout.GUIDE_FILES:
            (folder / name).write_text(content, encoding="utf-8")

    return write


def publish(store, content="a", at=NOW):
    return store.publish(writer(content), {"reviews": content}, at)


def test_the_version_is_named_after_the_content_and_not_after_the_time(store):
    first = publish(store, "a")
    second = publish(store, "b")
    again = publish(store, "a", at=NOW.replace(year=2026))
    assert first.version == again.version != second.version
    assert store.current().version == first.version


def test_the_view_shows_the_guides_names_and_follows_the_pointer(store, tmp_path):
    publish(store, "a")
    publish(store, "b")
    view = tmp_path / "processed"
    assert {path.name for path in view.iterdir()} == set(layout.GUIDE_FILES)
    assert (view / "data_stats.json").read_text(encoding="utf-8") == "b"
    assert (view / "data_stats.json").samefile(store.current().folder / "data_stats.json")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="read-only bits differ on Windows")
def test_the_files_of_a_snapshot_are_read_only(store):
    snapshot = publish(store, "a")
    modes = {name: (snapshot.folder / name).stat().st_mode & 0o777 for name in layout.GUIDE_FILES}
    assert set(modes.values()) == {0o444}


def test_a_damaged_view_is_repaired(store, tmp_path):
    publish(store, "a")
    file = tmp_path / "processed" / "data_stats.json"
    file.unlink()
    file.write_text("scribbled", encoding="utf-8")
    store.repair_view()
    assert file.read_text(encoding="utf-8") == "a"


def test_a_reader_stays_on_its_snapshot_while_another_is_published(store):
    before = publish(store, "a")
    publish(store, "b")
    assert (before.folder / "data_stats.json").read_text(encoding="utf-8") == "a"


def test_a_writer_that_fails_leaves_the_previous_snapshot_in_force(store, tmp_path):
    before = publish(store, "a")

    def fails(folder: Path) -> None:
        (folder / "interactions.parquet").write_text("half", encoding="utf-8")
        raise OSError(28, "No space left on device")

    with pytest.raises(SnapshotError, match=r"No space.*previous one stays in force"):
        store.publish(fails, {}, NOW)
    assert store.current().version == before.version
    names = {path.name for path in (tmp_path / "snapshots").iterdir()}
    assert names == {before.version, "current.json"}


def test_an_altered_file_is_found_by_its_hash_and_a_truncated_one_at_once(store):
    snapshot = publish(store, "abc")
    file = snapshot.folder / "data_stats.json"
    file.write_text("abx", encoding="utf-8")
    with pytest.raises(SnapshotError, match=r"data_stats\.json was altered"):
        store.open(snapshot.version).verify()
    file.write_text("a", encoding="utf-8")
    with pytest.raises(SnapshotError, match="missing or truncated"):
        store.current()


def test_publishing_the_same_content_heals_a_damaged_folder(store):
    snapshot = publish(store, "abc")
    (snapshot.folder / "data_stats.json").unlink()
    publish(store, "abc").verify()


def test_a_damaged_pointer_says_how_to_rebuild(store, tmp_path):
    publish(store, "a")
    (tmp_path / "snapshots" / "current.json").write_text("{", encoding="utf-8")
    with pytest.raises(SnapshotError, match="--force-full"):
        store.current()


def test_before_the_first_refresh_there_is_no_snapshot(store):
    assert store.current() is None
    with pytest.raises(SnapshotError, match=r"automation\.data_refresh"):
        store.require_current()


def test_the_pointer_says_which_schema_it_has(store, tmp_path):
    snapshot = publish(store, "a")
    pointer = json.loads((tmp_path / "snapshots" / "current.json").read_text(encoding="utf-8"))
    assert pointer == {"schema_version": 1, "version": snapshot.version}


def test_pitfall_37_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Harm:
        def __reduce__(self):
            return (print, ("harm",))

    file = tmp_path / "user_metadata.pkl"
    file.write_bytes(pickle.dumps({"u": Harm()}))
    with pytest.raises(SnapshotError, match=r"print is not a builtin container"):
        load_builtins(file)
    file.write_bytes(pickle.dumps({0: {1, 2}, "u": {"n": [1, 2.5, None, "x"]}}))
    assert load_builtins(file) == {0: {1, 2}, "u": {"n": [1, 2.5, None, "x"]}}
