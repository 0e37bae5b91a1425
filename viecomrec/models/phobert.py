"""PhoBERT's vectors of product texts (Nguyen and Nguyen 2020)."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from viecomrec.domain.embeddings import EncoderIdentity
from viecomrec.domain.numeric_format import NumericFormat
from viecomrec.domain.product_text import fields_of
from viecomrec.errors import ArtifactError
from viecomrec.models.transformer_inference import run_over
from viecomrec.models.transformer_loading import LoadedTransformer, load_phobert
from viecomrec.models.word_segmentation import Segmenter, segment_words, underthesea_name

Pooling = Literal["cls", "mean"]
MAX_TOKENS = 256
"""What PhoBERT was trained on; longer texts are cut."""


class PhobertEncoder:
    """The vector of the first token of the last hidden state (CLS), or the mean of all tokens.

    The guide's separators become the separator token of the model; each field is segmented into
    words by itself. Weights load at the first text, after `verify` has found them unaltered. A
    text's vector depends on that text alone: it is the same in any batch, to 1e-5 of its length.
    """

    is_per_text = True

    def __init__(
        self,
        folder: Path,
        *,
        model_id: str,
        revision: str,
        dimensions: int,
        pooling: Pooling = "cls",
        numeric_format: NumericFormat = NumericFormat.FLOAT32,
        verify: Callable[[], None] = lambda: None,
        segment: Segmenter = segment_words,
    ) -> None:
        self._folder = folder
        self._model_id = model_id
        self._revision = revision
        self._dimensions = dimensions
        self._pooling = pooling
        self._format = numeric_format
        self._verify = verify
        self._segment = segment

    @property
    def identity(self) -> EncoderIdentity:
        return EncoderIdentity(
            self._model_id,
            self._revision,
            {
                "pooling": self._pooling,
                "segmenter": underthesea_name(),
                "max_tokens": MAX_TOKENS,
                "numeric_format": self._format.value,
            },
        )

    def encode(
        self, texts: Sequence[str], on_progress: Callable[[int], None]
    ) -> NDArray[np.float32]:
        return run_over(
            self._loaded,
            [self.prepared(text) for text in texts],
            _mean_of_tokens if self._pooling == "mean" else _first_token,
            self._dimensions,
            MAX_TOKENS,
            on_progress,
        )

    def prepared(self, text: str) -> str:
        """The text as the tokenizer gets it: words joined by underscores, fields by `</s>`."""
        separator = f" {self._loaded.tokenizer.sep_token} "
        return separator.join(self._segment(field) for field in fields_of(text) if field)

    @property
    def why_not_int8(self) -> str | None:
        return self._loaded.why_not_int8

    def in_format(self, numeric_format: NumericFormat) -> "PhobertEncoder":
        """The same encoder, calculating in another numeric format."""
        return PhobertEncoder(
            self._folder,
            model_id=self._model_id,
            revision=self._revision,
            dimensions=self._dimensions,
            pooling=self._pooling,
            numeric_format=numeric_format,
            verify=self._verify,
            segment=self._segment,
        )

    @cached_property
    def _loaded(self) -> LoadedTransformer:
        self._verify()
        loaded = load_phobert(self._folder)
        width = int(loaded.network.config.hidden_size)
        if width != self._dimensions:
            raise ArtifactError(
                f"{self._folder} makes vectors of {width} columns, {self._dimensions} are needed: "
                "it is not PhoBERT base. Remove the folder and run: viecomrec models fetch"
            )
        return loaded.in_format(self._format)


def _first_token(output: Any, _mask: Any) -> Any:
    return output.last_hidden_state[:, 0, :]


def _mean_of_tokens(output: Any, mask: Any) -> Any:
    weights = mask.unsqueeze(-1).to(output.last_hidden_state.dtype)
    return (output.last_hidden_state * weights).sum(dim=1) / weights.sum(dim=1)
