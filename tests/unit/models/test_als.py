"""ALS: the contract, the objective, checkpoints, and what it refuses."""

import itertools

import numpy as np
import planted
import pytest
from model_contract import ModelContract
from scipy.sparse import csr_array

from viecomrec.domain.matrices import HeldOut
from viecomrec.domain.recipes import AlsRecipe, guide_als_recipe
from viecomrec.errors import TrainingError
from viecomrec.models.als import Progress, als_loss, fit_als, random_items, user_factors
from viecomrec.models.trainer import TrainingData, first_items, train_als
from viecomrec.settings import TRAINING_CONFIG

TUNED = AlsRecipe(
    name="tuned",
    factors=16,
    regularization=0.1,
    iterations=10,
    alpha=0.2,
    unobserved_weight=0.003,
    regularization_exponent=1.0,
)


class TestGuideAls(ModelContract):
    def train(self, data, *, seed=42, threads=1):
        recipe = guide_als_recipe(
            TRAINING_CONFIG["als"], seed, has_content=data.content is not None
        )
        return train_als(data, recipe, threads=threads)


class TestTunedAls(ModelContract):
    def train(self, data, *, seed=42, threads=1):
        return train_als(data, TUNED.model_copy(update={"seed": seed}), threads=threads)


def test_the_guide_configuration_is_c_equal_to_one_plus_alpha_times_confidence():
    recipe = guide_als_recipe(TRAINING_CONFIG["als"], 42, has_content=True)
    assert (recipe.factors, recipe.regularization, recipe.iterations) == (64, 0.1, 15)
    assert (recipe.alpha, recipe.unobserved_weight, recipe.regularization_exponent) == (5, 1, 0)
    assert recipe.content_scale > 0
    assert recipe.cold_threshold == 5
    assert guide_als_recipe(TRAINING_CONFIG["als"], 42, has_content=False).content_scale == 0


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_each_half_sweep_lowers_the_objective(exponent):
    data = planted.clusters()
    recipe = TUNED.model_copy(update={"regularization_exponent": exponent})
    item = random_items(data.matrices.n_items, recipe.factors, np.random.default_rng(0))
    confidence = data.matrices.confidence
    losses = []

    def record(progress: Progress) -> None:
        user = user_factors(confidence, progress.item, recipe)
        losses.append(als_loss(confidence, user, progress.item, recipe))

    fit_als(confidence, recipe, start=Progress(0, item), on_iteration=record)
    assert all(after < before for before, after in itertools.pairwise(losses))


def test_the_solution_is_a_minimum_of_the_objective():
    data = planted.clusters(n_users=60)
    confidence = data.matrices.confidence
    recipe = TUNED.model_copy(update={"alpha": 5.0, "unobserved_weight": 1.0})
    item = random_items(data.matrices.n_items, recipe.factors, np.random.default_rng(0))
    user = user_factors(confidence, item, recipe)
    best = als_loss(confidence, user, item, recipe)
    rng = np.random.default_rng(1)
    for _ in range(5):
        nudged = user + rng.normal(0, 0.01, user.shape).astype(np.float32)
        assert als_loss(confidence, nudged, item, recipe) > best


def test_a_training_that_goes_on_from_any_checkpoint_ends_with_the_same_bytes():
    data = planted.clusters()
    states: list[Progress] = []
    whole = train_als(data, TUNED, on_iteration=states.append)
    for state in states:
        resumed = train_als(data, TUNED, resume=Progress(state.iteration, state.item.copy()))
        assert resumed.item.tobytes() == whole.item.tobytes()
        assert resumed.user.tobytes() == whole.user.tobytes()


def test_the_bytes_do_not_depend_on_the_number_of_threads():
    data = planted.clusters()
    one, three = (train_als(data, TUNED, threads=n) for n in (1, 3))
    assert one.item.tobytes() == three.item.tobytes()
    assert one.user.tobytes() == three.user.tobytes()


def test_an_initialisation_in_fortran_order_trains_as_well_as_one_in_c_order():
    data = planted.clusters()
    confidence = data.matrices.confidence
    start = first_items(data, TUNED)
    c_order = fit_als(confidence, TUNED, start=Progress(0, start))
    fortran = fit_als(confidence, TUNED, start=Progress(0, np.asfortranarray(start)))
    assert c_order.tobytes() == fortran.tobytes()
    assert fortran.flags.c_contiguous


@pytest.mark.parametrize("shape", [(1, 5), (5, 1)])
def test_one_user_or_one_item_is_refused_with_both_counts(shape):
    data = TrainingData(planted.matrices(np.full(shape, 5.0)), planted.held_out([(0, 0)]), None)
    with pytest.raises(TrainingError, match=f"the snapshot has {shape[0]} and {shape[1]}"):
        data.require_usable(evaluate=False)


def test_a_shop_without_a_positive_event_is_refused():
    data = TrainingData(planted.matrices(np.full((4, 4), 2.0)), planted.held_out([(0, 0)]), None)
    with pytest.raises(TrainingError, match="No training event is positive"):
        data.require_usable(evaluate=False)


def test_an_empty_matrix_is_refused():
    empty = csr_array((5, 5), dtype=np.float32)
    with pytest.raises(TrainingError, match="empty"):
        fit_als(empty, TUNED, start=Progress(0, np.zeros((5, 16), np.float32)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0, -1.0])
def test_a_confidence_that_is_no_positive_number_is_refused(bad):
    confidence = planted.checkerboard().matrices.confidence.copy()
    confidence.data[3] = bad
    with pytest.raises(TrainingError, match="not a positive number"):
        fit_als(confidence, TUNED, start=Progress(0, np.zeros((24, 16), np.float32)))


@pytest.mark.parametrize(("part", "user"), [("validation", 1), ("test", 3)])
def test_an_empty_part_of_the_held_out_events_is_named(part, user):
    full = planted.checkerboard()
    one = HeldOut(np.array([user], np.int32), np.array([0], np.int32), np.array([user % 3 == 0]))
    data = TrainingData(full.matrices, one, None)
    with pytest.raises(TrainingError, match=f"the {part} part.*--skip-eval"):
        data.require_usable(evaluate=True)
    data.require_usable(evaluate=False)
