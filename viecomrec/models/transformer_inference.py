"""Run a loaded language model over many texts: equal lengths together, memory bounded."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viecomrec.models.batches import batches_by_length, padded_batch
from viecomrec.models.transformer_loading import LoadedTransformer

MAX_CHARACTERS = 4_000
"""What follows in a longer text lies far beyond 256 tokens and is not even tokenised."""

TOKENS_PER_BATCH = 2_048
"""Padding included. Larger batches leave the processor's cache and gain nothing on a CPU."""

Readout = Callable[[Any, Any], Any]
"""(output of the network, attention mask) -> (batch x width) tensor."""


def run_over(
    loaded: LoadedTransformer,
    texts: Sequence[str],
    readout: Readout,
    width: int,
    max_tokens: int,
    on_progress: Callable[[int], None],
) -> NDArray[np.float32]:
    """The readout of each text, shape (n x width), float32, in the order of `texts`.

    A text is cut at `max_tokens` tokens, its special tokens included. Its row does not depend
    on the other texts.
    """
    import torch

    sequences = tokenised(loaded, texts, max_tokens)
    rows = np.empty((len(texts), width), dtype=np.float32)
    pad_id = int(loaded.tokenizer.pad_token_id)
    with torch.inference_mode():
        for length, positions in batches_by_length([*map(len, sequences)], TOKENS_PER_BATCH):
            ids, mask = padded_batch([sequences[at] for at in positions], length, pad_id)
            mask_tensor = torch.from_numpy(mask).to(loaded.device)
            output = loaded.network(
                torch.from_numpy(ids).to(loaded.device), attention_mask=mask_tensor
            )
            rows[positions] = readout(output, mask_tensor).float().cpu().numpy()
            on_progress(len(positions))
    return rows


def tokenised(loaded: LoadedTransformer, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Token ids with the special ones, at most `max_tokens` of them and what the network takes."""
    if not texts:
        return []
    encoded = loaded.tokenizer(
        [text[:MAX_CHARACTERS] for text in texts],
        truncation=True,
        max_length=min(max_tokens, loaded.max_tokens),
        add_special_tokens=True,
        return_attention_mask=False,
    )
    ids: list[list[int]] = encoded["input_ids"]
    return ids
