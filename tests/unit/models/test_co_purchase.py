"""How much each person who chose two products says of them, and what a stored model means."""

from itertools import pairwise

import numpy as np
import planted
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from viecomrec.models import co_purchase
from viecomrec.models.co_purchase import CO_PURCHASES, CoPurchase, co_purchases


def choices(rows: list[list[int]]) -> csr_array:
    return planted.matrices(np.array(rows) * 5).binary


def test_co_purchases_count_people_who_chose_both():
    positives = choices([[1, 1, 0], [1, 1, 0], [0, 1, 1]])
    assert co_purchases(positives).toarray().tolist() == [[0, 2, 0], [2, 0, 1], [0, 1, 0]]


def test_a_person_of_many_choices_says_less_of_each_pair():
    positives = choices([[1, 1, 0, 0], [1, 1, 1, 1]])
    counts = co_purchases(positives, 0.5).toarray()
    few, many = 2**-0.5, 4**-0.5
    scale = 6 / (2 * few + 4 * many)
    assert counts[0, 1] == pytest.approx((few + many) * scale)
    assert counts[0, 2] == pytest.approx(many * scale)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.3, 0.5, 0.7, 1.0, 2.0]))
def test_weighing_people_keeps_pairs_and_symmetry_and_the_sum_of_choices(seed, exponent):
    rng = np.random.default_rng(seed)
    positives = csr_array((rng.random((rng.integers(1, 30), 8)) < 0.4).astype(np.float32))
    plain = co_purchases(positives).toarray()
    weighed = co_purchases(positives, exponent).toarray()
    assert np.array_equal(plain > 0, weighed > 0)
    np.testing.assert_allclose(weighed, weighed.T, rtol=1e-5)
    assert not weighed.diagonal().any()
    each = co_purchase.weighed_people(positives, exponent)
    assert each.sum() == pytest.approx(positives.sum(), rel=1e-4)
    busier = np.diff(positives.indptr).argsort()
    shares = [each.data[each.indptr[u]] for u in busier if each.indptr[u] < each.indptr[u + 1]]
    assert all(a >= b for a, b in pairwise(shares))


def test_people_of_equally_many_choices_count_as_before():
    positives = choices([[1, 1, 0], [0, 1, 1], [1, 0, 1]])
    np.testing.assert_allclose(
        co_purchases(positives, 0.7).toarray(), co_purchases(positives).toarray(), rtol=1e-6
    )


@pytest.mark.parametrize("exponent", [0.0, 0.5])
def test_a_robot_says_nothing(monkeypatch, exponent):
    monkeypatch.setattr(co_purchase, "MAX_CHOICES", 3)
    positives = choices([[1, 1, 0, 0], [1, 1, 1, 1]])
    assert co_purchases(positives, exponent).toarray()[2:].sum() == 0


@pytest.mark.parametrize("exponent", [0.0, 0.5])
def test_where_nobody_chose_anything_no_pair_is_counted(exponent):
    nothing = csr_array((4, 3), dtype=np.float32)
    assert co_purchases(nothing, exponent).nnz == 0


def test_a_model_that_says_nothing_of_co_purchase_has_the_plain_one():
    plain = CoPurchase(0.0, 1.0, 0.0, 10.0)
    assert CoPurchase.from_params({}) == plain
    assert CoPurchase.from_params({"blend": {"weights": {"cf": 1.0}}}) == plain


def test_a_stored_setting_is_read_and_what_a_later_version_adds_is_passed_over():
    stored = {"activity_exponent": 0.5, "pseudo_counts": 100, "of_next_year": 3}
    found = CoPurchase.from_params({"blend": {"co_purchase": stored}})
    assert found == CoPurchase(activity_exponent=0.5, pseudo_counts=100.0)


@pytest.mark.parametrize(
    "wrong", [{"activity_exponent": -1.0}, {"pseudo_counts": 0.0}, {"history_exponent": np.nan}]
)
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="co-purchase needs"):
        CoPurchase(**wrong)


def test_the_ways_that_are_tried_differ():
    assert len(set(CO_PURCHASES)) == len(CO_PURCHASES)
