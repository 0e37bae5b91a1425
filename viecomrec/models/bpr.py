"""Bayesian personalised ranking by stochastic gradient descent (Rendle et al. 2009).

For a user u, a positive item i and a negative item j, ascend
ln sigmoid(b_i - b_j + u.(v_i - v_j)) - ridge/2 (|u|^2 + |v_i|^2 + |v_j|^2 + b_i^2 + b_j^2).
The item bias lies beside V: the factors stay exactly `factors` wide.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from viecomrec.domain.matrices import TrainingMatrices
from viecomrec.errors import TrainingError
from viecomrec.models.bpr_kernels import bpr_epoch

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class BprState:
    """Everything that decides what the next epoch does, besides data and recipe."""

    epoch: int
    user: Floats
    item: Floats
    bias: Floats

    def copy(self) -> "BprState":
        return BprState(self.epoch, self.user.copy(), self.item.copy(), self.bias.copy())


@dataclass(frozen=True)
class Negatives:
    """How negatives are drawn: `hard` share the user's own disliked items, then popular ones.

    A user without a disliked item gets a popular one in its place, in proportion to how often
    it was chosen; the rest is uniform. None was ever touched by the user, except the disliked.
    """

    hard: float
    popular: float = 0.0


@dataclass(frozen=True)
class BprPairs:
    """The positive pairs to learn from, and what each user has touched or disliked."""

    matrices: TrainingMatrices
    rated_low: csr_array | None = None

    @cached_property
    def users(self) -> NDArray[np.int32]:
        positives = self.matrices.binary
        rows = np.repeat(np.arange(positives.shape[0]), np.diff(positives.indptr))
        return rows.astype(np.int32)

    @cached_property
    def items(self) -> NDArray[np.int32]:
        return self.matrices.binary.indices.astype(np.int32)

    @cached_property
    def touched(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        everything = self.matrices.confidence
        return everything.indptr.astype(np.int64), everything.indices.astype(np.int32)

    @cached_property
    def disliked(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Pairs that were rated 3 or less and not liked at another time."""
        liked = self.matrices.binary
        if self.rated_low is None:
            return np.zeros(liked.shape[0] + 1, dtype=np.int64), np.zeros(0, dtype=np.int32)
        low = csr_array(self.rated_low > 0).astype(np.float32)
        rest = csr_array(low - low * (liked > 0))
        rest.eliminate_zeros()
        rest.sort_indices()
        return rest.indptr.astype(np.int64), rest.indices.astype(np.int32)


def run_epoch(
    state: BprState,
    pairs: BprPairs,
    *,
    negatives: Negatives,
    learning_rate: float,
    regularization: float,
    seed: int,
) -> BprState:
    """Make one more pass over all positive pairs, in a random order of its own.

    Changes the arrays of `state` in place and returns them under the next epoch's number. The
    random stream follows from seed and epoch, so that no epoch repeats another's and a resumed
    run draws what an uninterrupted one would. Raises TrainingError where it diverges.
    """
    rng = np.random.default_rng([seed, state.epoch])
    touched_start, touched = pairs.touched
    disliked_start, disliked = pairs.disliked
    is_sane = bpr_epoch(
        state.user,
        state.item,
        state.bias,
        rng.permutation(len(pairs.items)),
        pairs.users,
        pairs.items,
        touched_start,
        touched,
        disliked_start,
        disliked,
        negatives.hard,
        negatives.popular,
        np.float32(learning_rate),
        np.float32(regularization),
        rng.integers(2**63, dtype=np.uint64),
    )
    if not is_sane:
        raise TrainingError(
            f"BPR diverged in epoch {state.epoch + 1}: lower training.bpr.learning_rate "
            f"(now {learning_rate}) or raise training.bpr.regularization."
        )
    return replace(state, epoch=state.epoch + 1)


@dataclass(frozen=True)
class EarlyStopping:
    """Stop after `patience` epochs without a gain of `min_delta` in validation NDCG@10."""

    enabled: bool
    patience: int
    min_delta: float


@dataclass(frozen=True)
class BprProgress:
    """A fit on its way: where it stands, the best so far, and validation NDCG@10 per epoch."""

    state: BprState
    best: BprState
    history: tuple[float, ...] = ()

    @classmethod
    def begin(cls, start: BprState) -> "BprProgress":
        return cls(start, start.copy())

    def is_over(self, epochs: int, stopping: EarlyStopping) -> bool:
        if self.state.epoch >= epochs:
            return True
        return (
            stopping.enabled and self.epochs_without_gain(stopping.min_delta) >= stopping.patience
        )

    def epochs_without_gain(self, min_delta: float) -> int:
        reference, since = -np.inf, 0
        for ndcg in self.history:
            since = 0 if ndcg > reference + min_delta else since + 1
            reference = max(reference, ndcg) if since else ndcg
        return since

    def after(self, state: BprState, ndcg: float) -> "BprProgress":
        is_best = not self.history or ndcg > max(self.history)
        return BprProgress(state, state.copy() if is_best else self.best, (*self.history, ndcg))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As plain arrays, for a checkpoint; the next epoch changes them."""
        return {
            **{f"state_{name}": value for name, value in _arrays(self.state).items()},
            **{f"best_{name}": value for name, value in _arrays(self.best).items()},
            "history": np.array(self.history, dtype=np.float64),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> "BprProgress":
        state, best = (
            BprState(
                int(arrays[f"{which}_epoch"]),
                *(np.array(arrays[f"{which}_{name}"], dtype=np.float32) for name in _NAMES),
            )
            for which in ("state", "best")
        )
        return cls(state, best, tuple(float(value) for value in arrays["history"]))


_NAMES = ("user", "item", "bias")


def _arrays(state: BprState) -> dict[str, NDArray[Any]]:
    return {
        "epoch": np.array(state.epoch),
        "user": state.user,
        "item": state.item,
        "bias": state.bias,
    }


def fit_bpr(
    progress: BprProgress,
    epochs: int,
    step: Callable[[BprState], BprState],
    validation_ndcg: Callable[[BprState], float],
    stopping: EarlyStopping,
    on_epoch: Callable[[BprProgress], None] = lambda _: None,
) -> BprProgress:
    """Go on until `epochs` or until `stopping` says so; `best` is the epoch to keep.

    Only validation users are asked, never test users.
    """
    while not progress.is_over(epochs, stopping):
        state = step(progress.state)
        progress = progress.after(state, validation_ndcg(state))
        on_epoch(progress)
    return progress
