"""A warm start maps by ids, and arrives in half the iterations."""

import numpy as np
import planted
import pytest

from viecomrec.domain.factors import Factors
from viecomrec.domain.identity import IdMap
from viecomrec.domain.recipes import AlsRecipe, BprRecipe
from viecomrec.errors import TrainingError
from viecomrec.models.bpr_trainer import train_bpr
from viecomrec.models.trainer import TrainingData, train_als
from viecomrec.models.variants import VariantGroups
from viecomrec.models.warm_start import map_by_ids, warm_als, warm_bpr

ALS = AlsRecipe(
    name="tuned",
    factors=16,
    regularization=0.1,
    iterations=14,
    alpha=0.2,
    unobserved_weight=0.003,
    regularization_exponent=1.0,
)
BPR = BprRecipe(
    name="guide",
    factors=16,
    learning_rate=0.05,
    regularization=1e-4,
    epochs=50,
    neg_sample_ratio=0.3,
)
N_OLD, N_NEW = 570, 600


def names(prefix: str, n: int) -> tuple[str, ...]:
    return tuple(f"{prefix}{row}" for row in range(n))


def grown() -> tuple[TrainingData, TrainingData, IdMap, IdMap, VariantGroups]:
    """A shop before and after it grew by 5 %; all rows and columns moved meanwhile."""
    today = planted.clusters(n_users=N_NEW, content=True)
    before = TrainingData(
        planted.matrices(today.matrices.confidence.toarray()[:N_OLD]),
        planted.held_out([(0, 0), (1, 1)]),
        today.content,
    )
    n_items = today.matrices.n_items
    order_users = np.random.default_rng(1).permutation(N_NEW)
    order_items = np.random.default_rng(2).permutation(n_items)
    moved = today.matrices.confidence.toarray()[order_users][:, order_items]
    place_user, place_item = np.argsort(order_users), np.argsort(order_items)
    held_out = type(today.held_out)(
        place_user[today.held_out.user_index].astype(np.int32),
        place_item[today.held_out.item_index].astype(np.int32),
        today.held_out.is_validation,
    )
    after = TrainingData(planted.matrices(moved), held_out, today.content[order_items])
    ids_before = IdMap(names("u", N_OLD), names("p", n_items))
    ids_after = IdMap(
        tuple(names("u", N_NEW)[row] for row in order_users),
        tuple(names("p", n_items)[row] for row in order_items),
    )
    groups = VariantGroups(np.arange(n_items, dtype=np.int32))
    return before, after, ids_before, ids_after, groups


def ndcg(data: TrainingData, model) -> float:
    return data.evaluate(model.scores, data.held_out.validation).summary["ndcg@10"]


def test_a_warm_start_reaches_the_cold_ndcg_in_half_the_iterations():
    before, after, ids_before, ids_after, groups = grown()
    previous = train_als(before, ALS)
    warm = map_by_ids(
        "als_1", Factors(previous.user, previous.item, ids_before), ALS.solver(), ids_after, groups
    )
    start = warm_als(warm, after, ALS)
    assert ALS.iterations - start.iteration == ALS.iterations // 2
    sweeps = []
    warmed = train_als(after, ALS, resume=start, on_iteration=sweeps.append)
    assert len(sweeps) == 7
    assert ndcg(after, warmed) >= ndcg(after, train_als(after, ALS)) - 0.005


def test_pitfall_09_a_warm_start_survives_new_users_new_products_and_moved_rows():
    before, after, ids_before, ids_after, groups = grown()
    kept = ids_before.n_items - 6
    fewer = TrainingData(
        planted.matrices(before.matrices.confidence.toarray()[:, :kept]),
        before.held_out,
        before.content[:kept],
    )
    previous = train_als(fewer, ALS)
    known = IdMap(ids_before.user_ids, ids_before.product_ids[:kept])
    warm = map_by_ids(
        "als_1", Factors(previous.user, previous.item, known), ALS.solver(), ids_after, groups
    )
    assert (~warm.knows_item).sum() == 6
    assert (~warm.knows_user).sum() == N_NEW - N_OLD
    for row, product_id in enumerate(ids_after.product_ids):
        index = known.item_index(product_id)
        expected = 0 if index is None else previous.item[index]
        np.testing.assert_array_equal(warm.item[row], expected + np.zeros(16, np.float32))
    start = warm_als(warm, after, ALS)
    assert np.linalg.norm(start.item, axis=1).min() > 0


def test_a_warm_bpr_folds_new_users_in_and_starts_where_the_old_one_was():
    before, after, ids_before, ids_after, groups = grown()
    previous = train_bpr(before, BPR.model_copy(update={"early_stopping": False}))
    factors = Factors(previous.user, previous.item, ids_before, previous.item_bias)
    warm = map_by_ids("bpr_1", factors, previous.solver, ids_after, groups)
    begin = warm_bpr(warm, after, BPR)
    assert np.linalg.norm(begin.state.user, axis=1).min() > 0
    cold = train_bpr(after, BPR.model_copy(update={"epochs": 5}))
    warmed = train_bpr(after, BPR.model_copy(update={"epochs": 5}), resume=begin)
    assert ndcg(after, warmed) > ndcg(after, cold) + 0.1


def test_a_previous_model_of_another_width_is_named():
    before, after, ids_before, ids_after, groups = grown()
    previous = train_als(before, ALS.model_copy(update={"factors": 8}))
    warm = map_by_ids(
        "als_1", Factors(previous.user, previous.item, ids_before), ALS.solver(), ids_after, groups
    )
    with pytest.raises(TrainingError, match=r"als_1 has 8 factors.*asks for 16.*--warmstart"):
        warm_als(warm, after, ALS)


def test_variants_of_a_known_product_are_known():
    factors = Factors(
        np.ones((1, 2), np.float32),
        np.arange(4, dtype=np.float32).reshape(2, 2),
        IdMap(("u",), ("a", "b")),
    )
    groups = VariantGroups.from_names(["g", "h", "g"])
    warm = map_by_ids("als_1", factors, {}, IdMap(("u", "v"), ("new", "a", "b")), groups)
    assert warm.knows_item.tolist() == [True, True]
    assert warm.item.tolist() == [[2, 3], [0, 1]]
