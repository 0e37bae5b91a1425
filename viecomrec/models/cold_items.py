"""Does the text help products that nobody has chosen yet? Measured by hiding some entirely."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from viecomrec.domain.matrices import HeldOut, TrainingMatrices
from viecomrec.domain.recipes import AlsRecipe
from viecomrec.models.evaluation import constant_scores, evaluate
from viecomrec.models.popularity import popularity
from viecomrec.models.ranking import ScoreRows
from viecomrec.models.trainer import TrainingData, train_als

FOLDS = 5
"""Every product with a text and an interaction is hidden once, a fifth of them at a time."""

WAYS = ("from_text", "from_shuffled_text", "zero_factors", "popularity")


def measure_cold_items(
    data: TrainingData, recipe: AlsRecipe, rng: np.random.Generator, threads: int = 1
) -> dict[str, Any] | None:
    """Recall@10 on products whose every interaction is hidden from the training.

    Ranked against all products (`all`) and among the hidden ones (`among_cold`), with factors
    from the text, from shuffled texts (the control), zero factors, and popularity; means over
    the users of all folds. None where there is no text or nobody is left to ask.
    """
    if data.content is None:
        return None
    sums = {way: {"all": 0.0, "among_cold": 0.0} for way in WAYS}
    n_users = 0
    folds = [fold for fold in choose_folds(data, rng) if len(fold)]
    for hidden in folds:
        shop, targets = hide(data, hidden)
        if targets.n_users == 0 or shop.matrices.confidence.nnz == 0:
            continue
        n_users += targets.n_users
        for way, scores in _ways(shop, recipe, hidden, rng, threads).items():
            seen = shop.matrices.confidence
            alone = _only(scores, hidden, data.matrices.n_users, rng)
            for race, contest in (("all", scores), ("among_cold", alone)):
                recall = evaluate(contest, targets, seen, threads=threads).summary["recall@10"]
                sums[way][race] += recall * targets.n_users
    if n_users == 0:
        return None
    means = {way: {race: s / n_users for race, s in races.items()} for way, races in sums.items()}
    return {"n_cold_items": sum(map(len, folds)), "n_asked": n_users, **means}


def _ways(
    shop: TrainingData,
    recipe: AlsRecipe,
    hidden: NDArray[np.int64],
    rng: np.random.Generator,
    threads: int,
) -> dict[str, ScoreRows]:
    """What each way of giving cold products a factor scores."""
    cold = recipe.model_copy(update={"cold_threshold": max(recipe.cold_threshold, 1)})
    content = shop.content
    shuffled = None if content is None else content[rng.permutation(len(content))]
    model = train_als(shop, cold, threads=threads)
    control = train_als(replace(shop, content=shuffled), cold, threads=threads)
    zero = model.item.copy()
    zero[hidden] = 0
    return {
        "from_text": model.scores,
        "from_shuffled_text": control.scores,
        "zero_factors": lambda rows: model.user[rows] @ zero.T,
        "popularity": constant_scores(popularity(shop.matrices.binary)),
    }


def choose_folds(data: TrainingData, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Products with a text and an interaction, at random in FOLDS parts, each ascending."""
    known = np.zeros(data.matrices.n_items, dtype=bool)
    if data.content is not None:
        known = np.abs(data.content).max(axis=1, initial=0) > 0
    chosen = rng.permutation(np.flatnonzero(known & (data.item_counts > 0)))
    return [np.sort(fold) for fold in np.array_split(chosen, FOLDS)]


def hide(data: TrainingData, hidden: NDArray[np.int64]) -> tuple[TrainingData, HeldOut]:
    """The shop without the interactions of `hidden`, and those (positive ones) as targets."""
    is_hidden = np.zeros(data.matrices.n_items, dtype=bool)
    is_hidden[hidden] = True
    kept = TrainingMatrices(
        _columns(data.matrices.confidence, ~is_hidden), _columns(data.matrices.binary, ~is_hidden)
    )
    asked = _columns(data.matrices.binary, is_hidden).tocoo()
    has_history = np.diff(kept.confidence.indptr)[asked.row] > 0
    targets = HeldOut(
        asked.row[has_history].astype(np.int32),
        asked.col[has_history].astype(np.int32),
        np.zeros(int(has_history.sum()), dtype=bool),
    )
    return replace(data, matrices=kept), targets


def _columns(matrix: csr_array, wanted: NDArray[np.bool_]) -> csr_array:
    kept = csr_array(
        (matrix.data * wanted[matrix.indices], matrix.indices, matrix.indptr), shape=matrix.shape
    )
    kept = kept.copy()
    kept.eliminate_zeros()
    return kept


def _only(
    scores: ScoreRows, items: NDArray[np.int64], n_users: int, rng: np.random.Generator
) -> ScoreRows:
    """Everything but `items` out of the race; equal scores fall as chance has it, not by index."""
    tie = rng.random((n_users, len(items)), dtype=np.float32)

    def race(rows: NDArray[np.int32]) -> NDArray[np.float32]:
        full = scores(rows)
        asked = full[:, items]
        spread = np.maximum(np.abs(asked).max(axis=1, keepdims=True), 1) * np.float32(1e-6)
        full = np.full(full.shape, -np.inf, dtype=np.float32)
        full[:, items] = asked + spread * tie[rows]
        return full

    return race
