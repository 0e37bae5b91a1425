"""Batches of token sequences in which each sequence is padded to a length of its own choosing.

Sequences of one padded length share a batch, so that the shape a text is computed in does not
depend on the other texts.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

STEP = 8
"""Padded lengths are multiples of this. At least one padding token is left in every row, since
attention takes another path, with other roundings, when a batch needs no mask."""


def padded_length(n_tokens: int) -> int:
    return (n_tokens // STEP + 1) * STEP


def batches_by_length(
    lengths: Sequence[int], tokens_per_batch: int
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield (padded length, positions) with at most `tokens_per_batch` tokens, padding included.

    Longest first: a machine with too little memory fails at once, and the time left is never
    underestimated. Every position occurs in exactly one batch.
    """
    padded = np.array([padded_length(n) for n in lengths], dtype=np.int64)
    for length in np.unique(padded)[::-1]:
        positions = np.flatnonzero(padded == length)
        size = max(1, tokens_per_batch // int(length))
        for start in range(0, len(positions), size):
            yield int(length), positions[start : start + size]


def padded_batch(
    sequences: Sequence[Sequence[int]], length: int, pad_id: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Token ids and attention mask, both (n x length)."""
    ids = np.full((len(sequences), length), pad_id, dtype=np.int64)
    mask = np.zeros((len(sequences), length), dtype=np.int64)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = 1
    return ids, mask
