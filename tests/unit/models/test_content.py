"""Texts: where items start, and the factors of items that nobody has bought."""

import numpy as np
import planted
import pytest

from viecomrec.domain.matrices import TrainingMatrices
from viecomrec.domain.recipes import AlsRecipe
from viecomrec.errors import TrainingError
from viecomrec.models.als import random_items
from viecomrec.models.content import (
    fill_cold_items,
    initial_items,
    learn_text_map,
    principal_components,
    require_finite,
)
from viecomrec.models.trainer import TrainingData, train_als

RECIPE = AlsRecipe(
    name="content",
    factors=16,
    regularization=0.1,
    iterations=10,
    alpha=5.0,
    content_scale=0.3,
    cold_threshold=5,
)


def test_items_start_at_their_text_with_the_asked_length_in_c_order():
    vectors = planted.group_texts(4, 5, np.random.default_rng(0))
    vectors[7] = 0
    random = random_items(20, 16, np.random.default_rng(1))
    start = initial_items(vectors, random, 0.3)
    lengths = np.linalg.norm(start, axis=1)
    np.testing.assert_allclose(np.delete(lengths, 7), 0.3, rtol=1e-5)
    np.testing.assert_array_equal(start[7], random[7])
    assert start.flags.c_contiguous
    assert start.dtype == np.float32


def test_principal_components_keep_the_distances_that_matter():
    vectors = planted.group_texts(4, 5, np.random.default_rng(0))
    full = principal_components(vectors, 16)
    distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    kept = np.linalg.norm(full[:, None] - full[None], axis=2)
    np.testing.assert_allclose(kept, distances, atol=1e-4)


def test_a_text_map_recovers_a_linear_relation():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 8)).astype(np.float32)
    truth = rng.normal(size=(8, 3)).astype(np.float32)
    learnt = learn_text_map(features, features @ truth + 2)
    np.testing.assert_allclose(learnt.weights, truth, atol=1e-2)
    np.testing.assert_allclose(learnt.intercept, 2, atol=1e-2)


def without_interactions(data: TrainingData, items: np.ndarray) -> TrainingData:
    """The same shop where nobody has bought `items` yet."""
    confidence = data.matrices.confidence.toarray()
    confidence[:, items] = 0
    return TrainingData(planted.matrices(confidence), data.held_out, data.content)


def share_found(model, data: TrainingData, items: np.ndarray) -> float:
    """How often a user's best among the new items is the one of the own group; chance is .1."""
    scores = model.scores(np.arange(data.matrices.n_users, dtype=np.int32))[:, items]
    return float(np.mean(scores.argmax(axis=1) == np.arange(len(scores)) % len(items)))


def test_pitfall_07_an_item_without_interactions_gets_a_useful_factor_from_its_text():
    cold = np.arange(11, 120, 12)
    data = without_interactions(planted.clusters(content=True), cold)
    model = train_als(data, RECIPE)
    assert model.n_cold_filled == len(cold)
    assert np.linalg.norm(model.item[cold], axis=1).min() > 0
    assert share_found(model, data, cold) > 0.8


def test_pitfall_07_shuffled_texts_do_not_help_cold_items():
    cold = np.arange(11, 120, 12)
    data = without_interactions(planted.clusters(content=True), cold)
    order = np.random.default_rng(4).permutation(len(data.content))
    shuffled = TrainingData(data.matrices, data.held_out, data.content[order])
    assert share_found(train_als(shuffled, RECIPE), data, cold) < 0.3


def test_warm_items_keep_what_they_have_learnt():
    item = np.random.default_rng(0).normal(size=(20, 16)).astype(np.float32)
    vectors = planted.group_texts(4, 5, np.random.default_rng(0))
    counts = np.full(20, 9)
    counts[[3, 4]] = 4
    filled, n_filled = fill_cold_items(item, vectors, counts, 5)
    assert n_filled == 2
    warm = np.delete(np.arange(20), [3, 4])
    np.testing.assert_array_equal(filled[warm], item[warm])
    assert not np.array_equal(filled[3], item[3])


def test_embeddings_that_are_no_numbers_are_refused_with_the_product():
    vectors = planted.group_texts(2, 2, np.random.default_rng(0))
    vectors[2, 5] = np.nan
    with pytest.raises(TrainingError, match=r"1 products are not finite, first 'sữa rửa mặt'"):
        require_finite(vectors, ["a", "b", "sữa rửa mặt", "d"])


def test_matrices_of_two_shapes_are_no_training_data():
    one, other = planted.checkerboard(24).matrices, planted.checkerboard(26).matrices
    with pytest.raises(ValueError, match="shapes differ"):
        TrainingMatrices(one.confidence, other.binary)
