import numpy as np
import pytest

from viecomrec.adapters.text_vectors import TextVectorCache
from viecomrec.errors import ArtifactError


@pytest.fixture
def cache(tmp_path) -> TextVectorCache:
    return TextVectorCache(tmp_path, "vinai/phobert-base@abc")


def rows(*numbers):
    return np.array([[n, n + 0.5] for n in numbers], dtype=np.float32)


def test_what_was_appended_is_read_in_any_order(cache):
    cache.append(["a", "b"], rows(1, 2))
    cache.append(["c"], rows(3))
    assert cache.known() == {"a", "b", "c"}
    np.testing.assert_array_equal(cache.read(["c", "a", "a"]), rows(3, 1, 1))


def test_the_newest_vector_of_a_text_counts(cache):
    cache.append(["a"], rows(1))
    cache.append(["a"], rows(9))
    np.testing.assert_array_equal(cache.read(["a"]), rows(9))


def test_an_unknown_text_is_an_error(cache):
    cache.append(["a"], rows(1))
    with pytest.raises(KeyError):
        cache.read(["b"])


def test_keeping_only_some_leaves_one_segment_and_forgets_the_rest(cache):
    cache.append(["a", "b"], rows(1, 2))
    cache.append(["c", "a"], rows(3, 7))
    cache.keep_only({"a", "c"})
    assert cache.known() == {"a", "c"}
    np.testing.assert_array_equal(cache.read(["a", "c"]), rows(7, 3))
    assert len(list(cache._folder.glob("*"))) == 1


def test_keeping_all_of_one_segment_writes_nothing(cache):
    cache.append(["b", "a"], rows(2, 1))
    (file,) = cache._folder.glob("*")
    before = file.stat().st_mtime_ns
    cache.keep_only(["a", "b"])
    assert file.stat().st_mtime_ns == before


def test_two_encoders_never_share_vectors(cache, tmp_path):
    cache.append(["a"], rows(1))
    assert TextVectorCache(tmp_path, "vinai/phobert-base@other").known() == set()


def test_a_torn_segment_counts_as_absent_and_the_others_stay(cache):
    cache.append(["a"], rows(1))
    cache.append(["b"], rows(2))
    torn = sorted(cache._folder.glob("*"))[1]
    torn.write_bytes(torn.read_bytes()[:-40])
    assert cache.known() == {"a"}
    np.testing.assert_array_equal(cache.read(["a"]), rows(1))


def test_one_altered_byte_of_a_vector_makes_its_segment_absent(cache):
    cache.append(["a"], rows(1))
    (segment,) = cache._folder.glob("*")
    content = bytearray(segment.read_bytes())
    at = content.index(rows(1).tobytes())
    content[at] ^= 1
    segment.write_bytes(content)
    assert cache.known() == set()


def test_a_full_disk_is_said_and_keeps_what_was_made(cache, monkeypatch):
    cache.append(["a"], rows(1))

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(ArtifactError, match="No space left on device"):
        cache.append(["b"], rows(2))
    assert cache.known() == {"a"}


def test_dropping_other_encoders_keeps_only_this_ones_vectors(cache, tmp_path):
    other = TextVectorCache(tmp_path, "another")
    cache.append(["a"], rows(1))
    other.append(["a"], rows(2))
    cache.drop_other_encoders()
    assert other.known() == set()
    assert cache.known() == {"a"}


def test_pitfall_37_a_segment_that_holds_a_pickle_is_dropped_and_never_run(cache, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "trap"), "w"))

    cache.append(["a"], rows(1))
    segment = cache._folder / "000002.npz"
    for hashes, vectors in (
        (np.array([Trap()], dtype=object), rows(2)),
        (np.array(["b"]), np.array([Trap()], dtype=object)),
    ):
        np.savez(segment, allow_pickle=True, hashes=hashes, vectors=vectors)
        assert cache.known() == {"a"}
        assert not segment.exists()
    assert not (tmp_path / "trap").exists()
