"""Which scorer judges the comments, and what is on record about it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from viecomrec.adapters.numeric_formats import NumericFormatStore
from viecomrec.adapters.progress import progress
from viecomrec.adapters.score_cache import ScoreCache, text_key
from viecomrec.adapters.scorers import ScorerStore, StoredScorer
from viecomrec.domain.comment_quality import NEUTRAL, CommentScorer, ScorerWeights
from viecomrec.models.comment_quality import NgramScorer
from viecomrec.models.sentiment import SentimentScorer
from viecomrec.pipelines.scorer_choice import ScorerChoice, in_measured_format
from viecomrec.settings import CommentSettings

CHUNK_TEXTS = 4096

log = structlog.get_logger()


class CachedScorer:
    """A costly scorer that is asked once for each text, whatever happens in between."""

    def __init__(self, scorer: SentimentScorer, cache: ScoreCache) -> None:
        self._scorer = scorer
        self._cache = cache

    @property
    def version(self) -> str:
        return self._scorer.version

    @property
    def model(self) -> str:
        return self._scorer.model

    @cached_property
    def _known(self) -> dict[str, float]:
        return self._cache.read(self.version)

    def score(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Quality in [0, 1] of each text; empty texts are neutral."""
        missing = {text for text in texts if text and text_key(text) not in self._known}
        if missing:
            self._calculate(sorted(missing, key=lambda text: (len(text), text)))
        known = self._known
        scores = [known[text_key(text)] if text else NEUTRAL for text in texts]
        return np.array(scores, dtype=np.float32)

    def _calculate(self, texts: Sequence[str]) -> None:
        # Texts of one length together cost the least padding.
        with progress("comments scored", len(texts)) as advance:
            for chunk in _chunks(texts):
                scores = self._scorer.score(chunk, advance).tolist()
                fresh = dict(zip(map(text_key, chunk), scores, strict=True))
                self._cache.add(self.version, fresh)
                self._known.update(fresh)


@dataclass(frozen=True)
class CommentScoring:
    """The sentiment model where it can be had, else the scorer that the shop trains itself."""

    choice: ScorerChoice
    wanted: CommentSettings
    formats: NumericFormatStore
    cache: ScoreCache
    self_trained: ScorerStore

    def version(self) -> str:
        """The identity of the scorer in force, a part of what a snapshot is built from."""
        if self.choice.scorer is not None:
            return in_measured_format(self.choice.scorer, (), self.wanted, self.formats).version
        stored = self.self_trained.current()
        return stored.version if stored else "none"

    def scorer(
        self, fit: Callable[[], ScorerWeights], some_comments: Callable[[], Sequence[str]]
    ) -> CommentScorer:
        """The scorer, fitted by `fit` where there is none yet; no later refresh refits it."""
        if self.choice.scorer is not None:
            scorer = self.choice.scorer
            if self.formats.read(scorer.version) is None:
                in_measured_format(scorer, some_comments(), self.wanted, self.formats)
            return CachedScorer(
                in_measured_format(scorer, (), self.wanted, self.formats), self.cache
            )
        stored = self.self_trained.current() or self.refit(fit)
        return NgramScorer(stored.fitted, stored.version)

    def refit(self, fit: Callable[[], ScorerWeights]) -> StoredScorer:
        """Fit the shop's own scorer anew; every later refresh uses the result."""
        stored = self.self_trained.publish(fit())
        log.info("comment scorer fitted", kind=stored.fitted.kind, version=stored.version)
        return stored

    def describe(self, scorer: CommentScorer) -> dict[str, Any]:
        """What `data_stats.json` and the health check say of the scorer that ran."""
        stored = None if self.choice.scorer else self.self_trained.current()
        reason = self.choice.degraded_reason
        return {
            "model": scorer.model,
            "version": scorer.version,
            "degraded": reason is not None,
            # Without the path behind the colon: equal data give equal statistics everywhere.
            "degraded_reason": None if reason is None else reason.split(":")[0],
            "remedy": self.choice.remedy,
            "n_positive": stored.fitted.n_positive if stored else None,
            "n_negative": stored.fitted.n_negative if stored else None,
        }


def _chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(texts), CHUNK_TEXTS):
        yield texts[start : start + CHUNK_TEXTS]
