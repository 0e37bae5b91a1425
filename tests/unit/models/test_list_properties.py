"""Coverage, novelty, diversity and the classes of users and products, worked out by hand."""

import numpy as np
import planted
import pytest

from viecomrec.domain.matrices import HeldOut
from viecomrec.domain.metrics import Targets
from viecomrec.models.evaluation import Evaluation
from viecomrec.models.list_properties import by_activity, by_warmth, list_properties
from viecomrec.models.trainer import TrainingData

CONFIDENCE = np.array([[5.0, 0, 0, 0], [5.0, 5.0, 0, 0], [5.0, 0, 0, 0]])
HELD_OUT = HeldOut(np.array([0, 1, 2], np.int32), np.array([1, 2, 3], np.int32), np.zeros(3, bool))
TEXTS = np.array([[1, 0], [1, 0], [0, 1], [0, 0]], dtype=np.float32)
DATA = TrainingData(planted.matrices(CONFIDENCE), HELD_OUT, TEXTS)
FOUND = Evaluation(
    Targets.from_held_out(HELD_OUT), np.array([[1, 2], [3, -1], [1, 2]], dtype=np.int32)
)


def test_coverage_counts_products_and_novelty_their_rarity():
    properties = list_properties(DATA, FOUND)
    assert properties["coverage@10"] == 3 / 4
    rarity = {1: -np.log2(2 / 4), 2: -np.log2(1 / 4), 3: -np.log2(1 / 4)}
    expected = np.mean([rarity[item] for item in (1, 2, 3, 1, 2)])
    assert properties["novelty@10"] == pytest.approx(expected)


def test_diversity_is_one_minus_the_mean_cosine_and_zero_for_a_single_text():
    assert list_properties(DATA, FOUND)["diversity@10"] == pytest.approx((1 + 0 + 1) / 3)
    without = TrainingData(DATA.matrices, HELD_OUT, None)
    assert "diversity@10" not in list_properties(without, FOUND)


def test_users_are_told_apart_by_activity():
    classes = by_activity(DATA, FOUND)
    assert classes["1"] == {"n_users": 2, "recall@10": 0.5, "ndcg@10": 0.5}
    assert classes["2"]["n_users"] == 1
    assert classes["2"]["recall@10"] == 0


def test_products_are_told_apart_by_warmth():
    assert by_warmth(DATA, HELD_OUT, FOUND) == {
        "0": {"n_targets": 2, "recall@10": 0.0},
        "1-4": {"n_targets": 1, "recall@10": 1.0},
    }
