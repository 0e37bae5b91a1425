import pytest
import torch
from tiny_models import write_sentiment

from viecomrec.adapters.language_models import LanguageModelFolders
from viecomrec.adapters.numeric_formats import NumericFormatStore
from viecomrec.domain.language_models import VISOBERT_SENTIMENT
from viecomrec.domain.numeric_format import NumericFormat
from viecomrec.errors import ArtifactError
from viecomrec.models.sentiment import SentimentScorer
from viecomrec.pipelines.scorer_choice import choose_scorer, in_measured_format
from viecomrec.settings import CommentSettings

COMMENTS = [f"hàng đẹp giao nhanh {n}" for n in range(60)]


@pytest.fixture
def folders(tmp_path) -> LanguageModelFolders:
    return LanguageModelFolders(tmp_path / "models", None)


@pytest.fixture
def formats(tmp_path) -> NumericFormatStore:
    return NumericFormatStore(tmp_path / "formats.json")


def test_without_weights_there_is_a_reason_and_a_remedy(folders):
    choice = choose_scorer(CommentSettings(), folders)
    assert choice.scorer is None
    assert "5CD-AI/Vietnamese-Sentiment-visobert" in choice.degraded_reason
    assert choice.remedy == "viecomrec models fetch"


def test_a_shop_that_wants_its_own_scorer_is_not_degraded(folders):
    write_sentiment(folders.home(VISOBERT_SENTIMENT))
    choice = choose_scorer(CommentSettings(scorer="self-trained"), folders)
    assert (choice.scorer, choice.degraded_reason) == (None, None)


def test_demanding_the_model_without_weights_fails(folders):
    with pytest.raises(ArtifactError, match="viecomrec models fetch"):
        choose_scorer(CommentSettings(scorer="visobert"), folders)


def test_the_measured_format_is_recorded_and_holds_for_other_comments(folders, formats):
    write_sentiment(folders.home(VISOBERT_SENTIMENT))
    scorer = choose_scorer(CommentSettings(), folders).scorer
    first = in_measured_format(scorer, COMMENTS, CommentSettings(), formats)
    decision = formats.read(scorer.version)
    assert decision.n_texts == len(COMMENTS)
    assert first.version.endswith(decision.numeric_format.value)
    assert in_measured_format(scorer, [], CommentSettings(), formats).version == first.version


def test_a_format_that_disagrees_is_not_used(folders, formats, monkeypatch):
    write_sentiment(folders.home(VISOBERT_SENTIMENT))
    scorer = choose_scorer(CommentSettings(), folders).scorer
    honest = SentimentScorer.score

    def inverted(self, texts, on_progress=lambda _: None):
        scores = honest(self, texts, on_progress)
        return 1 - scores if self._format is NumericFormat.INT8 else scores

    monkeypatch.setattr(SentimentScorer, "score", inverted)
    chosen = in_measured_format(scorer, COMMENTS, CommentSettings(), formats)
    assert chosen.version == scorer.version


def test_without_8_bit_arithmetic_full_precision_is_used_and_the_reason_recorded(
    folders, formats, monkeypatch
):
    write_sentiment(folders.home(VISOBERT_SENTIMENT))
    scorer = choose_scorer(CommentSettings(), folders).scorer
    monkeypatch.delattr(torch, "_int_mm")
    chosen = in_measured_format(scorer, COMMENTS, CommentSettings(), formats)
    assert chosen.version.endswith("-float32")
    assert "has no product of 8-bit matrices" in formats.read(scorer.version).reason
    assert len(chosen.score(COMMENTS)) == len(COMMENTS)


def test_few_comments_prove_nothing(folders, formats):
    write_sentiment(folders.home(VISOBERT_SENTIMENT))
    scorer = choose_scorer(CommentSettings(), folders).scorer
    assert in_measured_format(scorer, COMMENTS[:9], CommentSettings(), formats) is scorer
    assert formats.read(scorer.version) is None
