"""From a recipe and the data to factors: start, sweep, fill cold items, fold users in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from viecomrec.domain.matrices import HeldOut, TrainingMatrices
from viecomrec.domain.recipes import AlsRecipe, Recipe
from viecomrec.errors import TrainingError
from viecomrec.models.als import Progress, fit_als, random_items, require_trainable, user_factors
from viecomrec.models.content import fill_cold_items, initial_items
from viecomrec.models.evaluation import Evaluation, evaluate
from viecomrec.models.ranking import ScoreRows

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class TrainingData:
    """What models learn from and are measured on, over products (variant groups).

    `content` has a row for each. `disliked` (users x products) holds pairs that were rated 3 or
    less; a cart or a view is no dislike.
    """

    matrices: TrainingMatrices
    held_out: HeldOut
    content: Floats | None
    disliked: csr_array | None = None

    @property
    def item_counts(self) -> NDArray[np.int64]:
        """Training interactions of each item, (n_items,)."""
        confidence = self.matrices.confidence
        return np.bincount(confidence.indices, minlength=confidence.shape[1]).astype(np.int64)

    def evaluate(self, score_rows: ScoreRows, part: HeldOut, threads: int = 1) -> Evaluation:
        """Rank for the users of one held-out part; what they trained with is masked."""
        seen = self.matrices.confidence
        return evaluate(score_rows, part, seen, threads=threads)

    def require_usable(self, *, evaluate: bool) -> None:
        """Raise TrainingError with the reason where training or measuring is impossible."""
        require_trainable(self.matrices.confidence)
        if self.matrices.binary.nnz == 0:
            raise TrainingError(
                "No training event is positive (rating 4 or 5, or a purchase): there is nothing "
                "to recommend from. Check the rating column in config/data_source.json."
            )
        if not evaluate:
            return
        for name, part in (("validation", self.held_out.validation), ("test", self.held_out.test)):
            if part.n_users == 0:
                raise TrainingError(
                    f"No held-out event falls into the {name} part, so a model cannot be measured. "
                    "Wait for more users with two events, or train without with: --skip-eval"
                )


@dataclass(frozen=True)
class TrainedModel:
    """U (n_users x factors) and V (n_items x factors) of one recipe, float32."""

    recipe: Recipe
    user: Floats
    item: Floats
    n_cold_filled: int = 0
    item_bias: Floats | None = None
    fold_in: dict[str, Any] | None = None
    """The row solve of fold-in, where the recipe itself is not one."""

    epochs: tuple[float, ...] = ()
    """Validation NDCG@10 after each epoch, where the fit has epochs; the best was kept."""

    started_from: str | None = None
    """The previous model of a warm start."""

    @property
    def solver(self) -> dict[str, Any]:
        """What `FoldIn.from_model` needs, under `params["solver"]`."""
        if self.fold_in is not None:
            return self.fold_in
        return self.recipe.solver() if isinstance(self.recipe, AlsRecipe) else {}

    def scores(self, rows: NDArray[np.int32]) -> Floats:
        """The factors alone (and the item bias), n x n_items."""
        block: Floats = self.user[rows] @ self.item.T
        return block if self.item_bias is None else block + self.item_bias


def train_als(
    data: TrainingData,
    recipe: AlsRecipe,
    *,
    resume: Progress | None = None,
    threads: int = 1,
    on_iteration: Callable[[Progress], None] = lambda _: None,
) -> TrainedModel:
    """Fit, give cold items the factor of their text, and solve all users against the result.

    The same data, recipe and seed give the same bytes, resumed or not, on any number of threads.
    """
    confidence = data.matrices.confidence
    start = resume or Progress(0, first_items(data, recipe))
    item = fit_als(confidence, recipe, start=start, threads=threads, on_iteration=on_iteration)
    n_filled = 0
    if recipe.cold_threshold and data.content is not None:
        item, n_filled = fill_cold_items(
            item, data.content, data.item_counts, recipe.cold_threshold
        )
    return TrainedModel(recipe, user_factors(confidence, item, recipe, threads), item, n_filled)


def first_items(data: TrainingData, recipe: AlsRecipe) -> Floats:
    """The item factors that the first sweep starts from."""
    rng = np.random.default_rng(recipe.seed)
    random = random_items(data.matrices.n_items, recipe.factors, rng)
    if recipe.content_scale == 0 or data.content is None:
        return random
    return initial_items(data.content, random, recipe.content_scale)
