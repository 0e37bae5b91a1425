import numpy as np
import pytest

from viecomrec.domain.numeric_format import (
    NumericFormat,
    decide_format,
    label_agreement,
    mean_cosine,
    spread,
)


@pytest.mark.parametrize(
    ("agreement", "expected"),
    [
        (1.0, NumericFormat.INT8),
        (0.995, NumericFormat.INT8),
        (0.9949, NumericFormat.FLOAT32),
        (float("nan"), NumericFormat.FLOAT32),
    ],
)
def test_eight_bits_need_an_agreement_of_995_in_a_thousand(agreement, expected):
    decision = decide_format(agreement, 500, "mean cosine")
    assert decision.numeric_format is expected
    assert "500 texts" in decision.reason


def test_cosines_are_averaged_over_rows_whatever_their_lengths():
    left = np.array([[1, 0], [0, 2]], dtype=np.float32)
    right = np.array([[5, 0], [3, 0]], dtype=np.float32)
    assert mean_cosine(left, right) == pytest.approx(0.5)


def test_labels_agree_on_the_same_side_of_one_half():
    left = np.array([0.1, 0.6, 0.5, 0.4], dtype=np.float32)
    right = np.array([0.4, 0.9, 0.5, 0.6], dtype=np.float32)
    assert label_agreement(left, right) == 0.75


def test_a_sample_is_spread_over_the_whole_order():
    texts = [str(n) for n in range(1000)]
    assert spread(texts, 5) == ["0", "249", "499", "749", "999"]
    assert spread(texts[:3], 5) == texts[:3]
