"""Filters, weights, rules, similar products and search, asked over HTTP."""

import json

import pytest
from installation import (
    BRANDS,
    N_PRODUCTS,
    OUT_OF_CATALOGUE,
    OUT_OF_STOCK,
    VARIANTS,
    trained_items,
    write_installation,
)
from server import AUTHORISED, running_service
from waiting import wait_for


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    write_installation(folder)
    with running_service(folder) as client:
        client.headers.update(AUTHORISED)
        yield client


def ask(client, path="/recommend", **fields):
    answer = client.post(path, json=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def products(items):
    return [item["product_id"] for item in items]


def test_filters_act_before_the_cut_so_that_the_list_is_as_long_as_the_catalogue_allows(client):
    items = ask(client, user_id="u0", topk=100, filter_params={"brand": BRANDS[0]})
    expected = {f"p{row}" for row in range(0, N_PRODUCTS, 3) if row not in trained_items(0)} - {
        OUT_OF_CATALOGUE,
        OUT_OF_STOCK,
        *VARIANTS,
    }
    assert {item["brand"] for item in items} == {BRANDS[0]}
    assert expected <= set(products(items))


def test_pitfall_12_an_unknown_brand_gives_an_empty_list(client):
    assert ask(client, user_id="u0", filter_params={"brand": "no such brand"}) == []
    assert ask(client, user_id="u0", filter_params={"category": ["no such"]}) == []


def test_brands_are_compared_without_case_and_several_mean_any(client):
    one = ask(client, user_id="u0", topk=100, filter_params={"brand": BRANDS[0].upper()})
    both = ask(client, user_id="u0", topk=100, filter_params={"brand": list(BRANDS[:2])})
    assert {item["brand"] for item in one} == {BRANDS[0]}
    assert {item["brand"] for item in both} == set(BRANDS[:2])


def test_price_and_stock_filters_hold(client):
    items = ask(
        client,
        user_id="u0",
        topk=100,
        filter_params={"min_price": 150_000, "max_price": 200_000},
    )
    assert items
    assert all(150_000 <= item["price"] <= 200_000 for item in items)
    assert products(ask(client, user_id="u0", filter_params={"in_stock": False})) == [OUT_OF_STOCK]


@pytest.mark.parametrize(
    "wrong",
    [
        {"filter_params": {"colour": "red"}},
        {"filter_params": {"min_price": 2, "max_price": 1}},
        {"rerank_weights": {"cf": -1}},
        {"rerank_weights": {"cf": 0}},
        {"rerank_weights": {"magic": 1}},
        {"rerank": "yes"},
    ],
)
def test_a_wrong_filter_or_weight_is_refused(client, wrong):
    assert client.post("/recommend", json={"user_id": "u0", **wrong}).status_code == 422


def test_nan_is_no_weight(client):
    body = b'{"user_id": "u0", "rerank_weights": {"cf": NaN}}'
    assert client.post("/recommend", content=body).status_code == 422


@pytest.mark.parametrize("signal", ["cf", "content", "popularity", "quality"])
def test_a_weight_of_one_signal_orders_by_that_signal_alone(client, signal):
    items = ask(client, user_id="u0", topk=10, rerank_weights={signal: 0.3})
    values = [item["signals"][signal] for item in items]
    assert values == sorted(values, reverse=True)
    assert [item["score"] for item in items] == pytest.approx(values, abs=2e-3)


@pytest.mark.parametrize("signal", ["cf", "content", "popularity", "quality"])
def test_pitfall_13_each_signal_varies_over_the_catalogue(client, signal):
    items = ask(client, user_id="u0", topk=100, exclude_seen=False)
    values = [item["signals"][signal] for item in items]
    assert len(set(values)) > 2
    assert max(values) - min(values) > 1


def test_weights_of_a_request_are_divided_by_their_sum(client):
    small = ask(client, user_id="u0", rerank_weights={"cf": 0.2, "content": 0.1})
    large = ask(client, user_id="u0", rerank_weights={"cf": 20, "content": 10})
    assert small == large


def test_without_rerank_behaviour_alone_counts(client):
    alone = ask(client, user_id="u0", rerank=False)
    assert alone == ask(client, user_id="u0", rerank_weights={"cf": 1})


def test_every_item_carries_what_a_shop_shows(client):
    for item in ask(client, user_id="u0"):
        assert set(item) == {
            *("rank", "product_id", "score", "name", "brand", "category", "price", "rating"),
            *("sold", "signals", "reason", "reason_en", "reason_vi", "because_of"),
        }


def test_a_batch_answers_each_user_as_a_request_of_its_own(client):
    users = ["u0", "nobody", "u1", 7]
    answer = client.post("/batch_recommend", json={"user_ids": users, "topk": 4}).json()
    assert [one["user_id"] for one in answer["results"]] == ["u0", "nobody", "u1", "7"]
    for user, one in zip(users, answer["results"], strict=True):
        alone = client.post("/recommend", json={"user_id": user, "topk": 4}).json()
        assert products(one["items"]) == products(alone["items"])
        assert one["is_fallback"] == alone["is_fallback"]


@pytest.mark.parametrize("n_users", [0, 1001])
def test_a_batch_has_1_to_1000_users(client, n_users):
    body = {"user_ids": [str(number) for number in range(n_users)]}
    assert client.post("/batch_recommend", json=body).status_code == 422


@pytest.mark.parametrize("by", ["behaviour", "text", "both"])
def test_similar_items_are_of_the_same_kind_and_not_the_product_itself(client, by):
    items = ask(client, "/similar_items", product_id="p2", by=by, topk=4)
    assert all(int(product[1:]) % 2 == 0 for product in products(items))
    assert "p2" not in products(items)


@pytest.mark.parametrize("path", ["/similar_items", "/search/similar"])
def test_a_product_that_does_not_exist_is_404(client, path):
    answer = client.post(path, json={"product_id": "p999"})
    assert answer.status_code == 404
    assert "p999" in answer.json()["detail"]


@pytest.mark.parametrize(
    "query",
    ["sữa rửa mặt", "sua rua mat", "srm", "SRM", "sữa rữa mặt", "sua rua matt", "sữa_rửa_mặt"],
)
def test_search_finds_a_cleanser_however_it_is_typed(client, query):
    items = ask(client, "/search", query=query, topk=5)
    assert len(items) == 5
    assert all(item["name"].startswith("Sữa rửa mặt") for item in items)


def test_search_knows_brands_with_a_typing_error_and_filters(client):
    items = ask(client, "/search", query="kcn cocon", topk=2, filter_params={"max_price": 200_000})
    assert {item["brand"] for item in items} == {"Cocoon"}
    assert all(item["name"].startswith("Kem chống nắng") for item in items)
    assert all(item["price"] <= 200_000 for item in items)


@pytest.mark.parametrize("query", ["xyzzyx qwerty", "!!!", "\U0001d54f" * 20])
def test_a_query_that_means_nothing_finds_nothing(client, query):
    assert ask(client, "/search", query=query) == []


def test_search_by_profile_and_by_one_product(client):
    for path, fields in (
        ("/search/profile", {"product_ids": ["p2", "p4"]}),
        ("/search/profile", {"user_id": "u0"}),
        ("/search/similar", {"product_id": "p2"}),
    ):
        items = ask(client, path, topk=4, **fields)
        assert len(items) == 4
        assert all(int(product[1:]) % 2 == 0 for product in products(items))


def test_filters_say_what_the_catalogue_offers(client):
    filters = client.get("/search/filters").json()
    assert filters["brands"] == sorted(BRANDS)
    assert filters["has_stock"] is True
    assert filters["n_products"] == N_PRODUCTS - 1


def test_a_filter_that_this_catalogue_lacks_is_named(tmp_path):
    write_installation(tmp_path, without=("brand", "in_stock"))
    with running_service(tmp_path) as client:
        for field, value in (("brand", "Cocoon"), ("in_stock", True)):
            body = {"user_id": "u0", "filter_params": {field: value}}
            answer = client.post("/recommend", json=body)
            assert answer.status_code == 422
            assert f"no {field}" in answer.json()["detail"]


def test_the_shops_rules_hold_and_change_without_a_restart(tmp_path):
    write_installation(tmp_path)
    rules = tmp_path / "config" / "ranking.json"
    rules.write_text(json.dumps({"pinned": ["p20"], "excluded": ["p6"]}), encoding="utf-8")
    with running_service(tmp_path) as client:
        items = ask(client, user_id="u1", topk=100)
        assert products(items)[0] == "p20"
        assert items[0]["reason"] == "pinned"
        assert "p6" not in products(items)
        rules.write_text(json.dumps({"out_of_stock": "show"}), encoding="utf-8")
        wait_for(lambda: products(ask(client, user_id="u1", topk=100))[0] != "p20")
        assert OUT_OF_STOCK in products(ask(client, user_id="nobody", topk=100))
        rules.write_text('{"pined": []}', encoding="utf-8")
        wait_for(lambda: client.get("/health").json()["status"] == "degraded")
        assert "pined" in client.get("/health").json()["reason"]
        assert OUT_OF_STOCK in products(ask(client, user_id="nobody", topk=100))
