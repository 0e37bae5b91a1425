"""Implicit ALS by Spark (pyspark.ml.recommendation.ALS), brought into our factors."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from viecomrec.domain.recipes import AlsRecipe, SparkAlsRecipe
from viecomrec.models.als import require_trainable, user_factors
from viecomrec.models.content import fill_cold_items
from viecomrec.models.search import UNIT_ALPHA, Trial, measured
from viecomrec.models.spark_ratings import spark_ratings
from viecomrec.models.trainer import TrainedModel, TrainingData

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.ml.recommendation import ALS
    from pyspark.sql import SparkSession

Floats = NDArray[np.float32]
FitItems = Callable[[csr_array, SparkAlsRecipe], Floats]
"""From ratings (rows x columns) and a recipe to a factor of each column."""

SCORED_USERS = 1000
"""The spread of the scores is that of about so many users."""

FAMILIES = ((0.003, 0.1), (0.001, 0.1), (0.01, 0.03), (0.03, 0.1))
"""Unobserved weight and ridge as in `models.search`, where the ridge counts all columns."""

RIDGES = (0.5, 2.0)
TEXT_WEIGHTS = (0.3, 0.1, 0.0)
"""The first is what the families are tried with."""

POPULARITY_BIASES = (0.3, 1.0, 3.0)
"""In units of the spread of the scores."""


def fit_items(spark: "SparkSession", ratings: csr_array, recipe: SparkAlsRecipe) -> Floats:
    """V (columns x factors), float32; columns without entries are zero."""
    require_trainable(ratings)
    model = als_of(spark, recipe).fit(spark.createDataFrame(pairs_of(ratings)))
    found = model.itemFactors.toArrow()
    item = np.zeros((ratings.shape[1], recipe.factors), dtype=np.float32)
    rows = found.column("id").to_numpy()
    values = found.column("features").combine_chunks().flatten().to_numpy()
    item[rows] = values.reshape(len(rows), recipe.factors)
    return item


def als_of(spark: "SparkSession", recipe: SparkAlsRecipe) -> "ALS":
    """Spark's estimator for a recipe, in as many blocks as it has cores."""
    from pyspark.ml.recommendation import ALS

    return ALS(
        rank=recipe.factors,
        maxIter=recipe.iterations,
        regParam=recipe.reg_param,
        alpha=recipe.alpha,
        implicitPrefs=True,
        seed=recipe.seed,
        numUserBlocks=spark.sparkContext.defaultParallelism,
        numItemBlocks=spark.sparkContext.defaultParallelism,
    )


def pairs_of(ratings: csr_array) -> "pa.Table":
    """The entries under the column names that Spark expects."""
    import pyarrow as pa

    pairs = ratings.tocoo()
    return pa.table(
        {
            "user": pairs.coords[0].astype(np.int32),
            "item": pairs.coords[1].astype(np.int32),
            "rating": pairs.data.astype(np.float32),
        }
    )


def train_spark_als(
    data: TrainingData, recipe: SparkAlsRecipe, fit: FitItems, threads: int = 1
) -> TrainedModel:
    """Spark's V, cold items from their text, and all users solved against the result by us.

    The row solve is that of fold-in, so that a customer who comes back is judged like a trained
    one.
    """
    confidence = data.matrices.confidence
    ratings = spark_ratings(confidence, data.content, recipe)
    item = fit(ratings, recipe)[: confidence.shape[1]]
    n_filled = 0
    if recipe.cold_threshold and data.content is not None:
        item, n_filled = fill_cold_items(
            item, data.content, data.item_counts, recipe.cold_threshold
        )
    rows = row_solve_of(recipe, confidence)
    model = TrainedModel(
        recipe,
        user_factors(confidence, item, rows, threads),
        item,
        n_filled,
        fold_in=rows.solver(),
    )
    return with_popularity(model, recipe, data)


def with_popularity(
    model: TrainedModel, recipe: SparkAlsRecipe, data: TrainingData
) -> TrainedModel:
    """The model under `recipe`, which may differ in its popularity bias alone."""
    counts = np.log1p(data.item_counts).astype(np.float32)
    spread = float(counts.std())
    if recipe.popularity_bias == 0 or spread == 0:
        return replace(model, recipe=recipe, item_bias=None)
    some = np.arange(0, len(model.user), max(1, len(model.user) // SCORED_USERS), dtype=np.int32)
    unit = float(replace(model, item_bias=None).scores(some).std()) / spread
    bias = (recipe.popularity_bias * unit * counts).astype(np.float32)
    return replace(model, recipe=recipe, item_bias=bias)


def row_solve_of(recipe: SparkAlsRecipe, confidence: csr_array) -> AlsRecipe:
    """Spark's objective for a user, in the words of our solver.

    With fillers that is the same one (`models.spark_ratings`); without, one ridge for all, which
    Spark gives the average user.
    """
    n_users = max(1, int(np.count_nonzero(np.diff(confidence.indptr))))
    unit = recipe.alpha * float(confidence.data.mean())
    ridge = (
        recipe.reg_param / unit if recipe.fillers else recipe.reg_param * confidence.nnz / n_users
    )
    return AlsRecipe(
        name="fold-in",
        factors=recipe.factors,
        regularization=ridge,
        regularization_exponent=float(recipe.fillers),
        iterations=recipe.iterations,
        alpha=recipe.alpha,
        seed=recipe.seed,
    )


def tuned_recipe(
    guide: SparkAlsRecipe, data: TrainingData, unobserved_weight: float, ridge: float
) -> SparkAlsRecipe:
    """Our recipe with exponent 1, told to Spark: all is divided by the unobserved weight."""
    alpha = UNIT_ALPHA / unobserved_weight
    return guide.model_copy(
        update={
            "name": "tuned",
            "alpha": alpha,
            "reg_param": ridge * alpha * float(data.matrices.confidence.data.mean()),
            "fillers": True,
            "cold_threshold": min(1, guide.cold_threshold),
            "text_weight": 0.0 if data.content is None else TEXT_WEIGHTS[0],
        }
    )


def search_spark_als(
    data: TrainingData,
    guide: SparkAlsRecipe,
    fit: FitItems,
    *,
    threads: int = 1,
    on_trial: Callable[[Trial], None] = lambda _: None,
) -> list[Trial]:
    """Try the family, then the ridge and the weight of texts, then a popularity bias: 8 fits.

    Only validation users are ranked; the first of the result is the best.
    """
    tried: list[tuple[Trial, TrainedModel]] = []

    def note(model: TrainedModel) -> None:
        tried.append((measured(data, model, threads), model))
        on_trial(tried[-1][0])

    def attempt(recipe: SparkAlsRecipe, **changes: float) -> None:
        note(train_spark_als(data, recipe.model_copy(update=changes), fit, threads))

    def best() -> tuple[SparkAlsRecipe, TrainedModel]:
        model = max(tried, key=lambda one: one[0].ndcg)[1]
        return SparkAlsRecipe.model_validate(model.recipe.model_dump()), model

    for weight, ridge in FAMILIES:
        attempt(tuned_recipe(guide, data, weight, ridge))
    found, _ = best()
    for factor in RIDGES:
        attempt(found, reg_param=found.reg_param * factor)
    found, _ = best()
    for weight in TEXT_WEIGHTS[1:] if data.content is not None else ():
        attempt(found, text_weight=weight)
    found, model = best()
    for bias in POPULARITY_BIASES:
        note(with_popularity(model, found.model_copy(update={"popularity_bias": bias}), data))
    return sorted((trial for trial, _ in tried), key=lambda trial: -trial.ndcg)
