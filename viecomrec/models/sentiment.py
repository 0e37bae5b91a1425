"""P(positive) of a comment by a published Vietnamese sentiment model."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viecomrec.domain.comment_quality import NEUTRAL
from viecomrec.domain.numeric_format import NumericFormat
from viecomrec.domain.product_text import clean_text
from viecomrec.errors import ArtifactError
from viecomrec.models.transformer_inference import run_over
from viecomrec.models.transformer_loading import LoadedTransformer, load_sentiment_model

MAX_TOKENS = 256
POSITIVE_NAMES = frozenset({"pos", "positive", "tích cực", "tich cuc"})
DECIMALS = 4
"""Scores are rounded to this, far above the last bits in which two machines may differ."""


class SentimentScorer:
    """A comment scorer: a pure function of (text, version); empty comments are neutral.

    Weights load at the first comment, after `verify` has found them unaltered.
    """

    def __init__(
        self,
        folder: Path,
        *,
        model_id: str,
        revision: str,
        numeric_format: NumericFormat = NumericFormat.FLOAT32,
        verify: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder = folder
        self._model_id = model_id
        self._revision = revision
        self._format = numeric_format
        self._verify = verify

    @property
    def model(self) -> str:
        return self._model_id

    @property
    def revision(self) -> str:
        return self._revision

    @property
    def version(self) -> str:
        return f"{self._model_id}@{self._revision}-{self._format.value}"

    def score(
        self, texts: Sequence[str], on_progress: Callable[[int], None] = lambda _: None
    ) -> NDArray[np.float32]:
        """P(positive) in [0, 1] of each text, float32, in the order of `texts`."""
        cleaned = [clean_text(text) for text in texts]
        filled = [at for at, text in enumerate(cleaned) if text]
        quality = np.full(len(texts), NEUTRAL, dtype=np.float32)
        if filled:
            positive = run_over(
                self._loaded,
                [cleaned[at] for at in filled],
                self._probability,
                1,
                MAX_TOKENS,
                on_progress,
            )
            quality[filled] = positive[:, 0].round(DECIMALS)
        on_progress(len(texts) - len(filled))
        return quality

    @property
    def why_not_int8(self) -> str | None:
        return self._loaded.why_not_int8

    def in_format(self, numeric_format: NumericFormat) -> "SentimentScorer":
        """The same scorer, calculating in another numeric format."""
        return SentimentScorer(
            self._folder,
            model_id=self._model_id,
            revision=self._revision,
            numeric_format=numeric_format,
            verify=self._verify,
        )

    def _probability(self, output: Any, _mask: Any) -> Any:
        column = self._positive_column
        return output.logits.float().softmax(dim=-1)[:, column : column + 1]

    @cached_property
    def _positive_column(self) -> int:
        """The column whose label says positive; positions differ from model to model."""
        labels = {
            int(column): str(name) for column, name in self._loaded.network.config.id2label.items()
        }
        columns = [at for at, name in labels.items() if name.strip().lower() in POSITIVE_NAMES]
        if len(columns) != 1:
            raise ArtifactError(
                f"{self._folder} has the labels {sorted(labels.values())}: exactly one must say "
                "positive, so this is not a sentiment model that can be used here."
            )
        return columns[0]

    @cached_property
    def _loaded(self) -> LoadedTransformer:
        self._verify()
        return load_sentiment_model(self._folder).in_format(self._format)
