"""Which comment scorer works here: the sentiment model where its weights are, or none."""

from collections.abc import Sequence
from dataclasses import dataclass

from viecomrec.adapters.language_models import LanguageModelFolders
from viecomrec.adapters.numeric_formats import NumericFormatStore
from viecomrec.domain.language_models import FETCH_COMMAND, VISOBERT_SENTIMENT
from viecomrec.domain.numeric_format import (
    GATE_TEXTS,
    MIN_GATE_TEXTS,
    FormatDecision,
    NumericFormat,
    decide_format,
    label_agreement,
    spread,
)
from viecomrec.errors import ArtifactError
from viecomrec.models.sentiment import SentimentScorer
from viecomrec.settings import CommentSettings


@dataclass(frozen=True)
class ScorerChoice:
    """The sentiment model, or None where the shop's self-trained scorer has to do.

    `degraded_reason` says in one sentence why it is None although it was wanted, `remedy` is
    the command that fetches the weights.
    """

    scorer: SentimentScorer | None
    degraded_reason: str | None = None
    remedy: str | None = None


def choose_scorer(wanted: CommentSettings, folders: LanguageModelFolders) -> ScorerChoice:
    """Look for the weights; nothing is loaded yet.

    ArtifactError where the model is demanded (`scorer: visobert`) and its weights are absent.
    """
    if wanted.scorer == "self-trained":
        return ScorerChoice(None)
    try:
        located = folders.locate(VISOBERT_SENTIMENT, wanted.revision)
    except ArtifactError as error:
        if wanted.scorer == "visobert":
            raise ArtifactError(f"{error} Run: {FETCH_COMMAND}") from error
        return ScorerChoice(None, degraded_reason=str(error), remedy=FETCH_COMMAND)
    return ScorerChoice(
        SentimentScorer(
            located.folder,
            model_id=VISOBERT_SENTIMENT.model_id,
            revision=located.revision,
            verify=located.verify,
        )
    )


def in_measured_format(
    scorer: SentimentScorer,
    comments: Sequence[str],
    wanted: CommentSettings,
    formats: NumericFormatStore,
) -> SentimentScorer:
    """The scorer in the fastest format that agrees with full precision on the shop's comments.

    The decision is recorded at the first call with enough comments and holds from then on, so
    that a score stays a pure function of text and version.
    """
    if wanted.numeric_format != "auto":
        return scorer
    decision = formats.read(scorer.version)
    if decision is None:
        sample = spread(sorted({text for text in comments if text}, key=_by_length), GATE_TEXTS)
        if len(sample) < MIN_GATE_TEXTS:
            return scorer
        decision = _measure(scorer, sample)
        formats.record(scorer.version, decision)
    return scorer.in_format(decision.numeric_format)


def _by_length(text: str) -> tuple[int, str]:
    return len(text), text


def _measure(scorer: SentimentScorer, sample: list[str]) -> FormatDecision:
    if reason := scorer.why_not_int8:
        return FormatDecision(numeric_format=NumericFormat.FLOAT32, reason=reason)
    full = scorer.score(sample)
    short = scorer.in_format(NumericFormat.INT8).score(sample)
    return decide_format(label_agreement(full, short), len(sample), "label agreement")
