"""The few weights of the blend and what co-purchase counts, chosen on validation users."""

from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viecomrec.domain.matrices import HeldOut
from viecomrec.domain.metrics import Targets
from viecomrec.models.blend import BlendedScorer
from viecomrec.models.blend_inputs import blend_inputs
from viecomrec.models.co_purchase import CO_PURCHASES, CoPurchase
from viecomrec.models.ranking import ScoreRows
from viecomrec.models.trainer import TrainedModel, TrainingData

TOGETHER = (0.0, 0.1, 0.3, 1.0, 3.0)
CONTENT = (0.0, 0.15, 0.3, 0.6)
POPULARITY = (0.0, 0.3)

MAX_CELLS = 8_000_000
"""Validation users x products that are weighed at most: 128 MB for four signals."""


@dataclass(frozen=True)
class ChosenBlend:
    """What is stored under `blend` in `params.json`; `tried` is best first."""

    weights: dict[str, float]
    co_purchase: CoPurchase
    tried: list[dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def make_scorer(
    data: TrainingData, model: TrainedModel, chosen: ChosenBlend | None = None
) -> BlendedScorer:
    """The scorer of a model from the training data alone."""
    inputs = blend_inputs(data.matrices.binary, data.content)
    params = {} if chosen is None else {"blend": chosen.as_json()}
    return BlendedScorer.build(
        model.item,
        model.item_bias,
        inputs.content,
        inputs.popularity,
        None,
        params,
        inputs.together_of(CoPurchase.from_params(params)),
    )


def blended_scores(data: TrainingData, model: TrainedModel, scorer: BlendedScorer) -> ScoreRows:
    """Final scores of training users: their factors and their training history."""
    history = data.matrices.confidence
    return lambda rows: scorer.batch_scores(model.user[rows], history[rows])


def choose_blend(data: TrainingData, model: TrainedModel, threads: int = 1) -> ChosenBlend:
    """The blend with the best validation NDCG@10.

    The weights first, with plain co-purchase, then the other ways to count it, each with its
    weight anew. The factors weigh 1. Of equal ones the first, which blends least, is taken.
    """
    inputs = blend_inputs(data.matrices.binary, data.content)
    scorer = make_scorer(data, model)
    part = _sample(data.held_out.validation, data.matrices.n_items)
    users = Targets.from_held_out(part).users
    histories = data.matrices.confidence[users]
    signals = scorer.batch_signals(model.user[users], histories)
    place = np.zeros(data.matrices.n_users, dtype=np.int64)
    place[users] = np.arange(len(users))
    tried: list[dict[str, Any]] = []

    def attempt(weights: dict[str, float], how: CoPurchase) -> None:
        scores = _picked(_weighed(signals, weights), place)
        ndcg = data.evaluate(scores, part, threads).summary["ndcg@10"]
        tried.append({"weights": weights, "co_purchase": how, "ndcg@10": ndcg})

    plain, *others = CO_PURCHASES
    texts = CONTENT if data.content is not None else (0.0,)
    for together, content, popular in product(TOGETHER, texts, POPULARITY):
        weights = {"cf": 1.0, "content": content, "together": together, "popularity": popular}
        attempt(weights, plain)
    best = max(tried, key=lambda trial: trial["ndcg@10"])["weights"]
    for how in others:
        counted = replace(scorer, together=inputs.together_of(how), co_purchase=how)
        signals |= counted.batch_signals(None, histories, ("together",))
        for together in TOGETHER[1:]:
            attempt({**best, "together": together}, how)
    tried.sort(key=lambda trial: -trial["ndcg@10"])
    first = tried[0]
    listed = [{**trial, "co_purchase": asdict(trial["co_purchase"])} for trial in tried]
    return ChosenBlend(first["weights"], first["co_purchase"], listed)


def _weighed(
    signals: dict[str, NDArray[np.float32]], weights: dict[str, float]
) -> NDArray[np.float32]:
    total = np.zeros_like(signals["cf"])
    for name, weight in weights.items():
        if weight:
            total += np.float32(weight) * signals[name]
    return total


def _picked(scores: NDArray[np.float32], place: NDArray[np.int64]) -> ScoreRows:
    return lambda rows: scores[place[rows]]


def _sample(part: HeldOut, n_items: int) -> HeldOut:
    """At most MAX_CELLS / n_items users, evenly spread."""
    users = np.unique(part.user_index)
    allowed = max(MAX_CELLS // max(n_items, 1), 1)
    if len(users) <= allowed:
        return part
    kept = users[np.linspace(0, len(users) - 1, allowed).astype(np.int64)]
    mask = np.isin(part.user_index, kept)
    return HeldOut(part.user_index[mask], part.item_index[mask], part.is_validation[mask])
