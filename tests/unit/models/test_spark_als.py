"""What is ours around Spark's ALS: the search, the row solve, the bias."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from viecomrec.domain.matrices import HeldOut, TrainingMatrices
from viecomrec.domain.recipes import AlsRecipe, SparkAlsRecipe, recipe_from
from viecomrec.models.als import user_factors
from viecomrec.models.fold_in import FoldIn
from viecomrec.models.spark_als import (
    row_solve_of,
    search_spark_als,
    train_spark_als,
    tuned_recipe,
    with_popularity,
)
from viecomrec.models.trainer import TrainingData

N_USERS, N_ITEMS = 40, 12
GOOD_ALPHA = 0.2 / 0.01
RECIPE = SparkAlsRecipe(name="guide", factors=4, reg_param=0.1, iterations=3, alpha=5)


@pytest.fixture
def data():
    """Even users like even items; each has two, and a third one held out."""
    users = np.repeat(np.arange(N_USERS, dtype=np.int32), 2)
    items = np.array(
        [u % 2 + 2 * ((u // 2 + step) % 5) for u in range(N_USERS) for step in (0, 1)], np.int32
    )
    confidence = csr_array((np.full(80, 5, np.float32), (users, items)), shape=(N_USERS, N_ITEMS))
    held = HeldOut(
        user_index=np.arange(N_USERS, dtype=np.int32),
        item_index=np.array([u % 2 + 2 * ((u // 2 + 2) % 5) for u in range(N_USERS)], np.int32),
        is_validation=np.arange(N_USERS) % 3 == 0,
    )
    binary = csr_array((confidence > 0).astype(np.float32))
    return TrainingData(TrainingMatrices(confidence, binary), held, content=None)


def taste_factors(confidence, recipe):
    """Item factors that know both tastes, as a solver of good will would find them.

    Spark is given more columns than there are items; those come last.
    """
    item = np.zeros((confidence.shape[1], recipe.factors), np.float32)
    item[np.arange(N_ITEMS), np.arange(N_ITEMS) % 2] = 1
    return item


def test_users_are_solved_as_fold_in_solves_a_customer_who_comes_back(data):
    model = train_spark_als(data, RECIPE, taste_factors)
    fold_in = FoldIn.from_model(model.item, {"solver": model.solver})
    row = data.matrices.confidence[[3]]
    again = fold_in.user_vector(row.indices, row.data)
    np.testing.assert_allclose(again, model.user[3], rtol=1e-5)


def without_test(data, content):
    held = data.held_out
    part = held.is_validation
    kept = HeldOut(held.user_index[part], held.item_index[part], held.is_validation[part])
    return TrainingData(data.matrices, kept, content=content)


TEXTS = np.eye(N_ITEMS, 3, dtype=np.float32) + 0.1


@pytest.mark.parametrize(("content", "n_fits"), [(TEXTS, 8), (None, 6)])
def test_the_search_looks_at_validation_alone_and_puts_the_best_first(data, content, n_fits):
    asked = []

    def fit(ratings, recipe):
        asked.append(recipe)
        good = recipe.alpha == GOOD_ALPHA
        return (
            taste_factors(ratings, recipe) if good else np.ones((ratings.shape[1], 4), np.float32)
        )

    trials = search_spark_als(without_test(data, content), RECIPE, fit)
    assert trials[0].recipe.alpha == GOOD_ALPHA
    assert trials[0].ndcg == max(trial.ndcg for trial in trials)
    assert len(asked) == len({recipe.key for recipe in asked}) == n_fits
    assert len(trials) == n_fits + 3
    assert any(recipe.text_weight for recipe in asked) == (content is not None)


def test_a_tuned_recipe_is_ours_divided_by_the_unobserved_weight(data):
    """Fold-in solves  c = w0 + .2 r  with the ridge  s (sum .2 r + w0 n_items), all over w0."""
    weight, strength = 0.01, 0.1
    recipe = tuned_recipe(RECIPE, data, weight, strength)
    ours = AlsRecipe(
        name="ours",
        factors=4,
        iterations=1,
        alpha=0.2,
        unobserved_weight=weight,
        regularization=strength,
        regularization_exponent=1.0,
    )
    item = np.random.default_rng(0).normal(size=(N_ITEMS, 4)).astype(np.float32)
    confidence = data.matrices.confidence
    found = user_factors(confidence, item, row_solve_of(recipe, confidence))
    np.testing.assert_allclose(found, user_factors(confidence, item, ours), rtol=1e-3)


def test_a_bias_changes_scores_by_popularity_and_nothing_else(data):
    model = train_spark_als(data, RECIPE, taste_factors)
    biased = with_popularity(model, RECIPE.model_copy(update={"popularity_bias": 1.0}), data)
    assert biased.item is model.item
    order = np.argsort(data.item_counts)
    assert (np.diff(biased.item_bias[order]) >= 0).all()
    assert biased.item_bias.max() > 0
    assert with_popularity(biased, RECIPE, data).item_bias is None


def test_a_recipe_of_spark_is_read_back_as_one():
    assert recipe_from(RECIPE.model_dump(mode="json")) == RECIPE
