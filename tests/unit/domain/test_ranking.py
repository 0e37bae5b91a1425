import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from viecomrec.domain import ranking

scores_and_masks = st.integers(1, 400).flatmap(
    lambda n: st.tuples(
        hnp.arrays(np.float32, n, elements=st.integers(-50, 50).map(float)),
        hnp.arrays(np.bool_, n),
        st.integers(1, 50),
    )
)


@given(scores_and_masks)
def test_top_k_is_a_full_sort_of_what_is_allowed(drawn):
    scores, allowed, k = drawn
    expected = [int(i) for i in np.argsort(-scores, kind="stable") if allowed[i]][:k]
    assert ranking.top_k(scores, allowed, k).tolist() == expected


def test_a_column_that_is_taken_out_is_never_shown_and_the_mask_given_stays():
    allowed = np.ones(4, dtype=np.bool_)
    rest = ranking.without(allowed, np.array([1, 3], dtype=np.int32))
    assert ranking.top_k(np.arange(4, dtype=np.float32), rest, 4).tolist() == [2, 0]
    assert allowed.all()


def test_standardised_values_have_mean_zero_and_deviation_one():
    values = ranking.standardise(np.array([1, 2, 3, 10], dtype=np.float64))
    np.testing.assert_allclose([values.mean(), values.std()], [0, 1], atol=1e-6)


def test_a_signal_that_does_not_vary_says_nothing():
    assert not ranking.standardise(np.full(5, 7.0)).any()


def test_recent_choices_count_before_old_ones_and_old_ones_decide_between_equals():
    scores = ranking.popularity_scores(np.array([1, 1, 2]), np.array([5, 90, 2]))
    assert np.argsort(-scores).tolist() == [2, 1, 0]


@given(scores_and_masks, st.integers(1, 20))
def test_a_diverse_list_has_the_best_of_each_group_in_order(drawn, n_groups):
    scores, allowed, k = drawn
    groups = np.arange(len(scores), dtype=np.int32) % n_groups
    masked = np.where(allowed, scores, np.float32(-np.inf))
    expected, taken = [], {0}
    for column in np.argsort(-scores, kind="stable").tolist():
        if allowed[column] and groups[column] not in taken:
            expected.append(column)
            taken.add(groups[column])
    assert ranking.diverse_top_k(masked, groups, k, {0}) == expected[:k]


def test_a_product_of_one_perfect_review_does_not_pass_one_of_many_good_ones():
    means = ranking.smoothed_means(np.array([6.0, 550.0, 300.0]), np.array([1, 100, 100]))
    assert means[1] > means[0] > means[2]


def test_without_any_review_no_product_is_better():
    assert not ranking.smoothed_means(np.zeros(3), np.zeros(3, dtype=np.int64)).any()
