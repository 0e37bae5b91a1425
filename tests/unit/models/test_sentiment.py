"""The comment scorer on a tiny XLM-RoBERTa with a sentencepiece model."""

import numpy as np
import pytest
import torch
from tiny_models import CATALOGUE, write_sentiment

from viecomrec.domain.comment_quality import CommentScorer
from viecomrec.domain.numeric_format import NumericFormat, label_agreement
from viecomrec.errors import ArtifactError
from viecomrec.models.sentiment import SentimentScorer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_sentiment(tmp_path_factory.mktemp("models") / "sentiment")


def scorer(folder, **options) -> SentimentScorer:
    return SentimentScorer(folder, model_id="m", revision="r", **options)


def probabilities(folder, text) -> np.ndarray:
    loaded = scorer(folder)._loaded
    with torch.inference_mode():
        return loaded.network(**loaded.tokenizer(text, return_tensors="pt")).logits.softmax(-1)[0]


def test_it_is_a_comment_scorer(folder):
    assert isinstance(scorer(folder).version, str)
    contract: CommentScorer = scorer(folder)
    assert contract.model == "m"


def test_the_score_is_the_probability_of_the_positive_label(folder):
    for text in CATALOGUE:
        expected = float(probabilities(folder, text)[1])
        assert scorer(folder).score([text])[0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("labels", "column"),
    [
        (("NEG", "POS", "NEU"), 1),
        (("positive", "neutral", "negative"), 0),
        (("Tiêu cực", "Trung tính", "Tích cực"), 2),
    ],
)
def test_the_label_is_found_by_its_name_not_by_its_position(tmp_path, labels, column):
    named = write_sentiment(tmp_path / "m", labels=labels)
    expected = float(probabilities(named, CATALOGUE[0])[column])
    assert scorer(named).score(CATALOGUE[:1])[0] == pytest.approx(expected, abs=1e-4)


def test_a_model_without_a_positive_label_is_refused(tmp_path):
    nameless = write_sentiment(tmp_path / "m", labels=("LABEL_0", "LABEL_1"))
    with pytest.raises(ArtifactError, match="exactly one must say positive"):
        scorer(nameless).score(CATALOGUE)


def test_empty_comments_are_one_half_without_asking_the_model(tmp_path):
    assert scorer(tmp_path / "nowhere").score(["", "   ", "<br>"]).tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("odd", ["😀😀😀", "很好用", "x" * 100_000, "tốt " * 25_000, "\ud800 ok"])
def test_odd_comments_get_a_probability(folder, odd):
    score = scorer(folder).score([odd])
    assert score.dtype == np.float32
    assert 0 <= score[0] <= 1


@pytest.mark.parametrize("numeric_format", NumericFormat)
def test_pitfall_03_a_score_depends_on_the_text_alone(folder, numeric_format):
    scoring = scorer(folder, numeric_format=numeric_format)
    texts = [*CATALOGUE, "", "tốt", "hàng " * 60]
    together = scoring.score(texts)
    assert together.tolist() == [scoring.score([text])[0] for text in texts]
    assert together.tolist() == scoring.score(texts[::-1])[::-1].tolist()


def test_the_format_is_part_of_the_version(folder):
    full, short = scorer(folder), scorer(folder).in_format(NumericFormat.INT8)
    assert full.version != short.version
    assert label_agreement(full.score(CATALOGUE), short.score(CATALOGUE)) >= 0.995
