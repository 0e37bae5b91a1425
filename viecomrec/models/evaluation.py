"""All held-out users ranked exactly against all items, seen ones masked, in chunks."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from viecomrec.domain.matrices import HeldOut
from viecomrec.domain.metrics import CUTOFFS, Targets, hits, per_user_metrics, summary
from viecomrec.models.ranking import ScoreRows, top_items

DEPTH = max(CUTOFFS)


@dataclass(frozen=True)
class Evaluation:
    """The lists of the held-out users and what they are worth."""

    targets: Targets
    top: NDArray[np.int32]

    @property
    def hit(self) -> NDArray[np.bool_]:
        return hits(self.top, self.targets)

    @property
    def summary(self) -> dict[str, Any]:
        return summary(self.hit, self.targets.counts)

    def per_user(self, name: str, k: int) -> NDArray[np.float64]:
        """One metric of each user, for paired comparisons: rows of `targets.users`."""
        return per_user_metrics(self.hit, self.targets.counts, k)[name]


def evaluate(
    score_rows: ScoreRows, held_out: HeldOut, seen: csr_array, *, threads: int = 1
) -> Evaluation:
    """Rank for every user of `held_out`; `seen` is the training matrix of all users."""
    targets = Targets.from_held_out(held_out)
    top = top_items(score_rows, targets.users, seen, DEPTH, threads=threads)
    return Evaluation(targets, top)


def constant_scores(scores: NDArray[np.float32]) -> ScoreRows:
    """The same list for everybody, such as popularity."""
    return lambda rows: np.tile(scores, (len(rows), 1))


def factor_scores(user: NDArray[np.float32], item: NDArray[np.float32]) -> ScoreRows:
    return lambda rows: user[rows] @ item.T
