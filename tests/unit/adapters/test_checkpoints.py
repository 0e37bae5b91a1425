"""Checkpoints survive kills, and a damaged one says so."""

import numpy as np
import pytest

from viecomrec.adapters.checkpoints import CheckpointStore
from viecomrec.errors import ArtifactError

ARRAYS = {"iteration": np.array(3), "item": np.ones((4, 2), np.float32)}


def test_what_is_saved_is_what_is_loaded(tmp_path):
    store = CheckpointStore(tmp_path)
    assert store.load("als", "key") is None
    store.save("als", "key", ARRAYS)
    loaded = store.load("als", "key")
    assert int(loaded["iteration"]) == 3
    np.testing.assert_array_equal(loaded["item"], ARRAYS["item"])
    store.delete("als", "key")
    assert store.load("als", "key") is None


def test_another_key_is_another_fit(tmp_path):
    store = CheckpointStore(tmp_path)
    store.save("als", "key", ARRAYS)
    assert store.load("als", "other") is None
    assert store.load("bpr", "key") is None


@pytest.mark.parametrize("damage", ["truncated", "garbage", "flipped"])
def test_a_damaged_checkpoint_is_named_with_the_remedy(tmp_path, damage):
    store = CheckpointStore(tmp_path)
    store.save("als", "key", ARRAYS)
    file = tmp_path / "als" / "key.npz"
    content = bytearray(file.read_bytes())
    if damage == "truncated":
        content = content[: len(content) // 2]
    elif damage == "garbage":
        content = bytearray(b"not a checkpoint")
    else:
        at = content.index(np.ones((4, 2), np.float32).tobytes())
        content[at + 2] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"key\.npz is damaged.*--force"):
        store.load("als", "key")


def test_pitfall_37_a_checkpoint_with_a_pickle_inside_is_refused(tmp_path):
    store = CheckpointStore(tmp_path)
    (tmp_path / "als").mkdir()
    np.savez(tmp_path / "als" / "key.npz", item=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ArtifactError, match="damaged"):
        store.load("als", "key")
