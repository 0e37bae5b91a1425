import numpy as np
import pytest

from viecomrec.domain.comment_quality import SELF_TRAINED, UNTRAINED, ScorerWeights
from viecomrec.models.comment_quality import N_BUCKETS, NgramScorer, fit_scorer

PINNED = [0.412197, 0.065123, 0.739339]

GOOD = ["sản phẩm tốt", "rất thích", "da mịn hẳn", "thơm dịu nhẹ", "sẽ mua lại"]
BAD = ["hàng giả", "rất tệ", "bị dị ứng", "thất vọng", "hết hạn sử dụng"]


def examples(n=200):
    rng = np.random.default_rng(0)
    is_positive = rng.random(n) < 0.8
    texts = [
        ", ".join(rng.choice(GOOD if good else BAD, 2)) + f" {number}"
        for number, good in enumerate(is_positive)
    ]
    return texts, is_positive


@pytest.fixture(scope="module")
def scorer():
    return NgramScorer(fit_scorer(*examples(), seed=0), "v")


def test_praise_scores_above_complaint(scorer):
    praise, complaint = scorer.score(["rất thích, da mịn", "hàng giả, thất vọng"])
    assert complaint < 0.3
    assert praise > 0.7


def test_a_text_without_diacritics_shares_features_with_the_same_text(scorer):
    known, plain, unknown = scorer.score(["that vong lam", "thất vọng lắm", "zzz"])
    assert plain < unknown
    assert known <= unknown


def test_a_score_depends_on_its_text_alone(scorer):
    texts, _ = examples(50)
    together = scorer.score(texts)
    alone = np.concatenate([scorer.score([text]) for text in texts])
    assert np.array_equal(together, alone)
    assert np.array_equal(scorer.score(texts[::-1])[::-1], together)


def test_empty_text_is_neutral_and_every_score_is_a_share(scorer):
    scores = scorer.score(["", "x", "\x00", "tốt " * 5000])
    assert scores[0] == 0.5
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()


def test_the_same_examples_give_the_same_weights():
    first, second = fit_scorer(*examples(), seed=0), fit_scorer(*examples(), seed=0)
    assert np.array_equal(first.weights, second.weights)
    assert first.bias == second.bias
    assert first.kind == SELF_TRAINED


def test_with_too_few_comments_of_one_side_every_comment_is_neutral():
    fitted = fit_scorer(["tốt"] * 500 + ["tệ"] * 19, np.arange(519) < 500, seed=0)
    assert fitted.kind == UNTRAINED
    assert NgramScorer(fitted, "v").score(["tốt", "tệ", ""]).tolist() == [0.5, 0.5, 0.5]


def test_the_scores_of_three_texts_are_pinned():
    """When this fails, raise PROGRAM in pipelines/data_refresh: old snapshots hold old scores."""
    weights = np.sin(np.arange(N_BUCKETS)).astype(np.float32)
    fitted = ScorerWeights(SELF_TRAINED, weights, np.arange(N_BUCKETS) % 3 > 0, 0.1, 30, 30)
    texts = ["Sản phẩm tốt, rất thích", "khong hop da minh", "dkfjghsdkfj"]
    scores = NgramScorer(fitted, "v").score(texts)
    assert scores.tolist() == pytest.approx(PINNED, abs=1e-5)
