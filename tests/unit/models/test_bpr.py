"""BPR: the contract, random streams, negatives, early stopping, fold-in."""

import numpy as np
import planted
import pytest
from model_contract import ModelContract
from scipy.sparse import csr_array

from viecomrec.domain.matrices import HeldOut
from viecomrec.domain.recipes import AlsRecipe, BprRecipe, guide_bpr_recipe
from viecomrec.errors import TrainingError
from viecomrec.models.bpr import (
    BprPairs,
    BprProgress,
    BprState,
    EarlyStopping,
    Negatives,
    fit_bpr,
    run_epoch,
)
from viecomrec.models.bpr_trainer import first_state, train_bpr
from viecomrec.models.fold_in import FoldIn
from viecomrec.models.trainer import TrainingData
from viecomrec.settings import TRAINING_CONFIG

GUIDE = guide_bpr_recipe(
    TRAINING_CONFIG["bpr"],
    TRAINING_CONFIG["early_stopping"],
    42,
    has_content=False,
    cold_threshold=5,
)
ALS = AlsRecipe(
    name="start",
    factors=64,
    regularization=0.1,
    iterations=10,
    alpha=0.2,
    unobserved_weight=0.003,
    regularization_exponent=1.0,
)


class TestGuideBpr(ModelContract):
    model_type = "bpr"

    def train(self, data, *, seed=42, threads=1):
        return train_bpr(data, GUIDE.model_copy(update={"seed": seed}), threads=threads)


class TestBprFromAls(ModelContract):
    model_type = "bpr"

    def train(self, data, *, seed=42, threads=1):
        start = ALS.model_copy(update={"seed": seed})
        recipe = GUIDE.model_copy(update={"seed": seed, "start": start, "learning_rate": 0.02})
        return train_bpr(data, recipe, threads=threads)


def start_of(data: TrainingData) -> BprState:
    return first_state(data, GUIDE, 1)


GUIDE_NEGATIVES = Negatives(0.3)


def one_epoch(data, state, *, negatives=GUIDE_NEGATIVES, seed=1, rate=0.05) -> BprState:
    return run_epoch(
        state.copy(),
        BprPairs(data.matrices, data.disliked),
        negatives=negatives,
        learning_rate=rate,
        regularization=1e-4,
        seed=seed,
    )


def test_the_guide_configuration_is_taken_to_the_letter():
    assert (GUIDE.factors, GUIDE.learning_rate, GUIDE.regularization) == (64, 0.05, 0.0001)
    assert (GUIDE.epochs, GUIDE.neg_sample_ratio) == (50, 0.3)
    assert (GUIDE.early_stopping, GUIDE.patience, GUIDE.min_delta) == (True, 5, 0.001)


def test_pitfall_05_every_epoch_draws_a_random_stream_of_its_own():
    data = planted.clusters()
    begin = start_of(data)
    first = one_epoch(data, begin)
    same = one_epoch(data, begin)
    assert first.item.tobytes() == same.item.tobytes()
    # The same factors at another epoch: only the stream differs.
    second = one_epoch(data, BprState(1, begin.user, begin.item, begin.bias))
    assert first.item.tobytes() != second.item.tobytes()


def biases_moved_down(data: TrainingData, negatives: Negatives) -> np.ndarray:
    """How far each item's bias falls in one epoch without any learning of factors to speak of."""
    flat = start_of(data)
    zero = BprState(0, flat.user * 0, flat.item * 0, flat.bias)
    liked = np.bincount(data.matrices.binary.indices, minlength=data.matrices.n_items)
    after = one_epoch(data, zero, negatives=negatives, rate=1e-3)
    # Every positive raises its item by about rate / 2; the rest is what negatives took away.
    return liked * 0.5e-3 - after.bias


def test_pitfall_05_hard_negatives_are_the_disliked_and_the_popular():
    rng = np.random.default_rng(0)
    confidence = np.zeros((400, 40))
    confidence[:, 0] = np.where(rng.random(400) < 0.5, 5.5, 0)  # popular
    confidence[:, 1] = np.where(confidence[:, 0] == 0, 2.0, 0)  # disliked by the others
    confidence[np.arange(400), rng.integers(2, 40, 400)] = 5.5
    low = csr_array((confidence == 2.0).astype(np.float32))
    data = TrainingData(planted.matrices(confidence), planted.held_out([(0, 5), (1, 5)]), None, low)
    uniform = biases_moved_down(data, Negatives(0.0))
    hard = biases_moved_down(data, Negatives(0.3))
    assert hard[1] > 5 * uniform[1], "disliked items are hard negatives of those who disliked them"
    popular = biases_moved_down(data, Negatives(0.0, popular=1.0))
    assert popular[0] > 5 * uniform[0]


def test_pitfall_05_what_somebody_put_into_the_cart_is_no_hard_negative():
    rng = np.random.default_rng(0)
    confidence = np.zeros((400, 40))
    confidence[:, 0] = 1.9  # a cart: neither liked nor rated low
    confidence[np.arange(400), rng.integers(2, 40, 400)] = 5.5
    low = csr_array(np.zeros((400, 40), np.float32))
    data = TrainingData(planted.matrices(confidence), planted.held_out([(0, 5), (1, 5)]), None, low)
    assert biases_moved_down(data, Negatives(1.0))[0] == pytest.approx(0, abs=1e-6)


def test_a_user_who_has_touched_everything_is_left_alone():
    data = TrainingData(planted.matrices(np.full((3, 4), 5.0)), planted.held_out([(0, 0)]), None)
    begin = start_of(data)
    after = one_epoch(data, begin)
    np.testing.assert_array_equal(after.user, begin.user)


def progress(*history: float) -> BprProgress:
    empty = BprState(len(history), *(np.zeros((1, 1), np.float32) for _ in range(3)))
    return BprProgress(empty, empty, history)


def test_early_stopping_waits_for_patience_and_ignores_gains_below_min_delta():
    stopping = EarlyStopping(enabled=True, patience=5, min_delta=0.001)
    assert not progress(0.1, 0.2, 0.2, 0.2, 0.2, 0.2).is_over(50, stopping)
    assert progress(0.1, 0.2, 0.2, 0.2005, 0.2, 0.2, 0.2009).is_over(50, stopping)
    assert not progress(0.1, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2011).is_over(50, stopping)
    assert progress(*[0.2] * 50).is_over(50, EarlyStopping(False, 5, 0.001))


def test_the_best_epoch_is_kept_not_the_last():
    values = iter([0.1, 0.3, 0.2, 0.1, 0.1, 0.1, 0.1])

    def step(state: BprState) -> BprState:
        return BprState(state.epoch + 1, state.user, state.item, state.bias)

    stopping = EarlyStopping(enabled=True, patience=5, min_delta=0.001)
    found = fit_bpr(progress(), 50, step, lambda _: next(values), stopping)
    assert found.best.epoch == 2
    assert found.state.epoch == 7


def test_pitfall_08_the_test_users_have_no_say_in_when_to_stop():
    data = planted.clusters()
    held_out = data.held_out
    other = np.where(held_out.is_validation, held_out.item_index, 0).astype(np.int32)
    changed = TrainingData(
        data.matrices, HeldOut(held_out.user_index, other, held_out.is_validation), None
    )
    assert train_bpr(data, GUIDE).item.tobytes() == train_bpr(changed, GUIDE).item.tobytes()


def test_a_fit_that_goes_on_from_any_checkpoint_ends_with_the_same_bytes():
    data = planted.clusters()
    recipe = GUIDE.model_copy(update={"epochs": 6})
    saved: list[dict] = []

    def save(progress: BprProgress) -> None:
        saved.append({name: array.copy() for name, array in progress.arrays().items()})

    whole = train_bpr(data, recipe, on_epoch=save)
    for arrays in saved:
        resumed = train_bpr(data, recipe, resume=BprProgress.from_arrays(arrays))
        assert resumed.item.tobytes() == whole.item.tobytes()
        assert resumed.user.tobytes() == whole.user.tobytes()
        assert resumed.item_bias.tobytes() == whole.item_bias.tobytes()


def test_folded_in_users_rank_nearly_as_well_as_trained_ones():
    data = planted.clusters()
    model = train_bpr(data, GUIDE)
    fold_in = FoldIn.from_model(model.item, {"solver": model.solver})
    confidence = data.matrices.confidence
    user = np.zeros_like(model.user)
    for row in range(len(user)):
        own = slice(confidence.indptr[row], confidence.indptr[row + 1])
        user[row] = fold_in.user_vector(confidence.indices[own], confidence.data[own])
    scores = lambda rows: user[rows] @ model.item.T + model.item_bias  # noqa: E731
    test = data.held_out.test
    folded = data.evaluate(scores, test).summary["ndcg@10"]
    assert folded > 0.8 * data.evaluate(model.scores, test).summary["ndcg@10"]


def test_a_divergence_says_what_to_change():
    data = planted.clusters()
    with pytest.raises(TrainingError, match=r"diverged.*learning_rate"):
        train_bpr(data, GUIDE.model_copy(update={"learning_rate": 1e20}))


def test_recipes_survive_their_record():
    from viecomrec.domain.recipes import recipe_from

    recipe = GUIDE.model_copy(update={"start": ALS})
    assert recipe_from(recipe.model_dump(mode="json")) == recipe
    assert isinstance(recipe_from(recipe.model_dump(mode="json")), BprRecipe)
