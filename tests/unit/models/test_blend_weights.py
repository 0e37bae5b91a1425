"""The blend is chosen on validation users alone, and worth it where texts or co-purchase help."""

import json
from dataclasses import asdict

import numpy as np
import planted
import pytest
from scipy.sparse import csr_array

from viecomrec.domain.matrices import HeldOut, TrainingMatrices
from viecomrec.domain.recipes import AlsRecipe
from viecomrec.models import blend_weights
from viecomrec.models.blend import BlendedScorer
from viecomrec.models.blend_inputs import blend_inputs
from viecomrec.models.blend_weights import blended_scores, choose_blend, make_scorer
from viecomrec.models.co_purchase import CO_PURCHASES, CoPurchase
from viecomrec.models.trainer import TrainingData, train_als
from viecomrec.models.user_scores import UserScores

RECIPE = AlsRecipe(
    name="weak", factors=4, regularization=0.1, iterations=3, alpha=0.2, unobserved_weight=0.01
)


def test_the_blend_is_at_least_as_good_as_the_factors_on_the_users_who_chose_it():
    data = planted.clusters(content=True)
    model = train_als(data, RECIPE)
    blend = choose_blend(data, model)
    scores = blended_scores(data, model, make_scorer(data, model, blend))
    part = data.held_out.validation
    blended = data.evaluate(scores, part).summary["ndcg@10"]
    assert blended == max(trial["ndcg@10"] for trial in blend.tried)
    assert blended > data.evaluate(model.scores, part).summary["ndcg@10"] + 0.05


def test_pitfall_08_the_test_users_have_no_say_in_the_blend():
    data = planted.clusters(content=True)
    model = train_als(data, RECIPE)
    held_out = data.held_out
    wrong = np.where(held_out.is_validation, held_out.item_index, 0).astype(np.int32)
    other = HeldOut(held_out.user_index, wrong, held_out.is_validation)
    changed = TrainingData(data.matrices, other, data.content)
    assert choose_blend(data, model) == choose_blend(changed, model)


def test_a_large_shop_weighs_a_sample_of_its_users(monkeypatch):
    data = planted.clusters(content=True)
    model = train_als(data, RECIPE)
    monkeypatch.setattr(blend_weights, "MAX_CELLS", 20 * data.matrices.n_items)
    assert choose_blend(data, model).weights["cf"] == 1.0


def test_every_way_to_count_co_purchase_is_tried_and_plain_before_others():
    data = planted.clusters(content=False)
    tried = choose_blend(data, train_als(data, RECIPE)).tried
    ways = [CoPurchase(**trial["co_purchase"]) for trial in tried]
    assert set(ways) == set(CO_PURCHASES)
    best = [way for way, trial in zip(ways, tried, strict=True) if trial == tried[0]]
    assert best[0] == ways[0]
    assert CO_PURCHASES[0] == CoPurchase()


def data_with_robots() -> TrainingData:
    """Twenty clusters of five products; two people in five chose a third of everything."""
    rng = np.random.default_rng(3)
    n_users, n_items = 600, 100
    chosen = np.zeros((n_users, n_items), dtype=np.float32)
    users, targets = [], []
    for user in range(n_users):
        if user % 5 < 2:
            chosen[user, rng.permutation(n_items)[:33]] = 5
            continue
        cluster = rng.integers(20) * 5 + rng.permutation(5)
        chosen[user, cluster[:2]] = 5
        users.append(user)
        targets.append(cluster[2])
    part = np.arange(len(users)) % 2 == 0
    held_out = HeldOut(np.array(users, np.int32), np.array(targets, np.int32), part)
    both = csr_array(chosen)
    return TrainingData(
        TrainingMatrices(both, csr_array(both > 0, dtype=np.float32)), held_out, None
    )


def test_where_some_people_choose_everything_they_count_less():
    data = data_with_robots()
    model = train_als(data, RECIPE)
    blend = choose_blend(data, model)
    assert blend.co_purchase.activity_exponent > 0
    scores = blended_scores(data, model, make_scorer(data, model, blend))
    plain = [t for t in blend.tried if t["co_purchase"] == asdict(CoPurchase())]
    found = data.evaluate(scores, data.held_out.validation).summary["ndcg@10"]
    assert found == blend.tried[0]["ndcg@10"]
    assert found > plain[0]["ndcg@10"] + 0.01


def test_what_is_stored_gives_the_scores_that_were_measured():
    """Through JSON, as params.json is, and through the matrix that the service builds."""
    data = data_with_robots()
    model = train_als(data, RECIPE)
    blend = choose_blend(data, model)
    params = json.loads(json.dumps({"blend": blend.as_json()}))
    inputs = blend_inputs(data.matrices.binary, data.content)
    how = CoPurchase.from_params(params)
    served = BlendedScorer.build(
        model.item, None, None, inputs.popularity, None, params, inputs.together_of(how)
    )
    measured = make_scorer(data, model, blend)
    histories = data.matrices.confidence[:50]
    assert np.array_equal(
        served.batch_scores(model.user[:50], histories),
        measured.batch_scores(model.user[:50], histories),
    )


@pytest.mark.parametrize("how", CO_PURCHASES[::2])
def test_what_is_measured_over_products_is_what_is_served_over_their_variants(how):
    data = planted.clusters(content=True)
    model = train_als(data, RECIPE)
    weights = {"cf": 1.0, "content": 0.3, "together": 0.5}
    chosen = blend_weights.ChosenBlend(weights, how, [])
    scorer = make_scorer(data, model, chosen)
    # Every product has two pages.
    n = data.matrices.n_items
    group_of = np.tile(np.arange(n, dtype=np.int32), 2)
    histories = data.matrices.confidence[:30]
    scores = scorer.batch_scores(model.user[:30], histories)
    for row in range(30):
        history = histories[[row]]
        pages = history.indices + n * (np.arange(history.nnz) % 2)
        final = UserScores(scorer, model.user[row], pages, history.data, group_of).final(weights)
        assert np.array_equal(final[:n], final[n:])
        np.testing.assert_allclose(final[:n], scores[row], atol=1e-4)
