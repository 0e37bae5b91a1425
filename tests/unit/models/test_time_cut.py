"""One cut in time: nothing later trains, and only what is new is asked for."""

import numpy as np
import planted

from viecomrec.domain.recipes import AlsRecipe
from viecomrec.models.time_cut import TimedPairs, cut_in_time, measure_time_cut

RECIPE = AlsRecipe(
    name="tuned", factors=16, regularization=0.1, iterations=10, alpha=0.2, unobserved_weight=0.01
)


def timed(rows: list[tuple[int, int, int, float]]) -> TimedPairs:
    user, product, at, confidence = (np.array(column) for column in zip(*rows, strict=True))
    return TimedPairs(user, product, at, confidence.astype(np.float32), confidence >= 4.5)


def test_what_is_later_than_the_cut_is_asked_for_and_never_trains():
    early = [(0, 0, day, 5.0) for day in range(9)]
    late = [(0, 1, 100, 5.0), (0, 0, 100, 5.0), (0, 2, 100, 2.0), (1, 1, 100, 5.0)]
    matrices, held_out, cut = cut_in_time(timed([*early, *early, *early, *late]), (2, 3))
    assert cut == 100
    assert matrices.confidence.toarray().tolist() == [[5, 0, 0], [0, 0, 0]]
    asked = list(zip(held_out.user_index, held_out.item_index, strict=True))
    # Product 0 is known, product 2 was not liked, user 1 has no history: only (0, 1) remains.
    assert asked == [(0, 1)]


def test_the_recipe_is_measured_beside_popularity():
    data = planted.clusters()
    confidence = data.matrices.confidence.tocoo()
    at = np.random.default_rng(0).permutation(len(confidence.data))
    pairs = TimedPairs(
        confidence.row.astype(np.int64),
        confidence.col.astype(np.int64),
        at.astype(np.int64),
        confidence.data,
        confidence.data >= 4.5,
    )
    found = measure_time_cut(pairs, data, RECIPE)
    assert found["n_users"] > 100
    assert found["factors"]["ndcg@10"] > 3 * found["popularity"]["ndcg@10"]


def test_a_shop_of_one_day_has_no_cut():
    data = planted.checkerboard(4)
    rows = [(user, item, 7, 5.0) for user in range(4) for item in range(4)]
    assert measure_time_cut(timed(rows), data, RECIPE) is None
