import numpy as np
import pytest
from scipy.sparse import csr_array

from viecomrec.models.blend import BlendedScorer
from viecomrec.models.user_scores import UserScores

WEIGHTS = {"cf": 1.0, "content": 0.4, "together": 0.3, "popularity": 0.2, "quality": 0.1}
COLUMNS = np.array([3, 0, 7])


def scorer(*, has_bias=False, has_content=True):
    rng = np.random.default_rng(0)
    content = rng.normal(size=(30, 5)).astype(np.float32)
    content /= np.linalg.norm(content, axis=1, keepdims=True)
    together = csr_array(rng.poisson(0.2, (30, 30)).astype(np.float32))
    return BlendedScorer.build(
        rng.normal(size=(30, 4)).astype(np.float32),
        rng.normal(size=30).astype(np.float32) if has_bias else None,
        content if has_content else None,
        rng.poisson(5, 30),
        rng.normal(size=30),
        {},
        together,
    )


@pytest.mark.parametrize("items", [[], [4], [4, 9], [1, 2, 3, 4]])
@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("has_content", [False, True])
@pytest.mark.parametrize("has_vector", [False, True])
def test_one_user_gets_the_numbers_of_the_whole_scorer(items, has_bias, has_content, has_vector):
    whole = scorer(has_bias=has_bias, has_content=has_content)
    vector = np.array([0.5, -1, 2, 0.1], dtype=np.float32) if has_vector else None
    history = np.array(items, dtype=np.int32)
    confidences = np.arange(1, len(items) + 1, dtype=np.float32)
    expected = whole.signals(vector, history, confidences)
    one = UserScores(whole, vector, history, confidences)
    for _ in range(2):  # before and after the mixtures are kept
        found = one.at(COLUMNS)
        for name in WEIGHTS:
            wanted = getattr(expected, name)[COLUMNS]
            np.testing.assert_allclose(getattr(found, name), wanted, atol=2e-5)
        final = one.final(WEIGHTS)
        np.testing.assert_allclose(final, whole.combine(expected, WEIGHTS), atol=5e-5)


def test_a_large_catalogue_gets_the_same_numbers(monkeypatch):
    history, confidences = np.array([4], dtype=np.int32), np.ones(1, dtype=np.float32)
    vector = np.ones(4, dtype=np.float32)
    monkeypatch.setattr("viecomrec.models.blend.ROWS_AT_ONCE", 4)
    small = UserScores(scorer(), vector, history, confidences)
    small.final(WEIGHTS)
    monkeypatch.setattr("viecomrec.models.blend.DENSE_UP_TO", 10)
    large = UserScores(scorer(), vector, history, confidences)
    np.testing.assert_allclose(large.final(WEIGHTS), small.final(WEIGHTS), atol=5e-5)
    np.testing.assert_allclose(large.at(COLUMNS).content, small.at(COLUMNS).content, atol=5e-5)


def test_rows_of_a_large_catalogue_are_kept_for_the_next_user_and_not_without_end(monkeypatch):
    monkeypatch.setattr("viecomrec.models.blend.DENSE_UP_TO", 10)
    large = scorer()
    monkeypatch.setattr("viecomrec.models.blend.KEPT_ROWS_BYTES", 2 * 8 * large.n_items)
    history, confidences = np.array([4, 7], dtype=np.int32), np.array([1, 2], dtype=np.float32)
    first = UserScores(large, None, history, confidences).final(WEIGHTS)
    kept = large._kept_row(4)
    assert large._kept_row(4) is kept
    others = np.array([1, 2], dtype=np.int32)
    UserScores(large, None, others, confidences).final(WEIGHTS)
    assert large._kept_row(4) is not kept
    np.testing.assert_array_equal(
        UserScores(large, None, history, confidences).final(WEIGHTS), first
    )
