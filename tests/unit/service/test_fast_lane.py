"""The short way to a list gives what the general way gives, or says that it cannot."""

from dataclasses import replace

import numpy as np
import pytest
from installation import (
    NEW_MODEL,
    NOW,
    ONE_EVENT_USER,
    OUT_OF_STOCK,
    VARIANTS,
    trained_items,
    user_ids,
    write_installation,
    write_model,
    write_snapshot,
)

from viecomrec.domain.api import FilterParams, RankingRequest, RecommendResponse, RerankWeights
from viecomrec.domain.events import Event
from viecomrec.domain.ranking_rules import RankingRules
from viecomrec.service.bundle import empty_fresh_events, load_bundle
from viecomrec.service.fast_lane import is_plain, plain_list, plain_lists
from viecomrec.service.recommender import identify, recommend_for

NEWER_MODEL = "als_20260131_v9"


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    return write_installation(tmp_path_factory.mktemp("shop"))


def load(installation, **rules):
    fresh = empty_fresh_events(installation)
    return load_bundle(installation, NEW_MODEL, fresh, RankingRules(**rules))


def read(answer):
    return RecommendResponse.model_validate_json(answer.content, strict=True)


def general(bundle, user, **fields):
    return read(recommend_for(bundle, identify(bundle, user), RankingRequest(**fields)))


def assert_same(one, other):
    assert one.model_dump(exclude={"items"}) == other.model_dump(exclude={"items"})
    numbers = {"score", "signals"}
    for item, twin in zip(one.items, other.items, strict=True):
        assert item.model_dump(exclude=numbers) == twin.model_dump(exclude=numbers)
        assert item.score == pytest.approx(twin.score, abs=1e-3)
        signals = twin.signals.model_dump()
        assert item.signals.model_dump() == pytest.approx(signals, abs=1e-3)


@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"out_of_stock": "show"},
        {"excluded": (VARIANTS[0], "p5")},
        {"weights": RerankWeights(cf=1, content=2, popularity=0.5, quality=0.2)},
    ],
)
@pytest.mark.parametrize("k", [1, 7, 100])
def test_both_ways_give_the_same_list(installation, rules, k):
    bundle = load(installation, **rules)
    of_many = plain_lists(bundle, bundle.fast_lane, user_ids(), k)
    for user, in_batch in zip(user_ids(), of_many, strict=True):
        alone = plain_list(bundle, bundle.fast_lane, user, k)
        assert_same(read(alone), general(bundle, user, topk=k))
        assert_same(read(in_batch), general(bundle, user, topk=k))


def test_a_blend_with_co_purchases_and_texts_gives_the_same_list(installation):
    bundle = load(installation)
    weights = {"cf": 0.6, "together": 0.3, "content": 0.2, "popularity": 0.1, "quality": 0.1}
    bundle = replace(bundle, scorer=replace(bundle.scorer, weights=weights))
    for user in user_ids():
        alone = plain_list(bundle, bundle.fast_lane, user, 20)
        assert_same(read(alone), general(bundle, user, topk=20))


def test_who_chose_a_product_twice_gets_the_same_list(tmp_path):
    installation = write_installation(tmp_path)
    first, second = (int(product[1:]) for product in VARIANTS)
    again = [("u0", trained_items(0)[0]), ("u1", first), ("u1", second)]
    write_snapshot(installation, more_events=again)
    write_model(installation, NEWER_MODEL, seed=2)
    fresh = empty_fresh_events(installation)
    bundle = load_bundle(installation, NEWER_MODEL, fresh, RankingRules())
    for user in ("u0", "u1"):
        assert len(bundle.history(user)) > 3
        alone = plain_list(bundle, bundle.fast_lane, user, 20)
        assert_same(read(alone), general(bundle, user, topk=20))


def test_biases_of_products_count_on_the_short_way_too(installation):
    bundle = load(installation)
    bias = np.linspace(-1, 1, bundle.scorer.n_items).astype(np.float32)
    bundle = replace(bundle, scorer=replace(bundle.scorer, item_bias=bias))
    of_many = plain_lists(bundle, bundle.fast_lane, user_ids(), 20)
    for user, in_batch in zip(user_ids(), of_many, strict=True):
        alone = plain_list(bundle, bundle.fast_lane, user, 20)
        assert_same(read(alone), general(bundle, user, topk=20))
        assert_same(read(in_batch), general(bundle, user, topk=20))


def test_the_short_way_shows_no_variant_twice_and_the_first_that_may_be_shown(installation):
    bundle = load(installation, excluded=(VARIANTS[0],))
    shown = [
        item.product_id for item in read(plain_list(bundle, bundle.fast_lane, "u1", 100)).items
    ]
    assert set(shown) & set(VARIANTS) == {VARIANTS[1]}
    assert OUT_OF_STOCK not in shown


@pytest.mark.parametrize("user", ["nobody", ONE_EVENT_USER])
def test_who_has_no_row_is_left_to_the_general_way(installation, user):
    bundle = load(installation)
    assert plain_list(bundle, bundle.fast_lane, user, 5) is None
    assert plain_lists(bundle, bundle.fast_lane, [user, "u1"], 5)[0] is None
    assert plain_lists(bundle, bundle.fast_lane, [user], 5) == [None]


def test_who_has_done_something_since_is_left_to_the_general_way(installation):
    bundle = load(installation)
    bundle.fresh.add([Event(user_id="u0", product_id="p20", kind="view", at=NOW)])
    assert plain_list(bundle, bundle.fast_lane, "u0", 5) is None
    assert plain_list(bundle, bundle.fast_lane, "u1", 5) is not None


def test_news_of_a_newer_snapshot_are_left_to_the_general_way(tmp_path):
    installation = write_installation(tmp_path)
    write_snapshot(installation, more_events=[("u0", 12)])
    bundle = load(installation)
    assert plain_list(bundle, bundle.fast_lane, "u0", 5) is None


@pytest.mark.parametrize("rules", [{"pinned": ("p20",)}, {"one_per_variant_group": False}])
def test_rules_that_change_the_order_close_the_lane(installation, rules):
    assert load(installation, **rules).fast_lane is None


@pytest.mark.parametrize(
    "fields",
    [
        {"filter_params": FilterParams(brand="x")},
        {"rerank": False},
        {"rerank_weights": RerankWeights(cf=1)},
        {"exclude_seen": False},
        {"one_per_variant_group": False},
    ],
)
def test_whoever_asks_for_more_than_a_number_is_answered_the_general_way(fields):
    assert is_plain(RankingRequest(topk=3))
    assert not is_plain(RankingRequest(**fields))
