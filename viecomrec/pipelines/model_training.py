"""Train, measure, register, choose."""

import hashlib
import json
from dataclasses import asdict

import numpy as np
import polars as pl
import structlog
from scipy.sparse import csr_array

from viecomrec.adapters.snapshots import Snapshot
from viecomrec.domain.embeddings import ProductEmbeddings
from viecomrec.domain.recipes import Recipe, SparkAlsRecipe, recipe_from
from viecomrec.domain.registry import Registry
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.errors import VieComRecError
from viecomrec.models.co_purchase import CO_PURCHASES
from viecomrec.models.content import require_finite
from viecomrec.models.time_cut import TimedPairs
from viecomrec.models.trainer import TrainingData
from viecomrec.models.variants import VariantGroups
from viecomrec.pipelines.previous_models import PreviousModels
from viecomrec.pipelines.training_candidates import (
    fit_key,
    measure_baselines,
    train_candidates,
    train_spark_candidates,
)
from viecomrec.pipelines.training_parts import TrainingRequest, TrainingTools
from viecomrec.pipelines.training_records import Origin, keep_model, kept_models, register

log = structlog.get_logger()

NO_NEW_DATA = "No new data since the last training; use --force to train anyway"


def run(request: TrainingRequest, tools: TrainingTools) -> PipelineResult:
    """Train on the current snapshot; register each model; choose `current_best` where asked.

    Nothing is registered unless everything that was asked for succeeded, and no model twice.
    """
    request.check()
    snapshot = tools.snapshots.require_current()
    embeddings = tools.embeddings.current()
    key = training_key(snapshot, embeddings, request, tools)
    if not request.force and is_trained(tools.registry.read(), key, request):
        return PipelineResult(status=Status.SKIPPED, message=NO_NEW_DATA)
    snapshot.verify()
    data, groups = load_data(snapshot, embeddings)
    data.require_usable(evaluate=not request.skip_eval)
    champion = champion_recipe(request, tools)
    encoder = embeddings.model if embeddings else None
    previous = PreviousModels(
        tools.registry, tools.models, snapshot.id_map, groups, encoder, is_wanted=request.warmstart
    )
    if tools.open_spark is None:
        candidates = train_candidates(
            data,
            request,
            tools,
            key,
            champion,
            previous,
            lambda: timed_pairs(snapshot, groups),
        )
    else:
        with tools.open_spark() as fit:
            candidates = train_spark_candidates(data, request, tools, champion, fit)
    baselines = {} if request.skip_eval else measure_baselines(data, tools.threads)
    origin = Origin(snapshot, embeddings, data, groups, key, auto_selected=request.auto_select)
    known = {} if request.force else kept_models(key, tools)
    models = [keep_model(one, baselines, origin, tools, known) for one in candidates]
    result = register(models, champion, request, tools)
    for model in (one.model for one in candidates):
        checkpoint = fit_key(key, model.recipe, model.started_from)
        tools.checkpoints.delete(model.recipe.model_type, checkpoint)
    return result


def training_key(
    snapshot: Snapshot,
    embeddings: ProductEmbeddings | None,
    request: TrainingRequest,
    tools: TrainingTools,
) -> str:
    """Names all that a model depends on: data, embeddings, configuration, ways to blend, seed."""
    parts = {
        "snapshot": snapshot.version,
        "embeddings": embeddings.version if embeddings else None,
        "config": tools.config,
        "seed": tools.seed,
        "evaluated": not request.skip_eval,
        "co_purchases": [asdict(how) for how in CO_PURCHASES],
        **({"engine": request.engine} if tools.open_spark else {}),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def is_trained(registry: Registry, key: str, request: TrainingRequest) -> bool:
    """Whether models of each type came from the same inputs and, where asked, were compared."""
    trained = {
        record.model_type
        for record in registry.models.values()
        if record.training_key == key and (record.auto_selected or not request.auto_select)
    }
    return trained >= set(request.model_types)


def load_data(
    snapshot: Snapshot, embeddings: ProductEmbeddings | None
) -> tuple[TrainingData, VariantGroups]:
    """The snapshot over variant groups, and which product belongs to which."""
    groups = VariantGroups.from_names(snapshot.products()["variant_group"].to_list())
    content = None
    if embeddings is not None:
        product_ids = snapshot.id_map.product_ids
        aligned = embeddings.aligned(product_ids)
        require_finite(aligned, product_ids)
        content = groups.content(aligned)
    matrices = groups.matrices(snapshot.matrices())
    held_out = groups.held_out(snapshot.held_out())
    disliked = disliked_pairs(snapshot, groups, matrices.n_users)
    return TrainingData(matrices, held_out, content, disliked), groups


def disliked_pairs(snapshot: Snapshot, groups: VariantGroups, n_users: int) -> csr_array:
    """Training pairs with a rating that is not positive; carts and views have none."""
    low = snapshot.interactions().filter(
        (pl.col("part") == "train") & pl.col("rating").is_not_null() & ~pl.col("is_positive")
    )
    users = low["user_index"].to_numpy().astype(np.int64)
    products = groups.group_of[low["item_index"].to_numpy()]
    ones = np.ones(len(low), dtype=np.float32)
    return csr_array((ones, (users, products)), shape=(n_users, groups.n_groups))


def timed_pairs(snapshot: Snapshot, groups: VariantGroups) -> TimedPairs:
    """Every interaction of trainable users with its time, over variant groups."""
    events = snapshot.interactions().drop_nulls(["user_index", "item_index"])
    return TimedPairs(
        user=events["user_index"].to_numpy().astype(np.int64),
        product=groups.group_of[events["item_index"].to_numpy()].astype(np.int64),
        at=events["at"].dt.timestamp("us").to_numpy(),
        confidence=events["confidence"].to_numpy().astype(np.float32),
        is_positive=events["is_positive"].to_numpy().astype(np.bool_),
    )


def champion_recipe(request: TrainingRequest, tools: TrainingTools) -> Recipe | None:
    """How the champion was made; it is refitted and compared, never scored on what it has seen.

    None where nothing is compared, and where the champion can no longer be read: a damaged
    model must not stop the training that replaces it.
    """
    best = tools.registry.read().current_best
    if best is None or not request.auto_select:
        return None
    try:
        record = tools.registry.read().record(best)
        recipe = recipe_from(tools.models.load(record).params["recipe"])
    except (VieComRecError, KeyError, ValueError) as error:
        log.warning("the champion cannot be read and does not compete", error=str(error))
        return None
    if isinstance(recipe, SparkAlsRecipe) and tools.open_spark is None:
        log.warning("the champion was made by Spark and competes only with --engine spark")
        return None
    return recipe
