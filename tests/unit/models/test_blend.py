"""The blended score: each signal varies, a user scores alone as in a batch, weights count."""

import numpy as np
import planted
import pytest
from scipy.sparse import csr_array

from viecomrec.models import blend
from viecomrec.models.blend import SIGNALS, BlendedScorer

WEIGHTS = {"cf": 1.0, "content": 0.3, "together": 0.5, "popularity": 0.1, "quality": 0.2}
N_ITEMS = 40


@pytest.fixture(params=["kept whole", "row by row"])
def scorer(request, monkeypatch):
    monkeypatch.setattr(blend, "ROWS_AT_ONCE", 7)
    if request.param == "row by row":
        monkeypatch.setattr(blend, "DENSE_UP_TO", 10)
    rng = np.random.default_rng(0)
    content = planted.group_texts(4, 10, rng)
    content[5] = 0
    bought = (rng.random((200, N_ITEMS)) < 0.1).astype(np.float32)
    together = bought.T @ bought
    np.fill_diagonal(together, 0)
    return BlendedScorer.build(
        rng.normal(size=(N_ITEMS, 8)).astype(np.float32),
        rng.normal(size=N_ITEMS).astype(np.float32),
        content,
        bought.sum(axis=0),
        rng.uniform(3, 6, N_ITEMS),
        {"blend": {"weights": WEIGHTS}},
        csr_array(together),
    )


HISTORY = (np.array([3, 17, 30]), np.array([5.5, 4.0, 6.0], np.float32))


def vector(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=8).astype(np.float32)


def test_pitfall_13_each_signal_varies_with_mean_zero_and_deviation_one(scorer):
    signals = scorer.signals(vector(), *HISTORY)
    for name in SIGNALS:
        values = getattr(signals, name)
        assert len(np.unique(values)) > N_ITEMS / 3, name
        assert values.mean() == pytest.approx(0, abs=1e-5)
        assert values.std() == pytest.approx(1, abs=1e-4)


def test_pitfall_13_each_weight_changes_the_order(scorer):
    signals = scorer.signals(vector(), *HISTORY)
    whole = scorer.combine(signals)
    for name in SIGNALS:
        without = scorer.combine(signals, {**WEIGHTS, name: 0.0})
        assert np.argsort(without).tolist() != np.argsort(whole).tolist(), name


def test_one_user_scores_as_in_a_batch(scorer):
    histories = [HISTORY, (np.array([8]), np.array([5.0], np.float32))]
    vectors = np.vstack([vector(1), vector(2)])
    batch = scorer.batch_scores(vectors, histories)
    for row, (items, confidences) in enumerate(histories):
        alone = scorer.combine(scorer.signals(vectors[row], items, confidences))
        np.testing.assert_allclose(batch[row], alone, atol=1e-4)


def test_a_user_without_history_or_vector_is_served_by_what_people_choose(scorer):
    nothing = (np.array([], np.int64), np.array([], np.float32))
    signals = scorer.signals(None, *nothing)
    assert not signals.cf.any()
    assert not signals.content.any()
    assert not signals.together.any()
    batch = scorer.batch_scores(None, [nothing, HISTORY])
    np.testing.assert_allclose(batch[0], scorer.combine(signals), atol=1e-5)


def test_factors_score_alone_where_the_model_has_no_blend(scorer):
    plain = BlendedScorer.build(
        scorer.item, scorer.item_bias, scorer.content, scorer.popularity, None, {}
    )
    scores = plain.combine(plain.signals(vector(), *HISTORY))
    raw = scorer.item @ vector() + scorer.item_bias
    assert np.argsort(scores).tolist() == np.argsort(raw).tolist()


def test_absent_parts_are_zero_signals(scorer):
    plain = BlendedScorer.build(scorer.item, None, None, np.ones(N_ITEMS), None, {})
    signals = plain.signals(vector(), *HISTORY)
    for name in ("content", "together", "popularity", "quality"):
        assert not getattr(signals, name).any(), name


WAYS = [
    {},
    {"activity_exponent": 0.5, "pseudo_counts": 100.0},
    {"activity_exponent": 0.7, "history_exponent": 0.5, "popularity_exponent": 0.3},
]


@pytest.mark.parametrize("stored", WAYS)
def test_co_purchase_is_the_smoothed_conditional_probability(scorer, stored):
    """What params.json says of it counts; where it says nothing, P(j | i) with 10 pseudo-counts."""
    counted = BlendedScorer.build(
        scorer.item,
        None,
        scorer.content,
        scorer.popularity,
        None,
        {"blend": {"weights": WEIGHTS, **({"co_purchase": stored} if stored else {})}},
        scorer.together,
    )
    rows, item = counted._rows("together", np.arange(N_ITEMS)), 7
    m, history, popular = (
        stored.get("pseudo_counts", 10),
        stored.get("history_exponent", 1),
        stored.get("popularity_exponent", 0),
    )
    cosine = np.maximum(scorer.content[item] @ scorer.content.T, 0) + blend.COSINE_FLOOR
    prior = cosine * (scorer.popularity + 0.5)
    prior[item] = 0
    prior /= prior.sum()
    counts = scorer.together[[item]].toarray()[0]
    expected = (counts + m * prior) / (scorer.popularity[item] + m) ** history
    expected /= (scorer.popularity + 0.5) ** popular
    np.testing.assert_allclose(rows[item], expected, rtol=1e-4)


def test_content_is_closeness_times_the_root_of_popularity(scorer):
    rows = scorer._rows("content", np.arange(N_ITEMS))
    cosine, chosen = float(scorer.content[3] @ scorer.content[7]), float(scorer.popularity[7])
    assert cosine > 0
    assert rows[3, 7] == pytest.approx(cosine * np.sqrt(chosen + 0.5), rel=1e-5)
    assert rows.min() == 0
