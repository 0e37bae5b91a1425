"""Bounded searches for the recipes that rank validation events best."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from viecomrec.domain.recipes import AlsRecipe, BprRecipe, Recipe
from viecomrec.models.bpr_trainer import train_bpr
from viecomrec.models.trainer import TrainedModel, TrainingData, train_als

UNIT_ALPHA = 0.2
"""Makes a five-star review weigh 1, so that strengths mean the same in every shop."""

FAMILIES = (
    (1.0, 0.001, 0.1),
    (1.0, 0.003, 0.1),
    (1.0, 0.003, 0.03),
    (1.0, 0.03, 0.1),
    (0.5, 0.001, 0.1),
    (0.5, 0.03, 1.0),
    (0.0, 0.01, 1.0),
    (0.0, 0.03, 10.0),
)
"""Ridge exponent, unobserved weight and ridge of recipes that are each the best somewhere."""

NEIGHBOURS = ((1.0, 0.5), (1.0, 2.0), (0.3, 1.0), (3.0, 1.0))
"""Factors on unobserved weight and ridge around the best family."""

CONTENT_SCALES = (0.1, 0.5)

GENTLE_RATE = 0.02
"""The learning rate of a descent that starts from ALS factors."""


@dataclass(frozen=True)
class Trial:
    recipe: Recipe
    ndcg: float
    recall: float

    def as_json(self) -> dict[str, Any]:
        settings = self.recipe.model_dump(mode="json", exclude={"model_type", "name"})
        return {"ndcg@10": self.ndcg, "recall@10": self.recall, **settings}


def search_als(
    data: TrainingData,
    guide: AlsRecipe,
    *,
    threads: int = 1,
    on_trial: Callable[[Trial], None] = lambda _: None,
) -> list[Trial]:
    """Try recipes one knob at a time from the best so far; the first of the result is the best.

    Only validation users are ranked. Knobs: the family of the ridge, then unobserved weight and
    strength around the best, then content scale and cold threshold: 15 fits at most.
    """
    tried: list[tuple[AlsRecipe, Trial]] = []

    def attempt(recipes: Iterable[AlsRecipe]) -> AlsRecipe:
        for recipe in recipes:
            trial = measured(data, train_als(data, recipe, threads=threads), threads)
            tried.append((recipe, trial))
            on_trial(trial)
        return max(tried, key=lambda one: one[1].ndcg)[0]

    base = guide.model_copy(
        update={
            "name": "tuned",
            "alpha": UNIT_ALPHA,
            "cold_threshold": min(1, guide.cold_threshold),
        }
    )
    best = attempt(
        base.model_copy(
            update={
                "regularization_exponent": exponent,
                "unobserved_weight": weight,
                "regularization": ridge,
            }
        )
        for exponent, weight, ridge in FAMILIES
    )
    best = attempt(
        best.model_copy(
            update={
                "unobserved_weight": best.unobserved_weight * weight,
                "regularization": best.regularization * ridge,
            }
        )
        for weight, ridge in NEIGHBOURS
    )
    if guide.content_scale:
        best = attempt(best.model_copy(update={"content_scale": s}) for s in CONTENT_SCALES)
        attempt([best.model_copy(update={"cold_threshold": guide.cold_threshold})])
    return _best_first(trial for _, trial in tried)


def search_bpr(
    data: TrainingData,
    guide: BprRecipe,
    start: AlsRecipe,
    *,
    threads: int = 1,
    on_trial: Callable[[Trial], None] = lambda _: None,
) -> list[Trial]:
    """Descents from ALS factors: the guide's step and a smaller one, hard negatives or none."""
    trials = []
    for rate in (guide.learning_rate, GENTLE_RATE):
        for hard in dict.fromkeys((guide.neg_sample_ratio, 0.0)):
            recipe = guide.model_copy(
                update={
                    "name": "tuned",
                    "start": start,
                    "learning_rate": rate,
                    "neg_sample_ratio": hard,
                    "cold_threshold": start.cold_threshold,
                }
            )
            trials.append(measured(data, train_bpr(data, recipe, threads=threads), threads))
            on_trial(trials[-1])
    return _best_first(trials)


def _best_first(trials: Iterable[Trial]) -> list[Trial]:
    return sorted(trials, key=lambda trial: -trial.ndcg)


def measured(data: TrainingData, model: TrainedModel, threads: int) -> Trial:
    """What validation users say of a model."""
    found = data.evaluate(model.scores, data.held_out.validation, threads).summary
    return Trial(model.recipe, found["ndcg@10"], found["recall@10"])
