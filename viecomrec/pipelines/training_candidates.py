"""Which recipes are trained, and how each is fitted and measured."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from viecomrec.domain.recipes import (
    AlsRecipe,
    BprRecipe,
    Recipe,
    SparkAlsRecipe,
    guide_als_recipe,
    guide_bpr_recipe,
    guide_spark_recipe,
)
from viecomrec.domain.registry import ModelType
from viecomrec.errors import ConfigurationError
from viecomrec.models.als import Progress
from viecomrec.models.baselines import ease, item_knn
from viecomrec.models.blend_weights import blended_scores, choose_blend, make_scorer
from viecomrec.models.bpr import BprProgress
from viecomrec.models.bpr_trainer import train_bpr
from viecomrec.models.cold_items import measure_cold_items
from viecomrec.models.evaluation import constant_scores
from viecomrec.models.popularity import popularity
from viecomrec.models.ranking import ScoreRows
from viecomrec.models.search import Trial, search_als, search_bpr
from viecomrec.models.spark_als import FitItems, search_spark_als, train_spark_als
from viecomrec.models.time_cut import TimedPairs, measure_time_cut
from viecomrec.models.trainer import TrainedModel, TrainingData, train_als
from viecomrec.models.warm_start import WarmStart, warm_als, warm_bpr
from viecomrec.pipelines.previous_models import PreviousModels
from viecomrec.pipelines.training_parts import (
    SPARK,
    Candidate,
    Measured,
    TrainingRequest,
    TrainingTools,
)

log = structlog.get_logger()

KNN_SETTINGS = ((5.0, 0.0), (5.0, 0.3), (20.0, 0.3))
"""Shrinkage and popularity exponent of item-kNN."""

EASE_RIDGES = (5.0, 50.0, 500.0)
EASE_UP_TO = 4096
"""Products up to which EASE is in the table: its inverse is dense."""


def train_candidates(
    data: TrainingData,
    request: TrainingRequest,
    tools: TrainingTools,
    key: str,
    champion: Recipe | None,
    previous: PreviousModels,
    pairs: Callable[[], TimedPairs],
) -> list[Candidate]:
    """Fit the guide's configuration of each model, the tuned one, and the champion's recipe.

    A warm start takes the tuned recipe of the previous model instead of searching again.
    """

    def fit(recipe: Recipe) -> TrainedModel:
        return fit_resumable(data, recipe, request, tools, key, previous.start_of(recipe))

    als, bpr = guide_recipes(tools, has_content=data.content is not None)
    guides: dict[ModelType, Recipe] = {"als": als, "bpr": bpr}
    recipes = [guides[one] for one in request.model_types]
    if request.skip_eval:
        return [Candidate(fit(recipe)) for recipe in recipes]
    tuned = previous.tuned_recipes(request.model_types)
    searched = {} if tuned else search(data, als, bpr, request, tools.threads)
    recipes += tuned or [trials[0].recipe for trials in searched.values()]
    candidates = [weigh(data, fit(recipe), tools.threads) for recipe in recipes]
    if request.auto_select and champion is not None and champion not in recipes:
        defender = weigh(data, fit(champion), tools.threads)
        candidates.append(replace(defender, is_defender=True))
    return [with_findings(data, one, searched, tools, pairs) for one in candidates]


def train_spark_candidates(
    data: TrainingData,
    request: TrainingRequest,
    tools: TrainingTools,
    champion: Recipe | None,
    fit: FitItems,
) -> list[Candidate]:
    """The same through Spark: the guide's configuration, the tuned one, the champion's recipe."""

    def trained(recipe: Recipe) -> TrainedModel:
        log.info("training", model="als", recipe=recipe.name, engine=SPARK)
        if isinstance(recipe, SparkAlsRecipe):
            return train_spark_als(data, recipe, fit, tools.threads)
        return fit_resumable(data, recipe, request, tools, "champion")

    guide = guide_spark_recipe(
        tools.config["als"], tools.seed, has_content=data.content is not None
    )
    if request.skip_eval:
        return [Candidate(trained(guide))]
    trials = search_spark_als(data, guide, fit, threads=tools.threads, on_trial=_log_trial)
    recipes: list[Recipe] = [guide, trials[0].recipe]
    if champion is not None and champion not in recipes:
        recipes.append(champion)
    weighed = [weigh(data, trained(recipe), tools.threads) for recipe in recipes]
    return [
        replace(one, trials=trials) if one.model.recipe == trials[0].recipe else one
        for one in weighed
    ]


def guide_recipes(tools: TrainingTools, *, has_content: bool) -> tuple[AlsRecipe, BprRecipe]:
    als = guide_als_recipe(tools.config["als"], tools.seed, has_content=has_content)
    bpr = guide_bpr_recipe(
        tools.config["bpr"],
        tools.config["early_stopping"],
        tools.seed,
        has_content=has_content and tools.config["als"]["use_bert_init"],
        cold_threshold=tools.config["als"]["bert_init_cold_threshold"],
    )
    return als, bpr


def search(
    data: TrainingData, als: AlsRecipe, bpr: BprRecipe, request: TrainingRequest, threads: int
) -> dict[ModelType, list[Trial]]:
    """What was tried for each model that was asked for, best first; BPR starts from tuned ALS."""
    found = search_als(data, als, threads=threads, on_trial=_log_trial)
    tuned = found[0].recipe
    searched: dict[ModelType, list[Trial]] = {}
    if "als" in request.model_types:
        searched["als"] = found
    if "bpr" in request.model_types and isinstance(tuned, AlsRecipe):
        start = tuned.model_copy(update={"factors": bpr.factors})
        searched["bpr"] = search_bpr(data, bpr, start, threads=threads, on_trial=_log_trial)
    return searched


def with_findings(
    data: TrainingData,
    candidate: Candidate,
    searched: dict[ModelType, list[Trial]],
    tools: TrainingTools,
    pairs: Callable[[], TimedPairs],
) -> Candidate:
    """Add to a tuned model what was tried, to tuned ALS how it fares with cold items and time."""
    recipe = candidate.model.recipe
    trials = searched.get(recipe.model_type, [])
    if not trials or recipe != trials[0].recipe:
        return candidate
    if isinstance(recipe, AlsRecipe):
        rng = np.random.default_rng(tools.seed)
        cold = measure_cold_items(data, recipe, rng, tools.threads)
        cut = measure_time_cut(pairs(), data, recipe, tools.threads)
        if cut is not None:
            at = datetime.fromtimestamp(cut["cut"] / 1e6, UTC)
            cut = {**cut, "cut": at.isoformat(timespec="seconds")}
        candidate = replace(candidate, cold_items=cold, time_cut=cut)
    return replace(candidate, trials=trials)


def weigh(data: TrainingData, model: TrainedModel, threads: int) -> Candidate:
    """Choose the blend on validation and measure with and without it."""
    blend = choose_blend(data, model, threads)
    scorer = make_scorer(data, model, blend)
    return Candidate(
        model,
        blended=measure(data, blended_scores(data, model, scorer), threads),
        factors=measure(data, model.scores, threads),
        blend=blend,
    )


def fit_resumable(
    data: TrainingData,
    recipe: Recipe,
    request: TrainingRequest,
    tools: TrainingTools,
    key: str,
    warm: WarmStart | None = None,
) -> TrainedModel:
    """Fit one recipe, going on where a killed run of the same data and recipe stopped."""
    kind, started_from = recipe.model_type, warm.model_id if warm else None
    checkpoint = fit_key(key, recipe, started_from)
    stored = None if request.force else tools.checkpoints.load(kind, checkpoint)
    log.info(
        "training",
        model=kind,
        recipe=recipe.name,
        resumed=stored is not None,
        started_from=started_from,
    )

    def save(iteration: int, arrays: dict[str, NDArray[Any]]) -> None:
        if iteration % tools.checkpoint_every == 0:
            tools.checkpoints.save(kind, checkpoint, arrays)

    if isinstance(recipe, BprRecipe):
        descent = BprProgress.from_arrays(stored) if stored else None
        if descent is None and warm is not None:
            descent = warm_bpr(warm, data, recipe)
        model = train_bpr(
            data,
            recipe,
            resume=descent,
            threads=tools.threads,
            on_epoch=lambda progress: save(progress.state.epoch, progress.arrays()),
        )
    elif isinstance(recipe, SparkAlsRecipe):
        raise ConfigurationError(
            "The recipe of the champion is Spark's. Train with: --engine spark --model als"
        )
    else:
        sweep = Progress.from_arrays(stored) if stored else None
        if sweep is None and warm is not None:
            sweep = warm_als(warm, data, recipe)
        model = train_als(
            data,
            recipe,
            resume=sweep,
            threads=tools.threads,
            on_iteration=lambda progress: save(progress.iteration, progress.arrays()),
        )
    return replace(model, started_from=started_from)


def fit_key(training_key: str, recipe: Recipe, started_from: str | None) -> str:
    """Names one fit: a checkpoint under it belongs to this data, recipe and start."""
    return "-".join([training_key, recipe.key, *([started_from] if started_from else [])])


def measure(data: TrainingData, score_rows: ScoreRows, threads: int) -> Measured:
    """Rank for the held-out users of both parts; choices look at validation alone."""
    parts = (data.held_out.validation, data.held_out.test)
    return Measured(*(data.evaluate(score_rows, part, threads) for part in parts))


def measure_baselines(data: TrainingData, threads: int) -> dict[str, Measured]:
    """Popularity, item-kNN and EASE, the latter two with the best of few settings on validation."""
    positives = data.matrices.binary
    baselines = {"popularity": measure(data, constant_scores(popularity(positives)), threads)}
    knn = [item_knn(positives, shrink, exponent) for shrink, exponent in KNN_SETTINGS]
    baselines["item_knn"] = _best_measured(data, knn, threads)
    if data.matrices.n_items <= EASE_UP_TO:
        solved = [ease(positives, ridge) for ridge in EASE_RIDGES]
        baselines["ease"] = _best_measured(data, solved, threads)
    return baselines


def _best_measured(data: TrainingData, ways: list[ScoreRows], threads: int) -> Measured:
    measured = [measure(data, way, threads) for way in ways]
    return max(measured, key=lambda one: float(one.validation.per_user("ndcg", 10).mean()))


def _log_trial(trial: Trial) -> None:
    log.info("tried", **trial.as_json())
