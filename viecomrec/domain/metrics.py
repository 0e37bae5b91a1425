"""What a ranking is worth, from ranked lists and held-out targets alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viecomrec.domain.matrices import HeldOut

Scores = NDArray[np.float64]
CUTOFFS = (5, 10, 20)


@dataclass(frozen=True)
class Targets:
    """The held-out products of scored user u are `items[start[u]:start[u+1]]`."""

    users: NDArray[np.int32]
    start: NDArray[np.int64]
    items: NDArray[np.int32]

    @classmethod
    def from_held_out(cls, held_out: HeldOut) -> "Targets":
        order = np.lexsort((held_out.item_index, held_out.user_index))
        users, counts = np.unique(held_out.user_index, return_counts=True)
        start = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        return cls(users.astype(np.int32), start, held_out.item_index[order].astype(np.int32))

    @property
    def counts(self) -> NDArray[np.int64]:
        return np.diff(self.start)


def hits(top: NDArray[np.int32], targets: Targets) -> NDArray[np.bool_]:
    """Whether each place of each list holds a target of that user; -1 in `top` is no item.

    `top` is n_users x depth, row u belonging to `targets.users[u]`.
    """
    width = int(max(top.max(initial=0), targets.items.max(initial=0))) + 1
    rows = np.repeat(np.arange(len(targets.users), dtype=np.int64), targets.counts)
    wanted = rows * width + targets.items
    listed = np.arange(len(top), dtype=np.int64)[:, None] * width + top
    return np.isin(listed, wanted) & (top >= 0)


def per_user_metrics(
    hit: NDArray[np.bool_], n_targets: NDArray[np.int64], k: int
) -> dict[str, Scores]:
    """Recall, NDCG, MRR and MAP at `k` of each user, float64 in [0, 1].

    Recall divides by the number of targets; NDCG and MAP by the best that `k` places allow
    (Järvelin and Kekäläinen 2002, binary gains).
    """
    hit = hit[:, :k].astype(np.float64)
    places = np.arange(1, hit.shape[1] + 1)
    discount = 1 / np.log2(places + 1)
    reachable = np.minimum(n_targets, hit.shape[1])
    ideal = np.concatenate(([0.0], np.cumsum(discount)))[reachable]
    precision = np.cumsum(hit, axis=1) / places
    return {
        "recall": hit.sum(axis=1) / n_targets,
        "ndcg": (hit * discount).sum(axis=1) / ideal,
        "mrr": (hit / places).max(axis=1, initial=0.0),
        "map": (precision * hit).sum(axis=1) / reachable,
    }


def summary(hit: NDArray[np.bool_], n_targets: NDArray[np.int64]) -> dict[str, Any]:
    """Means over users, named `recall@10` and so on, for each cutoff that the lists reach."""
    means: dict[str, Any] = {"n_users": len(n_targets)}
    for k in CUTOFFS:
        if k <= hit.shape[1]:
            values = per_user_metrics(hit, n_targets, k)
            means.update({f"{name}@{k}": float(value.mean()) for name, value in values.items()})
    return means
