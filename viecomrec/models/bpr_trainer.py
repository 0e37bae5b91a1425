"""From a BPR recipe and the data to factors: start, descend, stop on validation, fill in."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viecomrec.domain.recipes import AlsRecipe, BprRecipe
from viecomrec.models.als import user_factors
from viecomrec.models.bpr import (
    BprPairs,
    BprProgress,
    BprState,
    EarlyStopping,
    Negatives,
    fit_bpr,
    run_epoch,
)
from viecomrec.models.content import fill_cold_items, initial_items
from viecomrec.models.trainer import TrainedModel, TrainingData, train_als

Floats = NDArray[np.float32]

RANDOM_SCALE = 0.3
"""Standard deviation of random starts, before division by sqrt(factors)."""

MARGIN = 4.0
"""ALS scores lie in [0, 1]; times this they are log-odds that the descent can refine."""

FOLD_IN_ALPHA = 0.2

FOLD_IN_SOLVERS = ((0.003, 0.1), (0.03, 0.1), (0.03, 1.0), (1.0, 1.0), (1.0, 10.0))
"""Unobserved weight and ridge among which the fold-in of a BPR model is chosen."""


def train_bpr(
    data: TrainingData,
    recipe: BprRecipe,
    *,
    resume: BprProgress | None = None,
    threads: int = 1,
    on_epoch: Callable[[BprProgress], None] = lambda _: None,
) -> TrainedModel:
    """Descend until validation NDCG@10 stops rising; the best epoch's factors are kept.

    The same data, recipe and seed give the same bytes, resumed or not. Without validation users,
    which only `--skip-eval` allows, all epochs run and the last is kept.
    """
    pairs = BprPairs(data.matrices, data.disliked)
    negatives = Negatives(recipe.neg_sample_ratio, recipe.popular_share)
    measurable = data.held_out.validation.n_users > 0
    stopping = EarlyStopping(
        recipe.early_stopping and measurable, recipe.patience, recipe.min_delta
    )

    def step(state: BprState) -> BprState:
        return run_epoch(
            state,
            pairs,
            negatives=negatives,
            learning_rate=recipe.learning_rate,
            regularization=recipe.regularization,
            seed=recipe.seed,
        )

    def validation_ndcg(state: BprState) -> float:
        if not measurable:
            return float(state.epoch)
        scores = TrainedModel(recipe, state.user, state.item, 0, state.bias).scores
        found = data.evaluate(scores, data.held_out.validation, threads).summary
        return float(found["ndcg@10"])

    begin = resume or BprProgress.begin(first_state(data, recipe, threads))
    fit = fit_bpr(begin, recipe.epochs, step, validation_ndcg, stopping, on_epoch)
    best = fit.best
    item, n_filled = best.item, 0
    if recipe.cold_threshold and data.content is not None:
        item, n_filled = fill_cold_items(
            item, data.content, data.item_counts, recipe.cold_threshold
        )
    epochs = fit.history if measurable else ()
    fitted = TrainedModel(recipe, best.user, item, n_filled, best.bias, epochs=epochs)
    return replace(fitted, fold_in=choose_fold_in(data, fitted, threads))


def first_state(data: TrainingData, recipe: BprRecipe, threads: int) -> BprState:
    """ALS factors stretched to log-odds, or content, or random numbers."""
    bias = np.zeros(data.matrices.n_items, dtype=np.float32)
    if recipe.start is not None:
        als = train_als(data, recipe.start, threads=threads)
        stretch = np.float32(np.sqrt(MARGIN))
        return BprState(0, als.user * stretch, als.item * stretch, bias)
    rng = np.random.default_rng(recipe.seed)
    scale = RANDOM_SCALE / np.sqrt(recipe.factors)
    shape = (data.matrices.n_users + data.matrices.n_items, recipe.factors)
    both = rng.normal(scale=scale, size=shape).astype(np.float32)
    user, item = both[: data.matrices.n_users].copy(), both[data.matrices.n_users :].copy()
    if recipe.content_scale and data.content is not None:
        item = initial_items(data.content, item, recipe.content_scale)
    return BprState(0, user, item, bias)


def choose_fold_in(data: TrainingData, model: TrainedModel, threads: int) -> dict[str, Any]:
    """How new users are folded in on frozen V: the least-squares row solve that ranks best.

    Validation users are folded in from their training history as if they were new; vectors get
    the mean length of U, since the item bias beside them has a scale.
    """
    length = float(np.linalg.norm(model.user, axis=1).mean())
    tried = []
    for weight, ridge in FOLD_IN_SOLVERS:
        recipe = AlsRecipe(
            name="fold-in",
            factors=model.item.shape[1],
            regularization=ridge,
            iterations=0,
            alpha=FOLD_IN_ALPHA,
            unobserved_weight=weight,
        )
        user = user_factors(data.matrices.confidence, model.item, recipe, threads)
        norms = np.linalg.norm(user, axis=1, keepdims=True)
        user *= np.divide(length, norms, out=np.zeros_like(norms), where=norms > 0)
        part = data.held_out.validation
        if part.n_users == 0:
            return {**recipe.solver(), "length": length}
        found = data.evaluate(replace(model, user=user).scores, part, threads).summary
        tried.append(
            {**recipe.solver(), "length": length, "validation_ndcg@10": float(found["ndcg@10"])}
        )
    return max(tried, key=lambda one: float(one["validation_ndcg@10"]))
