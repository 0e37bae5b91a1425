"""In which numbers a language model calculates, and what permits the faster ones."""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

MIN_AGREEMENT = 0.995
GATE_TEXTS = 500
"""How many of the shop's own texts the agreement is measured on."""

MIN_GATE_TEXTS = 50
"""With fewer texts nothing is gained by a faster format, and nothing is proved about it."""


class NumericFormat(StrEnum):
    FLOAT32 = "float32"
    INT8 = "int8"
    """8-bit linear layers, see `models.int8_linear`; on the CPU only."""


class FormatDecision(BaseModel):
    """Which format a model calculates in on this installation, and the measured reason."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    numeric_format: NumericFormat
    reason: str
    agreement: float | None = None
    n_texts: int = 0


def decide_format(agreement: float, n_texts: int, measure: str) -> FormatDecision:
    """8 bits only where they agree with full precision to at least .995."""
    is_close = agreement >= MIN_AGREEMENT
    return FormatDecision(
        numeric_format=NumericFormat.INT8 if is_close else NumericFormat.FLOAT32,
        reason=f"{measure} of int8 with float32 is {agreement:.4f} on {n_texts} texts "
        f"({'at least' if is_close else 'below'} {MIN_AGREEMENT})",
        agreement=round(agreement, 6),
        n_texts=n_texts,
    )


def spread(texts: Sequence[str], n: int) -> list[str]:
    """`n` of the texts, evenly over their order."""
    if len(texts) <= n:
        return list(texts)
    return [texts[at] for at in np.linspace(0, len(texts) - 1, n).astype(int)]


def mean_cosine(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    """Mean cosine of corresponding rows."""
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    products = np.einsum("ij,ij->i", left, right)
    return float(np.mean(products / np.where(lengths > 0, lengths, 1)))


def label_agreement(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    """Share of probabilities on the same side of one half."""
    return float(np.mean((left >= 0.5) == (right >= 0.5)))  # noqa: PLR2004
