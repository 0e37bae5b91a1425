"""Training data whose right answers are known by construction."""

import numpy as np
from scipy.sparse import csr_array

from viecomrec.domain.matrices import HeldOut, TrainingMatrices
from viecomrec.models.trainer import TrainingData


def matrices(confidence: np.ndarray) -> TrainingMatrices:
    """Dense confidences (0 = not observed) as matrices; a confidence from 4.5 on is positive."""
    dense = confidence.astype(np.float32)
    return TrainingMatrices(csr_array(dense), csr_array((dense >= 4.5).astype(np.float32)))


def held_out(pairs: list[tuple[int, int]]) -> HeldOut:
    """One target per user; every third user is validation, the others test."""
    users, items = np.array(pairs, dtype=np.int32).T
    return HeldOut(users.copy(), items.copy(), users % 3 == 0)


def checkerboard(n: int = 24) -> TrainingData:
    """User u likes the items of the same parity; item u is held out (Ben Frederickson's test)."""
    parity = np.arange(n) % 2
    liked = parity[:, None] == parity[None, :]
    confidence = np.where(liked, 5.5, 0.0)
    np.fill_diagonal(confidence, 0)
    return TrainingData(matrices(confidence), held_out([(u, u) for u in range(n)]), None)


def clusters(
    n_users: int = 600,
    n_groups: int = 10,
    per_group: int = 12,
    *,
    content: bool = False,
    seed: int = 0,
) -> TrainingData:
    """Each user buys four products of one group, now and then of another; one is held out.

    Where `content` is asked for, the text of a product points to its group, with noise.
    """
    rng = np.random.default_rng(seed)
    n_items = n_groups * per_group
    confidence = np.zeros((n_users, n_items))
    targets = []
    for user in range(n_users):
        group = user % n_groups
        chosen = group * per_group + rng.choice(per_group, 5, replace=False)
        confidence[user, chosen[:4]] = rng.uniform(4.5, 6, 4)
        if rng.random() < 0.3:
            confidence[user, rng.integers(n_items)] = rng.uniform(1, 6)
        confidence[user, chosen[4]] = 0
        targets.append((user, int(chosen[4])))
    vectors = group_texts(n_groups, per_group, rng) if content else None
    return TrainingData(matrices(confidence), held_out(targets), vectors)


def group_texts(n_groups: int, per_group: int, rng: np.random.Generator) -> np.ndarray:
    vectors = np.repeat(np.eye(n_groups, 16), per_group, axis=0)
    vectors = vectors + rng.normal(0, 0.15, vectors.shape)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
