"""What a comment scorer has learnt, and the few rules that adjust its opinion."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

NEUTRAL = 0.5
"""The quality of a comment that is not there, and of every comment where nothing was learnt."""

SELF_TRAINED = "self-trained-ngrams"
UNTRAINED = "neutral"


@dataclass(frozen=True)
class ScorerWeights:
    """A fitted scorer: one weight per hash bucket of character n-grams, float32.

    `kind` is SELF_TRAINED, or UNTRAINED (no weights) where the shop had too few comments of
    either side. `n_positive` and `n_negative` say what it was fitted on.
    """

    kind: str
    weights: NDArray[np.float32]
    familiar: NDArray[np.bool_]
    """Which buckets of four letters the shop's comments often hold; empty where too few exist."""

    bias: float
    n_positive: int
    n_negative: int


class CommentScorer(Protocol):
    """Whatever tells how good a comment is; a pure function of (text, version)."""

    @property
    def version(self) -> str:
        """Changes whenever a score could change."""
        ...

    @property
    def model(self) -> str:
        """The truthful name, shown by the statistics and the health check."""
        ...

    def score(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Quality in [0, 1] of each text, independent of the others; empty text is neutral."""
        ...
