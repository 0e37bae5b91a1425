"""What the blend is built from: one definition for training, evaluation and service.

NumPy and SciPy alone: the service starts without a compiler.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from viecomrec.models.co_purchase import CoPurchase, co_purchases

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class BlendInputs:
    """Arrays of one item space: what `BlendedScorer.build` takes beside the factors."""

    content: Floats | None
    popularity: Floats
    together: csr_array
    """How many people chose both: what is told to people."""

    positives: csr_array
    """Who chose what, for what models make of it."""

    def together_of(self, how: CoPurchase) -> csr_array:
        """The co-purchase matrix of a model."""
        if how.activity_exponent == 0:
            return self.together
        return co_purchases(self.positives, how.activity_exponent)


def blend_inputs(positives: csr_array, content: Floats | None) -> BlendInputs:
    """From the positive training pairs (users x items) and the text vectors (items x d) or None.

    popularity: how many users chose an item; together: how many chose both. Over products, not
    over their variants: `VariantGroups.matrices` and `.content` come first.
    """
    popularity = np.bincount(positives.indices, minlength=positives.shape[1])
    return BlendInputs(
        None if content is None else centred_unit_rows(content),
        popularity.astype(np.float32),
        co_purchases(positives),
        positives,
    )


def centred_unit_rows(vectors: Floats) -> Floats:
    """What a text says beyond the average one, at length 1; unknown rows stay zero."""
    return unit_rows(centred(vectors).astype(np.float32))


def centred(vectors: Floats) -> NDArray[np.float64]:
    """Rows less the mean of the known ones; rows of zeros (no text) stay zero."""
    known = np.abs(vectors).max(axis=1, initial=0) > 0
    rows = vectors.astype(np.float64)
    rows[known] -= rows[known].mean(axis=0) if known.any() else 0
    rows[~known] = 0
    return rows


def unit_rows(vectors: Floats) -> Floats:
    """Rows of length 1; rows of zeros stay zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return unit
