"""Ranking metrics against numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viecomrec.domain.matrices import HeldOut
from viecomrec.domain.metrics import Targets, hits, per_user_metrics, summary


def targets(pairs: list[tuple[int, int]]) -> Targets:
    users, items = np.array(pairs, dtype=np.int32).T
    return Targets.from_held_out(HeldOut(users, items, np.ones(len(pairs), bool)))


def test_a_target_at_the_third_place_is_worth_what_the_definitions_say():
    found = targets([(7, 4)])
    hit = hits(np.array([[9, 2, 4, 1, 0]], dtype=np.int32), found)
    values = per_user_metrics(hit, found.counts, 5)
    assert values["recall"] == [1.0]
    assert values["ndcg"] == pytest.approx([1 / np.log2(4)])
    assert values["mrr"] == pytest.approx([1 / 3])
    assert values["map"] == pytest.approx([1 / 3])


def test_two_targets_share_recall_and_average_precision():
    found = targets([(0, 1), (0, 2)])
    hit = hits(np.array([[1, 5, 6, 2, 7]], dtype=np.int32), found)
    values = per_user_metrics(hit, found.counts, 5)
    assert values["recall"] == [1.0]
    assert values["ndcg"] == pytest.approx([(1 + 1 / np.log2(5)) / (1 + 1 / np.log2(3))])
    assert values["map"] == pytest.approx([(1 + 2 / 4) / 2])
    assert per_user_metrics(hit, found.counts, 1)["recall"] == [0.5]


def test_empty_places_and_the_items_of_others_are_no_hits():
    found = targets([(3, 0), (5, 1)])
    hit = hits(np.array([[1, -1], [-1, -1]], dtype=np.int32), found)
    assert not hit.any()


def test_users_without_a_target_are_not_averaged():
    found = targets([(3, 0), (3, 4), (8, 1)])
    assert found.users.tolist() == [3, 8]
    assert found.counts.tolist() == [2, 1]
    hit = hits(np.array([[0] * 20, [0] * 20], dtype=np.int32)[:, :20], found)
    assert summary(hit, found.counts)["n_users"] == 2


@given(st.lists(st.booleans(), min_size=20, max_size=20), st.integers(1, 30))
def test_every_metric_lies_between_zero_and_one(row, n_targets):
    row = np.array([row])
    n_targets = max(n_targets, int(row.sum()))
    for k in (5, 10, 20):
        values = per_user_metrics(row, np.array([n_targets]), k)
        assert all(0 <= value[0] <= 1 + 1e-12 for value in values.values())
