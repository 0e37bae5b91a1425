"""The baselines against their definitions."""

import numpy as np
import planted
import pytest

from viecomrec.models.baselines import ease, item_knn, item_similarities
from viecomrec.models.evaluation import constant_scores
from viecomrec.models.popularity import popularity


def test_ease_solves_its_objective_with_a_zero_diagonal():
    data = planted.clusters(n_users=80, n_groups=4, per_group=5)
    dense = data.matrices.binary.toarray().astype(np.float64)
    ridge, n = 7.0, dense.shape[1]
    every = np.arange(80, dtype=np.int32)
    found = ease(data.matrices.binary, ridge)(every)
    weights = np.zeros((n, n))
    for item in range(n):
        others = np.delete(np.arange(n), item)
        x = dense[:, others]
        weights[others, item] = np.linalg.solve(
            x.T @ x + ridge * np.eye(n - 1), x.T @ dense[:, item]
        )
    np.testing.assert_allclose(found, dense @ weights, atol=1e-3)


def test_similarity_is_the_shrunk_cosine_times_popularity():
    positives = planted.matrices(np.array([[5, 5, 0], [5, 5, 5], [0, 5, 0]])).binary
    similar = item_similarities(positives, shrink=2.0, popularity_exponent=0.5).toarray()
    assert similar[0, 1] == pytest.approx(2 / (np.sqrt(2 * 3) + 2) * 3**0.5)
    assert similar[1, 0] == pytest.approx(2 / (np.sqrt(2 * 3) + 2) * 2**0.5)
    assert not similar.diagonal().any()


def test_a_person_of_many_choices_says_less_of_how_similar_two_are():
    positives = planted.matrices(np.array([[5, 5, 0, 0], [5, 5, 5, 5]])).binary
    similar = item_similarities(positives, 0.0, 0.0, activity_exponent=1.0).toarray()
    few, many = 6 / 2 / 2, 6 / 2 / 4  # d^-1, scaled so that six choices count six
    assert similar[0, 1] == pytest.approx((few + many) / 2)
    assert similar[2, 3] == pytest.approx(many)


def test_both_find_planted_groups():
    data = planted.clusters()
    test = data.held_out.test
    positives = data.matrices.binary
    popular = data.evaluate(constant_scores(popularity(positives)), test).summary["ndcg@10"]
    for scores in (ease(positives, 50.0), item_knn(positives, 5.0, 0.0)):
        assert data.evaluate(scores, test).summary["ndcg@10"] > 5 * popular
