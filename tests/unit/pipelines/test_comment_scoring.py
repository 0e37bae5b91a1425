"""A costly scorer is asked once for each text; the shop's own scorer stands in without weights."""

import numpy as np
import pytest

from tests.shop_export import refresh, some_reviews, write_export
from viecomrec.adapters.score_cache import ScoreCache, text_key
from viecomrec.pipelines.comment_scoring import CachedScorer


class CountingScorer:
    version = "counting@1-float32"
    model = "counting"

    def __init__(self):
        self.asked = []

    def score(self, texts, on_progress=lambda _: None):
        self.asked += texts
        on_progress(len(texts))
        return np.array([len(text) / 100 for text in texts], dtype=np.float32)


@pytest.fixture
def counting():
    return CountingScorer()


def test_each_text_is_asked_once_even_after_a_restart(counting, tmp_path):
    first = CachedScorer(counting, ScoreCache(tmp_path)).score(["aa", "b", "", "aa"])
    again = CachedScorer(counting, ScoreCache(tmp_path)).score(["b", "aa", "ccc"])
    assert first.tolist() == pytest.approx([0.02, 0.01, 0.5, 0.02])
    assert again.tolist() == pytest.approx([0.01, 0.02, 0.03])
    assert counting.asked == ["b", "aa", "ccc"]


def test_another_version_is_asked_anew(counting, tmp_path):
    CachedScorer(counting, ScoreCache(tmp_path)).score(["aa"])
    counting.version = "counting@2-float32"
    CachedScorer(counting, ScoreCache(tmp_path)).score(["aa"])
    assert counting.asked == ["aa", "aa"]


def test_a_forgotten_text_leaves_no_score_behind(counting, tmp_path):
    cache = ScoreCache(tmp_path)
    CachedScorer(counting, cache).score(["aa", "b"])
    cache.forget(["aa"])
    assert set(cache.read(counting.version)) == {text_key("b")}


def test_the_shops_own_scorer_stands_in_and_says_so(tmp_path):
    shop = write_export(tmp_path, some_reviews(120))
    refresh(shop)
    described = shop.snapshots.require_current().statistics["comment_scorer"]
    assert described["model"] == "self-trained-ngrams"
    assert described["degraded"] is True
    assert "weights of 5CD-AI/Vietnamese-Sentiment-visobert" in described["degraded_reason"]
    assert str(tmp_path) not in described["degraded_reason"]
    assert described["n_negative"] == 24


def test_where_the_sentiment_model_is_it_judges_and_both_paths_agree(tmp_path):
    tiny_models = pytest.importorskip("tests.tiny_models")
    shop = write_export(tmp_path, some_reviews())
    tiny_models.write_sentiment(tmp_path / "models" / "5CD-AI--Vietnamese-Sentiment-visobert")
    refresh(shop)
    first = shop.snapshots.require_current()
    assert first.statistics["comment_scorer"]["model"] == "5CD-AI/Vietnamese-Sentiment-visobert"
    assert first.statistics["comment_scorer"]["degraded"] is False
    refresh(shop, force_full=True)
    assert shop.snapshots.require_current().version == first.version
