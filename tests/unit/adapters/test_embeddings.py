import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
import torch

from viecomrec.adapters import atomic_files
from viecomrec.adapters.embeddings import EmbeddingStore
from viecomrec.errors import ArtifactError

NOW = datetime(2026, 1, 31, 8, 0, tzinfo=timezone(timedelta(hours=7)))
VECTORS = np.eye(3, 8, dtype=np.float32)
DESCRIBED = {"model": "m", "revision": "r1", "space": "s", "degraded": True}


@pytest.fixture
def store(tmp_path) -> EmbeddingStore:
    root = tmp_path / "embeddings"
    return EmbeddingStore(root, root / "current.json", tmp_path / "view" / "product.pt")


def publish(store, ids=("a", "b", "c"), vectors=VECTORS, at=NOW):
    return store.publish(ids, vectors, [f"h{name}" for name in ids], described=DESCRIBED, at=at)


def view(store):
    return torch.load(store._view_file, weights_only=True)


def test_what_was_published_is_read_back(store):
    published = publish(store)
    current = store.current()
    assert current.product_ids == published.product_ids == ("a", "b", "c")
    assert current.text_hashes == ("ha", "hb", "hc")
    np.testing.assert_array_equal(current.vectors, VECTORS)
    assert (current.model, current.revision, current.degraded) == ("m", "r1", True)


def test_before_the_first_run_there_are_none(store):
    assert store.current() is None
    assert store.repair_view() is False


def test_the_view_carries_local_time_without_offset_and_utc_beside_it(store):
    publish(store)
    assert view(store)["created_at"] == "2026-01-31T08:00:00"
    assert view(store)["created_at_utc"] == "2026-01-31T01:00:00+00:00"


def test_the_same_content_again_keeps_its_version_and_gets_the_new_date(store):
    first, second = publish(store), publish(store, at=NOW + timedelta(days=8))
    assert first.version == second.version
    assert store.current().created_at_utc.startswith("2026-02-08")


@pytest.mark.parametrize("name", ["vectors.npy", "products.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["torn", "missing"])
def test_a_damaged_version_is_refused_with_the_remedy_and_published_again(store, name, damage):
    file = store._root / publish(store).version / name
    if damage == "torn":
        file.write_bytes(file.read_bytes()[:-20])
    else:
        file.unlink()
    with pytest.raises(ArtifactError, match="bert_embeddings --force"):
        store.current()
    publish(store)
    np.testing.assert_array_equal(store.current().vectors, VECTORS)


def test_one_altered_number_is_noticed(store):
    file = store._root / publish(store).version / "vectors.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"vectors\.npy was altered"):
        store.current()


def test_a_damaged_pointer_is_refused_with_the_remedy(store):
    publish(store)
    store._pointer.write_text("{")
    with pytest.raises(ArtifactError, match="bert_embeddings --force"):
        store.current()


@pytest.mark.parametrize("content", [None, b"torn", "another encoder"])
def test_a_view_that_is_missing_torn_or_from_another_encoder_is_repaired(store, content):
    publish(store)
    whole = store._view_file.read_bytes()
    if content is None:
        store._view_file.unlink()
    elif isinstance(content, bytes):
        store._view_file.write_bytes(content)
    else:
        torch.save({"model": content}, store._view_file)
    assert store.repair_view() is True
    assert store._view_file.read_bytes() == whole
    assert store.repair_view() is False


@pytest.mark.parametrize("step", ["vectors", "view", "pointer"])
def test_a_full_disk_leaves_the_former_version_in_force(store, step, monkeypatch):
    before = publish(store).version
    view_before = view(store)["version"]

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    if step == "vectors":
        monkeypatch.setattr(np, "save", full)
    elif step == "view":
        monkeypatch.setattr(torch, "save", full)
    else:
        monkeypatch.setattr(atomic_files, "write_json", full)
    with pytest.raises(ArtifactError, match="No space left on device"):
        publish(store, ids=("x", "y", "z"))
    assert store.current().version == before
    assert view(store)["version"] == view_before
    assert not list(store._root.glob("*.tmp"))
    assert not list(store._view_file.parent.glob(".*"))


@pytest.mark.parametrize(
    "vectors",
    [
        VECTORS.astype(np.float64),
        VECTORS[:2],
        VECTORS[0],
        np.full((3, 8), np.nan, dtype=np.float32),
        np.zeros((3, 0), dtype=np.float32),
    ],
)
def test_unusable_vectors_are_refused_before_anything_is_written(store, vectors):
    with pytest.raises(ArtifactError):
        publish(store, vectors=vectors)
    assert not store._root.exists()


def test_reading_imports_no_torch(store, tmp_path):
    publish(store)
    code = (
        "import sys, pathlib\n"
        "from viecomrec.adapters.embeddings import EmbeddingStore\n"
        "root = pathlib.Path(sys.argv[1]) / 'embeddings'\n"
        "store = EmbeddingStore(root, root / 'current.json', root / 'product.pt')\n"
        "assert store.current().product_ids == ('a', 'b', 'c')\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_the_pointer_is_plain_json(store):
    version = publish(store).version
    assert json.loads(store._pointer.read_text())["version"] == version
    assert store.current().created_at_utc == NOW.astimezone(UTC).isoformat(timespec="seconds")


class Trap:
    """Opens a file for writing when a pickle of it is loaded."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (open, (str(self.marker), "w"))


def test_pitfall_37_vectors_that_are_a_pickle_are_refused_and_never_run(store, tmp_path):
    folder = store._root / publish(store).version
    pickled = np.array([Trap(tmp_path / "trap")], dtype=object)
    np.save(folder / "vectors.npy", pickled, allow_pickle=True)
    # Somebody who can write one file can write its hash too.
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"]["vectors.npy"] = atomic_files.sha256(folder / "vectors.npy")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="bert_embeddings --force"):
        store.current()
    assert not (tmp_path / "trap").exists()


def test_pitfall_37_a_pt_file_of_unknown_origin_is_replaced_without_being_loaded(store, tmp_path):
    publish(store)
    torch.save({"embeddings": Trap(tmp_path / "trap")}, store._view_file)
    assert store.repair_view() is True
    assert view(store)["model"] == "m"
    assert not (tmp_path / "trap").exists()
