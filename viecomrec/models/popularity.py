"""The baseline that every model has to beat: what most people liked."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


def popularity(positives: csr_array) -> NDArray[np.float32]:
    """Number of users whose training pair with the item is positive, (n_items,)."""
    counts: NDArray[np.float32] = np.bincount(
        positives.indices, minlength=positives.shape[1]
    ).astype(np.float32)
    return counts
