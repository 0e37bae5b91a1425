import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from viecomrec.domain.embeddings import (
    EmbeddingManifest,
    EncoderIdentity,
    ProductEmbeddings,
    age_in_days,
    embedding_version,
    reason_to_encode,
)

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)


def embeddings(days_old: float = 0, encoder_key: str = "k") -> ProductEmbeddings:
    at = NOW - timedelta(days=days_old)
    manifest = EmbeddingManifest(
        version="v",
        model="m",
        encoder_key=encoder_key,
        space="s",
        n_products=2,
        dimensions=2,
        created_at="",
        created_at_utc=at.isoformat(),
    )
    vectors = np.array([[1, 0], [0, 1]], dtype=np.float32)
    return ProductEmbeddings(("a", "b"), vectors, ("ha", "hb"), manifest)


TEXTS = {"a": "ha", "b": "hb"}


def test_pitfall_07_vectors_are_aligned_by_product_id_and_unknown_products_are_zero():
    aligned = embeddings().aligned(["b", "unknown", "a", "b"])
    np.testing.assert_array_equal(aligned, [[0, 1], [0, 0], [1, 0], [0, 1]])
    assert aligned.dtype == np.float32
    assert aligned.flags.c_contiguous


def test_ids_and_vectors_of_different_length_are_refused():
    whole = embeddings()
    with pytest.raises(ValueError, match="do not belong together"):
        ProductEmbeddings(("a",), whole.vectors, ("ha",), whole.manifest)


def test_young_embeddings_of_the_same_texts_by_the_same_encoder_are_fresh():
    assert reason_to_encode(embeddings(6.9), TEXTS, "k", NOW, 7) is None


@pytest.mark.parametrize(
    ("current", "texts", "reason"),
    [
        (None, TEXTS, "no embeddings yet"),
        (embeddings(7), TEXTS, "7 days old"),
        (embeddings(0), {**TEXTS, "a": "changed"}, "products or their texts changed"),
        (embeddings(0), {"a": "ha"}, "products or their texts changed"),
        (embeddings(0, "other"), TEXTS, r"made by another encoder \(m\)"),
    ],
)
def test_everything_else_is_a_reason_to_encode(current, texts, reason):
    answer = reason_to_encode(current, texts, "k", NOW, 7)
    assert answer is not None
    assert re.fullmatch(reason, answer)


def test_an_instant_in_the_future_is_zero_days_old():
    assert age_in_days((NOW + timedelta(days=3)).isoformat(), NOW) == 0


def test_every_option_and_revision_of_an_encoder_changes_its_key():
    keys = {
        EncoderIdentity("m", None).key,
        EncoderIdentity("m", "r1").key,
        EncoderIdentity("m", "r2").key,
        EncoderIdentity("m", "r2", {"pooling": "mean"}).key,
    }
    assert len(keys) == 4
    assert (
        EncoderIdentity("m", "r", {"a": 1, "b": 2}).key
        == EncoderIdentity("m", "r", {"b": 2, "a": 1}).key
    )


def test_the_version_follows_ids_vectors_and_encoder_but_not_why_it_was_chosen():
    vectors = embeddings().vectors
    described = {"model": "m", "revision": None, "space": "s"}
    version = embedding_version(["a", "b"], vectors, described)
    assert version == embedding_version(["a", "b"], vectors, {**described, "degraded": True})
    assert version != embedding_version(["b", "a"], vectors, described)
    assert version != embedding_version(["a", "b"], vectors * 2, described)
    assert version != embedding_version(["a", "b"], vectors, {**described, "revision": "r"})
