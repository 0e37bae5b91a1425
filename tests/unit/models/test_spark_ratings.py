"""What Spark is told by rows; its own solve is written out here, and asked in integration tests."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from viecomrec.domain.recipes import AlsRecipe, SparkAlsRecipe
from viecomrec.models import spark_ratings as module
from viecomrec.models.als import user_factors
from viecomrec.models.spark_ratings import FAINT, Fillers, fillers_of, spark_ratings, text_rows

N_USERS, N_ITEMS = 300, 60
STRENGTH, ALPHA, STARS = 0.3, 6.0, 5.0
RECIPE = SparkAlsRecipe(
    name="t",
    factors=4,
    iterations=4,
    alpha=ALPHA,
    reg_param=STRENGTH * ALPHA * STARS,
    fillers=True,
)


@pytest.fixture
def confidence():
    rng = np.random.default_rng(3)
    touched = rng.random((N_USERS, N_ITEMS)) < 0.05
    touched[:, 0] = True
    return csr_array((touched * STARS).astype(np.float32))


def spark_rows(fixed, ratings, recipe):
    """org.apache.spark.ml.recommendation.ALS, implicit, one side, in float64."""
    shared = fixed.T @ fixed
    rows = np.zeros((ratings.shape[0], fixed.shape[1]))
    for row in range(ratings.shape[0]):
        part = slice(ratings.indptr[row], ratings.indptr[row + 1])
        y = fixed[ratings.indices[part]]
        w = recipe.alpha * ratings.data[part].astype(np.float64)
        left = shared + (y.T * w) @ y + recipe.reg_param * len(y) * np.eye(fixed.shape[1])
        rows[row] = np.linalg.solve(left, (1 + w) @ y)
    return rows


def spark_factors(ratings, recipe):
    """All factors of rows and columns after the sweeps, rows last."""
    by_column = ratings.T.tocsr()
    rows = np.random.default_rng(1).normal(size=(ratings.shape[0], recipe.factors))
    for _ in range(recipe.iterations):
        columns = spark_rows(rows, by_column, recipe)
        rows = spark_rows(columns, ratings, recipe)
    return rows, columns


def test_with_fillers_spark_solves_our_objective(confidence):
    """The ridge of Rendle et al. 2022, to what the faint rows themselves weigh."""
    ours = AlsRecipe(
        name="ours",
        factors=4,
        iterations=4,
        alpha=ALPHA,
        regularization=STRENGTH,
        regularization_exponent=1.0,
    )
    filled = spark_ratings(confidence, None, RECIPE)
    rows, columns = spark_factors(filled, RECIPE)
    items = columns[:N_ITEMS].astype(np.float32)
    expected = user_factors(confidence, items, ours)
    np.testing.assert_allclose(rows[:N_USERS], expected, rtol=0.02, atol=0.01)
    bare = spark_rows(columns[:N_ITEMS], confidence, RECIPE)
    assert np.abs(bare - expected).max() > 10 * np.abs(rows[:N_USERS] - expected).max()


def test_fillers_stand_last_on_both_sides_and_weigh_nothing(confidence):
    fillers = fillers_of(confidence, ALPHA)
    assert fillers == Fillers(2, 10)
    filled = spark_ratings(confidence, None, RECIPE).toarray()
    assert filled.shape == (N_USERS + fillers.per_item, N_ITEMS + fillers.per_user)
    np.testing.assert_array_equal(filled[:N_USERS, :N_ITEMS], confidence.toarray())
    assert (filled[N_USERS:, :N_ITEMS] == FAINT).all()
    assert (filled[:N_USERS, N_ITEMS:] == FAINT).all()
    assert (filled[N_USERS:, N_ITEMS:] == 0).all()


def test_a_shop_that_needs_too_many_fillers_gets_a_share_of_them(confidence, monkeypatch):
    monkeypatch.setattr(module, "MAX_FILLERS", 600)
    fillers = fillers_of(confidence, ALPHA)
    n_pairs = fillers.per_user * N_USERS + fillers.per_item * N_ITEMS
    assert 400 < n_pairs < 800


def test_a_text_is_a_row_with_the_product_and_what_reads_like_it():
    content = np.zeros((6, 3), np.float32)
    content[:4] = [[1, 0, 0], [0.9, 0.1, 0], [0, 1, 0], [0, 0.9, 0.3]]
    rows = text_rows(content, 1, 2.0).toarray()
    assert rows.shape == (4, 6)
    np.testing.assert_allclose(np.diag(rows), 2.0)
    assert rows[0, 1] > 1
    assert rows[2, 3] > 1
    assert rows[0, 2] == rows[0, 3] == 0, "what does not read alike is not in the row"
    assert (rows[:, 4:] == 0).all(), "a product without a text"


def test_rows_of_texts_follow_the_users_and_are_filled_like_them(confidence):
    content = np.random.default_rng(0).normal(size=(N_ITEMS, 5)).astype(np.float32)
    recipe = RECIPE.model_copy(update={"text_weight": 0.3, "text_neighbours": 3})
    filled = spark_ratings(confidence, content, recipe).toarray()
    fillers = fillers_of(confidence, ALPHA)
    assert filled.shape[0] == N_USERS + N_ITEMS + fillers.per_item
    texts = filled[N_USERS : N_USERS + N_ITEMS]
    np.testing.assert_allclose(np.diag(texts[:, :N_ITEMS]), 0.3 * STARS, rtol=1e-6)
    assert (texts[:, N_ITEMS:] == FAINT).all()


@pytest.mark.parametrize("content", [None, np.zeros((N_ITEMS, 5), np.float32)])
def test_without_texts_there_are_no_rows_of_texts(confidence, content):
    recipe = RECIPE.model_copy(update={"text_weight": 0.3, "fillers": False})
    assert spark_ratings(confidence, content, recipe).shape == confidence.shape
