import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from viecomrec.domain.product_text import product_text
from viecomrec.models import text_encoders
from viecomrec.models.text_encoders import TfidfEncoder, corpus_space, normalised, postprocessed

KINDS = ("Sữa rửa mặt dịu nhẹ cho da nhạy cảm", "Kem chống nắng phổ rộng kiềm dầu", "Son môi lì")
TEXTS = [
    product_text(f"{KINDS[n % 3]} số {n}", f"{KINDS[n % 3]} loại {n // 3}", None) for n in range(60)
]


def encode(texts, dimensions=768):
    return TfidfEncoder(dimensions).encode(texts, lambda _: None)


def test_the_width_is_always_768_and_missing_ranks_are_zero_columns():
    vectors = encode(TEXTS[:5])
    assert vectors.shape == (5, 768)
    assert not vectors[:, 5:].any()
    assert vectors[:, :4].any(axis=0).all()


def test_cosines_of_the_reduced_vectors_are_those_of_the_tfidf_rows():
    terms = text_encoders._weighted_terms(TEXTS)
    expected = (terms @ terms.T).toarray()
    vectors = encode(TEXTS)
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=1e-4)


def test_the_nearest_text_is_of_the_same_kind():
    vectors = normalised(encode(TEXTS))
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    assert all(nearest % 3 == row % 3 for row, nearest in enumerate(cosines.argmax(axis=1)))


def test_the_same_texts_give_the_same_bytes_whatever_the_threads():
    # Large enough for the libraries to share the work among threads.
    texts = [product_text(f"{KINDS[n % 3]} số {n} {n * n}", None, None) for n in range(700)]
    with threadpool_limits(limits=1):
        one = encode(texts, 300).tobytes()
    with threadpool_limits(limits=2):
        assert encode(texts, 300).tobytes() == one


def test_the_randomised_path_for_large_catalogues_finds_the_same_neighbours(monkeypatch):
    exact = encode(TEXTS, 16)
    monkeypatch.setattr(text_encoders, "EXACT_UP_TO", 10)
    randomised = encode(TEXTS, 16)
    np.testing.assert_allclose(randomised @ randomised.T, exact @ exact.T, atol=0.02)
    assert encode(TEXTS, 16).tobytes() == randomised.tobytes()


@pytest.mark.parametrize("odd", ["😀👍", "", "a" * 20_000, "很好用 очень хорошо"])
def test_odd_texts_get_finite_vectors(odd):
    vectors = encode([*TEXTS[:5], product_text(odd, None, None)])
    assert np.isfinite(vectors).all()


def test_an_empty_text_among_others_is_a_zero_row_and_stays_one():
    vectors = normalised(encode([*TEXTS[:5], product_text(None, None, None)]))
    assert not vectors[-1].any()
    np.testing.assert_allclose(np.linalg.norm(vectors[:-1], axis=1), 1, atol=1e-6)


def test_another_corpus_is_another_space_whatever_its_order():
    assert corpus_space("k", ["a", "b"]) == corpus_space("k", ["b", "a", "a"])
    assert corpus_space("k", ["a", "b"]) != corpus_space("k", ["a"])


def test_centred_vectors_have_mean_zero_and_whitened_ones_equal_variances():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(8, 8))
    vectors = (rng.normal(size=(400, 8)) @ mixing + 5).astype(np.float32)
    assert postprocessed(vectors, "none") is vectors
    np.testing.assert_allclose(postprocessed(vectors, "centre").mean(axis=0), 0, atol=1e-5)
    whitened = postprocessed(vectors, "whiten")
    np.testing.assert_allclose(np.cov(whitened, rowvar=False), np.eye(8), atol=1e-3)


def test_whitening_few_texts_keeps_only_directions_that_they_can_support():
    vectors = np.random.default_rng(0).normal(size=(40, 64)).astype(np.float32)
    whitened = postprocessed(vectors, "whiten")
    assert whitened.shape == (40, 64)
    assert whitened[:, :10].any(axis=0).all()
    assert not whitened[:, 10:].any()
