"""Item-to-item baselines of the literature, in the same table as the models."""

import numpy as np
from scipy.sparse import csr_array

from viecomrec.models.co_purchase import weighed_people
from viecomrec.models.ranking import ScoreRows


def ease(positives: csr_array, ridge: float) -> ScoreRows:
    """EASE (Steck 2019, equation 8): B = I - P / diag(P), P = (X'X + ridge I)^-1.

    Dense in the items: 4 n_items^2 bytes and an inverse of that size.
    """
    gram = np.asarray((positives.T @ positives).todense(), dtype=np.float32)
    gram[np.diag_indices_from(gram)] += np.float32(ridge)
    inverse = np.linalg.inv(gram)
    weights = inverse / -np.diag(inverse)[None, :]
    np.fill_diagonal(weights, 0)
    return lambda rows: np.asarray(positives[rows] @ weights, dtype=np.float32)


def item_knn(positives: csr_array, shrink: float, popularity_exponent: float) -> ScoreRows:
    """Item-kNN over all neighbours: the sum of similarities to what the user has chosen."""
    similar = item_similarities(positives, shrink, popularity_exponent)
    return lambda rows: np.asarray((positives[rows] @ similar).todense(), dtype=np.float32)


def item_similarities(
    positives: csr_array,
    shrink: float,
    popularity_exponent: float,
    activity_exponent: float = 0.0,
) -> csr_array:
    """n_ij / (sqrt(n_i n_j) + shrink) x n_j^exponent, zero diagonal, n_items x n_items.

    Sarwar et al. 2001 with the shrinkage of Bell and Koren 2007; exponent 0 is the plain cosine.
    A person of d choices counts d^-activity_exponent in n_ij.
    """
    together = csr_array(positives.T @ weighed_people(positives, activity_exponent))
    together = together.astype(np.float32)
    together.setdiag(0)
    together.eliminate_zeros()
    counts = np.bincount(positives.indices, minlength=positives.shape[1]).astype(np.float32)
    rows = np.repeat(np.arange(together.shape[0]), np.diff(together.indptr))
    length = np.sqrt(counts[rows] * counts[together.indices]) + np.float32(shrink)
    liked = counts[together.indices] ** np.float32(popularity_exponent)
    together.data = together.data / length * liked
    return together
