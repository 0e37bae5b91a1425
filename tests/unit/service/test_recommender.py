import shutil
from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from installation import (
    N_PRODUCTS,
    NEW_MODEL,
    NOW,
    ONE_EVENT_USER,
    OUT_OF_CATALOGUE,
    OUT_OF_STOCK,
    VARIANTS,
    trained_items,
    user_ids,
    write_installation,
    write_model,
    write_snapshot,
)

from viecomrec.domain.api import (
    BatchRecommendRequest,
    BatchRecommendResponse,
    RankingRequest,
    Reason,
    RecommendResponse,
)
from viecomrec.domain.events import Event
from viecomrec.domain.ranking_rules import RankingRules
from viecomrec.domain.snapshots import INTERACTIONS
from viecomrec.service.batches import recommend_many
from viecomrec.service.bundle import empty_fresh_events, load_bundle
from viecomrec.service.news import users_with_news
from viecomrec.service.recommender import recommend


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    return write_installation(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def bundle(installation):
    return load(installation)


def load(installation, model_id=NEW_MODEL, rules=None, known=None):
    fresh = empty_fresh_events(installation)
    return load_bundle(installation, model_id, fresh, rules or RankingRules(), known)


def ask(bundle, user_id, **fields):
    answer = recommend(bundle, user_id, RankingRequest(**fields))
    read = RecommendResponse.model_validate_json(answer.content, strict=True)
    assert len(read.items) == answer.n_items
    return read


def shown(answer):
    return [item.product_id for item in answer.items]


def is_of_taste(product_id, taste):
    return int(product_id[1:]) % 2 == taste


@pytest.mark.parametrize("row", range(12))
def test_a_trainable_user_is_shown_the_own_taste_and_nothing_seen(bundle, row):
    answer = ask(bundle, user_ids()[row], topk=5)
    assert (answer.source, answer.is_fallback) == ("factors", False)
    assert all(is_of_taste(product, row % 2) for product in shown(answer))
    assert not set(shown(answer)) & {f"p{item}" for item in trained_items(row)}


def test_seen_items_include_the_held_out_one(bundle):
    held_out = f"p{trained_items(0)[2]}"
    assert held_out not in shown(ask(bundle, "u0", topk=100))
    assert held_out in shown(ask(bundle, "u0", topk=100, exclude_seen=False))


def test_the_list_of_a_trained_user_is_the_product_of_the_factors(bundle):
    scores = bundle.item_factors @ bundle.user_factors[3]
    hidden = {OUT_OF_CATALOGUE, OUT_OF_STOCK, *(f"p{item}" for item in trained_items(3))}
    allowed = [column for column in range(N_PRODUCTS) if f"p{column}" not in hidden]
    expected = sorted(allowed, key=lambda column: -scores[column])
    answer = ask(bundle, "u3", topk=100, one_per_variant_group=False)
    assert shown(answer) == [f"p{column}" for column in expected]


def test_a_user_of_one_event_is_folded_in(bundle):
    answer = ask(bundle, ONE_EVENT_USER, topk=5)
    assert (answer.source, answer.is_fallback) == ("fold_in", False)
    assert "p1" not in shown(answer)
    assert all(is_of_taste(product, 1) for product in shown(answer))


def test_an_unknown_user_is_shown_what_is_popular_and_told_so(bundle):
    answer = ask(bundle, "nobody")
    hidden = (OUT_OF_CATALOGUE, OUT_OF_STOCK, VARIANTS[1])
    order = np.argsort(-bundle.shop.recently_popular, kind="stable")
    popular = [f"p{column}" for column in order if f"p{column}" not in hidden]
    assert (answer.source, answer.is_fallback) == ("popularity", True)
    assert "unknown user" in answer.fallback_reason
    assert shown(answer)[:5] == popular[:5]
    assert {item.reason for item in answer.items} == {Reason.POPULAR}


def test_a_product_out_of_the_catalogue_or_of_stock_is_never_shown(bundle):
    answer = ask(bundle, "nobody", topk=100, exclude_seen=False, one_per_variant_group=False)
    assert not {OUT_OF_CATALOGUE, OUT_OF_STOCK} & set(shown(answer))
    assert len(answer.items) == N_PRODUCTS - 2


def test_variants_of_one_product_never_fill_a_list_unless_asked(bundle):
    for asked, n_variants in ((None, 1), (True, 1), (False, 2)):
        answer = ask(bundle, "nobody", topk=100, one_per_variant_group=asked)
        assert len(set(shown(answer)) & set(VARIANTS)) == n_variants


def test_a_variant_of_a_seen_product_counts_as_seen(bundle):
    assert set(trained_items(2)) & {8, 10} == {8}
    assert not set(shown(ask(bundle, "u2", topk=100))) & set(VARIANTS)


def test_an_item_tells_what_a_person_sees_and_why(bundle):
    item = ask(bundle, "u0", topk=1).items[0]
    assert item.rank == 1
    assert item.name.startswith("Sữa rửa mặt")
    assert (item.brand, item.category) != (None, None)
    assert item.price > 0
    assert item.because_of in {f"p{i}" for i in trained_items(0)}
    other = bundle.shop.catalogue.products[bundle.shop.catalogue.index(item.because_of)].name
    assert other in item.reason_en
    assert other in item.reason_vi


def test_pitfall_10_a_model_is_served_with_its_own_ids_whatever_the_snapshot_says(tmp_path):
    """Another order of the products in the model, and products newer than the model."""
    installation = write_installation(tmp_path)
    before = shown(ask(load(installation), "u0", topk=8))
    write_model(installation, "als_20260131_v2", seed=2, reverse_products=True)
    assert shown(ask(load(installation, "als_20260131_v2"), "u0", topk=8)) == before
    write_snapshot(installation, n_extra_products=2)
    newer = load(installation)
    assert len(newer.shop.catalogue) == N_PRODUCTS + 2
    assert not newer.item_factors[-2:].any()
    assert shown(ask(newer, "u0", topk=8)) == before


def test_the_shop_is_read_again_only_when_it_has_changed(installation, bundle):
    again = load(installation, known=bundle)
    assert again.shop is bundle.shop
    assert again.loaded_at == NOW


def test_what_a_trained_user_did_since_the_training_still_counts_after_the_next_refresh(tmp_path):
    installation = write_installation(tmp_path)
    write_snapshot(installation, more_events=[("u0", 12)])
    bundle = load(installation)
    answer = ask(bundle, "u0", topk=100)
    assert answer.source == "fold_in"
    assert "p12" not in shown(answer)
    assert ask(bundle, "u1").source == "factors"


def test_a_damaged_snapshot_of_the_model_stops_no_reload(tmp_path):
    installation = write_installation(tmp_path)
    file = installation.snapshots.require_current().folder / INTERACTIONS
    content = bytearray(file.read_bytes())
    content[:64] = b"x" * 64
    content[-64:] = b"x" * 64
    write_snapshot(installation, more_events=[("u0", 12)])
    file.write_bytes(bytes(content))
    assert load(installation).model_id == NEW_MODEL


def test_without_the_models_snapshot_events_after_the_training_are_news(tmp_path):
    installation = write_installation(tmp_path)
    old = installation.snapshots.require_current().folder
    write_snapshot(installation, more_events=[("u0", 12)])
    shutil.rmtree(old)
    bundle = load(installation)
    assert bundle.users_with_news == frozenset()  # the event is not after the training
    installation = replace(installation, now=lambda: NOW)
    record = installation.registry.read().record(NEW_MODEL)
    before = {"trained_at_utc": (NOW - timedelta(days=1)).isoformat()}
    assert users_with_news(installation, record, before, bundle.shop) == {"u0"}


@pytest.mark.parametrize("user", ["u0", ONE_EVENT_USER, "nobody"])
def test_pitfall_39_a_list_is_made_without_looking_into_any_table(bundle, user, monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("a table was scanned for one answer")

    for name in ("filter", "select", "sort", "join", "group_by", "__getitem__", "iter_rows"):
        monkeypatch.setattr(pl.DataFrame, name, forbidden)
        if hasattr(pl.Series, name):
            monkeypatch.setattr(pl.Series, name, forbidden)
    assert ask(bundle, user).items


def test_who_looked_only_at_a_product_newer_than_the_model_gets_what_is_popular_of_its_category(
    tmp_path,
):
    installation = write_installation(tmp_path)
    write_snapshot(installation, n_extra_products=2)
    bundle = load(installation)
    view = Event(user_id="mới", product_id="p24", kind="view", at=NOW)
    bundle.fresh.add([view])
    answer = ask(bundle, "mới", topk=5)
    assert (answer.source, answer.is_fallback) == ("popularity", True)
    assert "Sữa rửa mặt" in answer.fallback_reason
    assert {item.category for item in answer.items} == {"Sữa rửa mặt"}
    assert "p24" not in shown(answer)
    # Once the category is used up, the list goes on with what else is popular.
    assert len(ask(bundle, "mới", topk=20).items) == 20
    bundle.fresh.add([view.model_copy(update={"product_id": "p2", "event_id": "p2"})])
    assert ask(bundle, "mới").source == "fold_in"


def test_a_batch_gives_each_user_the_list_of_a_request_of_its_own(bundle):
    users = ["u0", "nobody", ONE_EVENT_USER, "u5"]
    request = BatchRecommendRequest(user_ids=users, topk=6)
    batch = BatchRecommendResponse.model_validate_json(recommend_many(bundle, request))
    for user, one in zip(users, batch.results, strict=True):
        alone = ask(bundle, user, topk=6)
        assert shown(one) == shown(alone)
        for item, other in zip(one.items, alone.items, strict=True):
            assert item.score == pytest.approx(other.score, abs=1e-3)
            assert (item.reason, item.because_of) == (other.reason, other.because_of)
