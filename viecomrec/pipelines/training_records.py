"""What is kept of each model, and who becomes `current_best`."""

from dataclasses import dataclass
from datetime import UTC
from typing import Any

import numpy as np
import structlog

from viecomrec.adapters.snapshots import Snapshot
from viecomrec.domain import selection
from viecomrec.domain.embeddings import ProductEmbeddings
from viecomrec.domain.factors import Factors
from viecomrec.domain.recipes import BprRecipe, Recipe, SparkAlsRecipe
from viecomrec.domain.registry import ModelRecord, Registry
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.domain.selection import Comparison, Contender
from viecomrec.errors import VieComRecError
from viecomrec.models.trainer import TrainedModel, TrainingData
from viecomrec.models.variants import VariantGroups
from viecomrec.pipelines.training_candidates import fit_key
from viecomrec.pipelines.training_parts import (
    SPARK,
    Candidate,
    Measured,
    TrainingRequest,
    TrainingTools,
)
from viecomrec.pipelines.training_report import Report

log = structlog.get_logger()


@dataclass(frozen=True)
class Origin:
    """What the models of one run were made from."""

    snapshot: Snapshot
    embeddings: ProductEmbeddings | None
    data: TrainingData
    groups: VariantGroups
    training_key: str
    auto_selected: bool


@dataclass(frozen=True)
class KeptModel:
    record: ModelRecord
    contender: Contender | None
    started_from: str | None = None
    is_new: bool = True
    """Whether the registry does not know it yet."""

    is_defender: bool = False


def kept_models(training_key: str, tools: TrainingTools) -> dict[str, ModelRecord]:
    """The unharmed models of the same data and configuration, by the key of their fit."""
    kept = {}
    for record in tools.registry.read().models.values():
        if record.training_key != training_key or record.fit_key is None:
            continue
        try:
            tools.models.load(record)
        except VieComRecError as error:
            log.warning("a model cannot be read and is made anew", error=str(error))
            continue
        kept[record.fit_key] = record
    return kept


def keep_model(
    candidate: Candidate,
    baselines: dict[str, Measured],
    origin: Origin,
    tools: TrainingTools,
    known: dict[str, ModelRecord],
) -> KeptModel:
    """The record of a model that is kept already, or of a folder written now."""
    model = candidate.model
    report = Report(candidate, baselines, origin.data, tools.seed)
    found = known.get(fit_key(origin.training_key, model.recipe, model.started_from))
    record = found or save_model(candidate, report, origin, tools)
    contender = _contender(record, candidate, report.alone)
    return KeptModel(record, contender, model.started_from, found is None, candidate.is_defender)


def save_model(
    candidate: Candidate, report: Report, origin: Origin, tools: TrainingTools
) -> ModelRecord:
    """Write the folder of one model; the registry does not know it yet."""
    model, at = candidate.model, tools.now()
    recipe = model.recipe
    day = at.astimezone(tools.zone).strftime("%Y%m%d")
    model_id = tools.models.free_id(recipe.model_type, day, tools.registry.read())
    path = tools.models.save(
        model_id,
        recipe.model_type,
        _factors(candidate.model, origin),
        params=_params(candidate, tools),
        metrics=report.metrics(),
        metadata=_metadata(model_id, candidate, origin, tools),
        extra_arrays={"variant_groups.npy": origin.groups.group_of},
        extra_texts=report.pictures(model_id),
    )
    return ModelRecord(
        model_id=model_id,
        model_type=recipe.model_type,
        path=path,
        created_at_utc=at.astimezone(UTC).isoformat(timespec="seconds"),
        snapshot_version=origin.snapshot.version,
        embedding_version=origin.embeddings.version if origin.embeddings else None,
        metrics=report.headline(),
        above_popularity=report.served.is_better if report.served else None,
        training_key=origin.training_key,
        fit_key=fit_key(origin.training_key, recipe, model.started_from),
        auto_selected=origin.auto_selected,
    )


def register(
    models: list[KeptModel],
    champion: Recipe | None,
    request: TrainingRequest,
    tools: TrainingTools,
) -> PipelineResult:
    """Enter all models in one step, and with them the new `current_best` where there is one.

    The refitted champion leaves no model behind where another takes the throne.
    """
    outcome: dict[str, str | None] = {}

    def enter(registry: Registry) -> Registry:
        chosen, reason = _choose(models, champion, registry, request, tools)
        outcome.update(promoted=chosen, reason=reason)
        kept = [one for one in models if _stays(one, chosen)]
        for model in kept:
            registry = registry.with_model(model.record) if model.is_new else registry
        if request.auto_select:
            registry = registry.with_compared([one.record.model_id for one in kept])
        return registry.promote(chosen) if chosen else registry

    registry = tools.registry.update(enter)
    kept = [one for one in models if _stays(one, outcome["promoted"])]
    for model in models:
        if model not in kept and model.is_new:
            tools.models.delete(model.record)
    return PipelineResult(
        status=Status.SUCCESS,
        message=_message(kept, registry.current_best),
        models={model.record.model_id: model.record.metrics for model in kept},
        current_best=registry.current_best,
        **_starts(kept, request),
        **outcome,
    )


def _stays(model: KeptModel, chosen: str | None) -> bool:
    return not model.is_defender or model.record.model_id == chosen


def _message(models: list[KeptModel], current_best: str | None) -> str:
    made = [model.record.model_id for model in models if model.is_new]
    found = [model.record.model_id for model in models if not model.is_new]
    parts = [f"Trained {', '.join(made)}"] if made else []
    parts += [f"registered already: {', '.join(found)}"] if found else []
    return "; ".join([*parts, f"current_best: {current_best}"])


def _starts(models: list[KeptModel], request: TrainingRequest) -> dict[str, Any]:
    """Where a warm start was asked for: what each model started from, None for a cold start."""
    if not request.warmstart:
        return {}
    return {"warm_started_from": {one.record.model_id: one.started_from for one in models}}


def _choose(
    models: list[KeptModel],
    champion: Recipe | None,
    registry: Registry,
    request: TrainingRequest,
    tools: TrainingTools,
) -> tuple[str | None, str]:
    contenders = [model.contender for model in models if model.contender is not None]
    if not contenders:
        return None, "not evaluated, so not promoted"
    if registry.current_best is not None and not request.auto_select:
        return None, f"{registry.current_best} stays; --auto-select compares and may replace it"
    best, reason = selection.choose_champion(
        contenders, champion.key if champion else None, np.random.default_rng(tools.seed)
    )
    return (best.model_id if best else None), reason


def _contender(
    record: ModelRecord, candidate: Candidate, alone: Comparison | None
) -> Contender | None:
    if candidate.blended is None or alone is None:
        return None
    return Contender(
        model_id=record.model_id,
        recipe_key=candidate.model.recipe.key,
        validation=candidate.blended.validation.per_user("ndcg", 10),
        above_popularity=record.above_popularity is True,
        is_useful_alone=alone.is_better,
    )


def _factors(model: TrainedModel, origin: Origin) -> Factors:
    """Every variant carries the factors of its group."""
    bias = None if model.item_bias is None else origin.groups.expand(model.item_bias)
    ids = origin.snapshot.id_map
    return Factors(model.user, origin.groups.expand(model.item), ids, bias)


def _params(candidate: Candidate, tools: TrainingTools) -> dict[str, Any]:
    recipe = candidate.model.recipe
    return {
        "model_type": recipe.model_type,
        "config": tools.config[recipe.model_type],
        "solver": candidate.model.solver,
        "recipe": recipe.model_dump(mode="json"),
        "recipe_key": recipe.key,
        "tried": [trial.as_json() for trial in candidate.trials],
        **_epochs(candidate.model),
        **_blend(candidate),
    }


def _epochs(model: TrainedModel) -> dict[str, Any]:
    if not model.epochs:
        return {}
    best = int(np.argmax(model.epochs)) + 1
    return {"validation_ndcg@10_per_epoch": list(model.epochs), "best_epoch": best}


def _blend(candidate: Candidate) -> dict[str, Any]:
    return {} if candidate.blend is None else {"blend": candidate.blend.as_json()}


def _starts_from_content(recipe: Recipe) -> bool:
    start = recipe.start if isinstance(recipe, BprRecipe) else None
    return (recipe if start is None else start).content_scale > 0


def _metadata(
    model_id: str, candidate: Candidate, origin: Origin, tools: TrainingTools
) -> dict[str, Any]:
    at, embeddings = tools.now(), origin.embeddings
    used = _starts_from_content(candidate.model.recipe)
    return {
        "model_id": model_id,
        "recipe": candidate.model.recipe.name,
        "engine": SPARK if isinstance(candidate.model.recipe, SparkAlsRecipe) else "embedded",
        "snapshot_version": origin.snapshot.version,
        "embedding_version": embeddings.version if embeddings else None,
        "embedding_model": embeddings.model if embeddings else None,
        "embedding_space": embeddings.space if embeddings else None,
        "content_initialised": used,
        "warm_started_from": candidate.model.started_from,
        "n_cold_items_from_text": candidate.model.n_cold_filled,
        "trained_at": at.astimezone(tools.zone).replace(tzinfo=None).isoformat(timespec="seconds"),
        "trained_at_utc": at.astimezone(UTC).isoformat(timespec="seconds"),
        "n_users": len(candidate.model.user),
        "n_items": len(origin.groups.group_of),
        "n_variant_groups": origin.groups.n_groups,
        "trained_on": "the training events of the snapshot; held-out events are not among them",
        "training_key": origin.training_key,
    }
