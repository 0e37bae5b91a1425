"""Implicit ALS by a real Spark; where it cannot run, the door says so."""

import json
import subprocess
import sys

import pytest

from tests.doors import REPOSITORY, environment, run
from tests.installation import write_installation
from tests.spark_shop import skip_without_spark

CHECKERBOARD = """
import os, sys
from pathlib import Path
import numpy as np
from scipy.sparse import csr_array
from viecomrec.adapters.spark import SparkOptions, spark_session
from viecomrec.domain.recipes import SparkAlsRecipe
from viecomrec.models.spark_als import fit_items

users = np.repeat(np.arange(60), 3)
items = np.array([u % 2 + 2 * ((u // 2 + step) % 5) for u in range(60) for step in range(3)])
confidence = csr_array((np.full(180, 5.0, np.float32), (users, items)), shape=(60, 11))
recipe = SparkAlsRecipe(name="t", factors=4, reg_param=0.1, iterations=10, alpha=5)
with spark_session(SparkOptions("local[2]", "1g"), Path(sys.argv[1])) as spark:
    item = fit_items(spark, confidence, recipe)
assert item.shape == (11, 4) and item.dtype == np.float32
assert (item[10] == 0).all(), "an item without interactions"
unit = item[:10] / np.linalg.norm(item[:10], axis=1, keepdims=True)
similar = unit @ unit.T
same, other = similar[::2, ::2].mean(), similar[::2, 1::2].mean()
assert same > 2 * abs(other), (same, other)
"""

MANY_ITERATIONS = CHECKERBOARD.replace("iterations=10", "iterations=40")

ONE_OBJECTIVE = """
import sys
from pathlib import Path
import numpy as np
from pyspark.ml.recommendation import ALS
from scipy.sparse import csr_array
from viecomrec.adapters.spark import SparkOptions, spark_session
from viecomrec.domain.recipes import AlsRecipe, SparkAlsRecipe
from viecomrec.models.als import user_factors
from viecomrec.models.spark_als import als_of, pairs_of
from viecomrec.models.spark_ratings import spark_ratings

n_users, n_items, strength, alpha = 300, 60, 0.3, 6.0
rng = np.random.default_rng(3)
confidence = csr_array((rng.random((n_users, n_items)) < 0.05) * np.float32(5))
recipe = SparkAlsRecipe(
    name="t", factors=4, iterations=5, alpha=alpha, reg_param=strength * alpha * 5, fillers=True
)
ours = AlsRecipe(
    name="t", factors=4, iterations=5, alpha=alpha, regularization=strength,
    regularization_exponent=1.0,
)
ratings = spark_ratings(confidence, None, recipe)
with spark_session(SparkOptions("local[2]", "1g"), Path(sys.argv[1])) as spark:
    model = als_of(spark, recipe).fit(spark.createDataFrame(pairs_of(ratings)))
    def factors(table, n):
        rows = {row.id: row.features for row in table.collect()}
        return np.array([rows.get(n, [0.0] * 4) for n in range(n)], np.float32)
    user, item = factors(model.userFactors, n_users), factors(model.itemFactors, n_items)
expected = user_factors(confidence, item, ours)
far = np.abs(user - expected).max() / np.abs(expected).max()
assert far < 0.02, far
bare = user_factors(confidence, item, ours.model_copy(update={"regularization_exponent": 0.0}))
assert np.abs(user - bare).max() / np.abs(expected).max() > 0.2, "the ridge would not matter"
"""


@pytest.mark.parametrize(
    "program",
    [CHECKERBOARD, MANY_ITERATIONS, ONE_OBJECTIVE],
    ids=["tastes", "many iterations", "objective"],
)
def test_spark_finds_two_tastes_and_solves_rows_as_we_do(tmp_path, program):
    """Spark's own user factors are our row solve against its item factors."""
    skip_without_spark()
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=REPOSITORY,
        env=environment(tmp_path, PYTHONPATH=str(REPOSITORY)),
        capture_output=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]


def test_a_model_of_spark_is_registered_like_any_other(tmp_path):
    skip_without_spark()
    installation = write_installation(tmp_path)
    wanted = {"spark": {"master": "local[2]", "driver_memory": "1g"}}
    installation.paths.settings_file.write_text(json.dumps(wanted), encoding="utf-8")
    flags = ("--engine", "spark", "--model", "als", "--skip-eval", "--force")
    answer = run("model_training", *flags, project=tmp_path, PYTHONPATH=str(REPOSITORY))
    assert answer.code == 0, answer.log
    (model_id,) = answer.result["models"]
    artifact = installation.models.load(installation.registry.read().record(model_id))
    assert artifact.metadata["engine"] == "spark"
    assert artifact.params["recipe"]["engine"] == "spark"
    assert artifact.factors.item.shape[1] == artifact.params["config"]["factors"]
    assert not list(installation.paths.engine_scratch.iterdir())


@pytest.mark.parametrize(
    ("flags", "named"),
    [((), "--model als"), (("--model", "als", "--warmstart"), "--warmstart")],
)
def test_what_spark_cannot_train_is_exit_2(tmp_path, flags, named):
    write_installation(tmp_path)
    answer = run("model_training", "--engine", "spark", *flags, project=tmp_path)
    assert answer.code == 2
    assert named in answer.result["message"]
