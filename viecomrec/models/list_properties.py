"""What lists are like, besides being right: how much of the shop they show, how new, how varied."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from viecomrec.domain.matrices import HeldOut
from viecomrec.domain.metrics import per_user_metrics
from viecomrec.models.evaluation import Evaluation
from viecomrec.models.trainer import TrainingData

K = 10
ACTIVITY = ((1, 1), (2, 2), (3, 5), (6, None))
"""Classes of users by their number of training products."""

WARMTH = ((0, 0), (1, 4), (5, 19), (20, None))
"""Classes of held-out products by their number of training interactions."""


def list_properties(data: TrainingData, found: Evaluation) -> dict[str, Any]:
    """Coverage, novelty and diversity of the first ten places of all measured users.

    coverage: share of products that stand in any list. novelty: mean -log2 of the share of users
    who chose the product (Vargas and Castells 2011). diversity: one minus the mean cosine of two
    texts in a list; absent without texts.
    """
    top = found.top[:, :K]
    shown = top[top >= 0]
    share = (data.item_counts + 1) / (data.matrices.n_users + 1)
    properties = {
        f"coverage@{K}": len(np.unique(shown)) / data.matrices.n_items,
        f"novelty@{K}": float(-np.log2(share[shown]).mean()) if len(shown) else 0.0,
    }
    if data.content is not None:
        properties[f"diversity@{K}"] = _diversity(top, data.content)
    return properties


def by_activity(data: TrainingData, found: Evaluation) -> dict[str, Any]:
    """Recall@10 and NDCG@10 of users by how many products they trained with."""
    n_products = np.diff(data.matrices.confidence.indptr)[found.targets.users]
    values = per_user_metrics(found.hit, found.targets.counts, K)
    classes = {}
    for low, high in ACTIVITY:
        mask = _within(n_products, low, high)
        if mask.any():
            means = {f"{name}@{K}": float(values[name][mask].mean()) for name in ("recall", "ndcg")}
            classes[_label(low, high)] = {"n_users": int(mask.sum()), **means}
    return classes


def by_warmth(data: TrainingData, held_out: HeldOut, found: Evaluation) -> dict[str, Any]:
    """Share of held-out products found in the first ten, by how often they were trained with."""
    row_of = np.zeros(data.matrices.n_users, dtype=np.int64)
    row_of[found.targets.users] = np.arange(len(found.targets.users))
    lists = found.top[row_of[held_out.user_index], :K]
    is_found = (lists == held_out.item_index[:, None]).any(axis=1)
    counts = data.item_counts[held_out.item_index]
    classes = {}
    for low, high in WARMTH:
        mask = _within(counts, low, high)
        if mask.any():
            recall = float(is_found[mask].mean())
            classes[_label(low, high)] = {"n_targets": int(mask.sum()), f"recall@{K}": recall}
    return classes


def _diversity(top: NDArray[np.int32], content: NDArray[np.float32]) -> float:
    """Through the length of the sum of unit rows: |sum|^2 = n + the sum of all pairs' cosines."""
    lengths = np.linalg.norm(content, axis=1, keepdims=True)
    unit = np.divide(content, lengths, out=np.zeros_like(content), where=lengths > 0)
    padded = np.vstack([unit, np.zeros((1, unit.shape[1]), dtype=np.float32)])
    total = np.zeros((len(top), unit.shape[1]), dtype=np.float32)
    for place in range(top.shape[1]):
        total += padded[top[:, place]]  # -1 is the row of zeros
    has_text = np.append((lengths > 0)[:, 0], [False])
    n = has_text[top].sum(axis=1)
    pairs = n * (n - 1)
    cosine = np.divide((total**2).sum(axis=1) - n, pairs, out=np.ones(len(top)), where=pairs > 0)
    return float(1 - cosine.mean())


def _within(values: NDArray[Any], low: int, high: int | None) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = (values >= low) & (values <= (np.inf if high is None else high))
    return mask


def _label(low: int, high: int | None) -> str:
    if high is None:
        return f"{low}+"
    return str(low) if low == high else f"{low}-{high}"
