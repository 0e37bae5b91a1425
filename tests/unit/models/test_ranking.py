"""Lists are exact: the same as sorting everything."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from viecomrec.models.ranking import top_items


def by_sorting(scores: np.ndarray, seen: np.ndarray, depth: int) -> np.ndarray:
    top = np.full((len(scores), depth), -1, dtype=np.int32)
    for row, (score, hidden) in enumerate(zip(scores, seen, strict=True)):
        order = [item for item in np.argsort(-score, kind="stable") if not hidden[item]]
        top[row, : min(depth, len(order))] = order[:depth]
    return top


@settings(max_examples=40)
@given(st.integers(1, 9), st.integers(1, 200), st.integers(1, 80), st.integers(0, 2**31))
def test_a_list_is_the_head_of_the_sorted_unseen_items(n_users, n_items, depth, seed):
    rng = np.random.default_rng(seed)
    # Few distinct values, so that ties happen; an equal score goes to the lower index.
    scores = rng.integers(-3, 4, (n_users, n_items)).astype(np.float32)
    seen = rng.random((n_users, n_items)) < 0.4
    users = np.arange(n_users, dtype=np.int32)
    top = top_items(lambda rows: scores[rows], users, csr_array(seen), depth)
    np.testing.assert_array_equal(top, by_sorting(scores, seen, depth))


def test_a_user_who_has_seen_everything_gets_an_empty_list():
    seen = csr_array(np.ones((1, 4), dtype=np.float32))
    top = top_items(lambda rows: np.zeros((len(rows), 4)), np.array([0], np.int32), seen, 3)
    assert top.tolist() == [[-1, -1, -1]]


def test_chunks_and_threads_do_not_change_the_lists():
    rng = np.random.default_rng(0)
    n_users = 1024 + 7
    scores = rng.normal(size=(n_users, 15)).astype(np.float32)
    seen = rng.random((n_users, 15)) < 0.2
    users = np.arange(n_users, dtype=np.int32)
    top = top_items(lambda rows: scores[rows], users, csr_array(seen), 5, threads=2)
    np.testing.assert_array_equal(top, by_sorting(scores, seen, 5))
