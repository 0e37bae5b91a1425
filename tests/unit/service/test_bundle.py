"""A model is served with the co-purchase that it was measured with."""

import numpy as np
import pytest
from installation import NEW_MODEL, OLD_MODEL, write_installation, write_model, write_snapshot

from viecomrec.domain.ranking_rules import RankingRules
from viecomrec.models.co_purchase import PLAIN, CoPurchase, co_purchases
from viecomrec.service.bundle import Bundle, empty_fresh_events, load_bundle

STORED = {"activity_exponent": 0.7, "history_exponent": 0.5, "pseudo_counts": 30.0}
MODEL = "als_20260131_v2"


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    """A shop where one person chose more than the others."""
    installation = write_installation(tmp_path_factory.mktemp("shop"))
    write_snapshot(installation, more_events=[("u0", row) for row in range(10, 22, 2)])
    blend = {"weights": {"cf": 1.0, "together": 1.0}, "co_purchase": STORED}
    write_model(installation, MODEL, seed=2, blend=blend)
    return installation


def load(installation, model_id, known=None) -> Bundle:
    fresh = empty_fresh_events(installation)
    return load_bundle(installation, model_id, fresh, RankingRules(), known)


def test_what_params_json_says_of_co_purchase_is_what_is_served(installation):
    bundle = load(installation, MODEL)
    positives = bundle.shop.blend.positives
    assert len(set(np.diff(positives.indptr))) > 1
    assert bundle.scorer.co_purchase == CoPurchase(**STORED)
    served = bundle.scorer.together.toarray()
    assert np.array_equal(served, co_purchases(positives, 0.7).toarray())
    assert not np.array_equal(served, bundle.shop.blend.together.toarray())


def test_two_models_of_one_shop_have_each_their_own(installation):
    first = load(installation, MODEL)
    older = load(installation, NEW_MODEL, first)
    assert older.shop is first.shop
    assert older.scorer.co_purchase == PLAIN
    assert np.array_equal(
        older.scorer.together.toarray(), co_purchases(older.shop.blend.positives).toarray()
    )
    assert not np.array_equal(older.scorer.together.toarray(), first.scorer.together.toarray())


def test_people_are_told_how_many_chose_both_whatever_the_model_counts(installation):
    shop = load(installation, MODEL).shop
    group_of, people = shop.catalogue.variant_group, shop.blend.together
    assert np.array_equal(people.toarray(), co_purchases(shop.blend.positives).toarray())
    first, other = 0, 2
    told = shop.explainer.explain([other], np.array([first], dtype=np.int32))[0]
    assert told.n_people == people[group_of[first], group_of[other]] > 0


def test_a_reload_gives_what_a_start_gives_and_computes_no_pair_of_products_again(installation):
    first = load(installation, NEW_MODEL)
    for model_id in (NEW_MODEL, MODEL, OLD_MODEL):
        reloaded, started = load(installation, model_id, first), load(installation, model_id)
        history = started.shop.histories.of("u0")
        whole = reloaded.scores_of(reloaded.user_factors[0], history).final(reloaded.weights)
        expected = started.scores_of(started.user_factors[0], history).final(started.weights)
        assert np.array_equal(whole, expected)
        assert reloaded.scorer._content_matrix is first.scorer._content_matrix
        is_alike = reloaded.scorer.co_purchase == first.scorer.co_purchase
        assert (reloaded.scorer._together_matrix is first.scorer._together_matrix) == is_alike
        assert is_alike == (model_id != MODEL)


def test_another_snapshot_is_computed_anew(tmp_path):
    installation = write_installation(tmp_path)
    first = load(installation, NEW_MODEL)
    write_snapshot(installation, more_events=[("u0", 12)])
    second, expected = load(installation, NEW_MODEL, first), load(installation, NEW_MODEL)
    assert second.scorer._content_matrix is not first.scorer._content_matrix
    assert np.array_equal(second.scorer._together_matrix, expected.scorer._together_matrix)
    assert not np.array_equal(second.scorer._together_matrix, first.scorer._together_matrix)
