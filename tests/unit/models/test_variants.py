"""Variants of one product count once: in training, in the targets, in fold-in."""

import numpy as np
import planted

from viecomrec.domain.matrices import HeldOut
from viecomrec.models.fold_in import FoldIn
from viecomrec.models.variants import VariantGroups

NAMES = ["serum", "toner", "serum", "kem", "serum"]
GROUPS = VariantGroups.from_names(NAMES)


def test_groups_stand_in_the_order_of_their_first_item():
    assert GROUPS.group_of.tolist() == [0, 1, 0, 2, 0]
    assert GROUPS.n_groups == 3


def test_pitfall_16_a_review_repeated_on_every_variant_is_one_interaction():
    items = planted.matrices(np.array([[5.0, 0, 5.5, 0, 4.5], [0, 2.0, 0, 5.0, 0]]))
    groups = GROUPS.matrices(items)
    assert groups.confidence.toarray().tolist() == [[5.5, 0, 0], [0, 2, 5]]
    assert groups.binary.toarray().tolist() == [[1, 0, 0], [0, 0, 1]]
    assert groups.confidence.has_sorted_indices


def test_pitfall_16_a_target_on_two_variants_is_one_target():
    users, items = np.array([0, 0, 1], np.int32), np.array([0, 4, 3], np.int32)
    held_out = GROUPS.held_out(HeldOut(users, items, np.array([True, True, False])))
    assert held_out.user_index.tolist() == [0, 1]
    assert held_out.item_index.tolist() == [0, 2]
    assert held_out.is_validation.tolist() == [True, False]


def test_the_text_of_a_group_is_the_mean_of_those_that_have_one():
    texts = np.array([[1, 0], [0, 1], [0, 0], [0, 0], [0, 1]], dtype=np.float32)
    assert GROUPS.content(texts).tolist() == [[0.5, 0.5], [0, 1], [0, 0]]


def test_every_variant_carries_the_row_of_its_group():
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    assert GROUPS.expand(rows).tolist() == [[0, 1], [2, 3], [0, 1], [4, 5], [0, 1]]


def test_folding_in_variants_is_folding_in_their_product():
    rng = np.random.default_rng(0)
    groups = rng.normal(size=(3, 4)).astype(np.float32)
    solver = {
        "alpha": 5.0,
        "unobserved_weight": 1.0,
        "regularization": 0.1,
        "regularization_exponent": 1.0,
    }
    of_groups = FoldIn.from_model(groups, {"solver": solver})
    of_items = FoldIn.from_model(GROUPS.expand(groups), {"solver": solver}, GROUPS.group_of)
    expected = of_groups.user_vector(np.array([0, 2]), np.array([5.5, 4.0], np.float32))
    found = of_items.user_vector(np.array([4, 0, 3, 2]), np.array([4.5, 5.5, 4.0, 1.0], np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_new_variant_without_factors_does_not_hide_those_of_its_product():
    groups = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    items = GROUPS.expand(groups)
    items[0] = 0
    solver = {
        "alpha": 5.0,
        "unobserved_weight": 1.0,
        "regularization": 0.1,
        "regularization_exponent": 0.0,
    }
    fold_in = FoldIn.from_model(items, {"solver": solver}, GROUPS.group_of)
    assert fold_in.user_vector(np.array([0]), np.array([5.0], np.float32)).any()
