"""Whom the demo asks for, and how it says what it found."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from viecomrec.domain import demo
from viecomrec.domain.demo import Step, StepReport

START = datetime(2026, 1, 1, tzinfo=UTC)

PRODUCTS = pl.DataFrame(
    {
        "product_id": ["p1", "p2", "p3", "p4"],
        "name": ["Sữa rửa mặt 100ml", "Sữa rửa mặt 200ml", "Toner", "Kem"],
        "variant_group": ["p1", "p1", "p3", "p4"],
    }
)


def interactions(*rows):
    """Rows of (user, product, trainable row or None); each a day after the one before."""
    return pl.DataFrame(
        [
            {
                "user_id": user,
                "product_id": product,
                "user_index": index,
                "at": START + timedelta(days=day),
                "is_positive": positive,
            }
            for day, (user, product, index, positive) in enumerate(rows)
        ],
        schema={
            "user_id": pl.String,
            "product_id": pl.String,
            "user_index": pl.Int32,
            "at": pl.Datetime("us", "UTC"),
            "is_positive": pl.Boolean,
        },
    )


def test_it_asks_for_a_regular_a_single_and_an_unknown_customer():
    customers = demo.choose_customers(
        interactions(
            ("few", "p1", 0, True),
            ("few", "p3", 0, True),
            ("many", "p4", 1, True),
            ("many", "p3", 1, True),
            ("many", "p1", 1, True),
            ("once", "p4", None, True),
        ),
        PRODUCTS,
    )
    assert [one.user_id for one in customers] == ["many", "once", demo.UNKNOWN_USER]
    assert list(customers[0].bought) == ["p4", "p3", "p1"]
    assert customers[1].bought == {"p4": "Kem"}
    assert customers[2].bought == {}


def test_variants_of_one_product_are_one_product():
    customers = demo.choose_customers(
        interactions(
            ("variants", "p1", 0, True),
            ("variants", "p2", 0, True),
            ("variants", "p3", 0, True),
        ),
        PRODUCTS,
    )
    assert customers[0].bought == {"p1": "Sữa rửa mặt 100ml", "p3": "Toner"}


def test_what_somebody_disliked_is_not_what_they_bought_it_for():
    customers = demo.choose_customers(
        interactions(("one", "p1", None, True), ("one", "p3", None, False)), PRODUCTS
    )
    assert customers[0].bought == {"p1": "Sữa rửa mặt 100ml"}


def test_without_data_only_the_unknown_customer_is_left():
    assert [one.user_id for one in demo.choose_customers(interactions(), PRODUCTS)] == [
        demo.UNKNOWN_USER
    ]


def test_the_choice_does_not_depend_on_the_order_of_rows():
    rows = interactions(
        *[(f"u{user}", product, user, True) for user in range(9) for product in ("p1", "p3")]
    )
    shuffled = rows.sample(fraction=1.0, shuffle=True, seed=3)
    assert demo.choose_customers(rows, PRODUCTS) == demo.choose_customers(shuffled, PRODUCTS)


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (189_000.0, "189.000 ₫"),
        (1_249_000.0, "1.249.000 ₫"),
        (5_000, "5.000 ₫"),
        (0.0, "0 ₫"),
        (None, "-"),
    ],
)
def test_prices_are_written_as_in_vietnam(price, text):
    assert demo.format_vnd(price) == text


def test_training_is_described_by_the_chosen_model_not_by_the_first():
    result = {
        "current_best": "als_20260101_v2",
        "models": {
            "als_20260101_v1": {"recall@10": 0.1, "popularity_recall@10": 0.2},
            "als_20260101_v2": {"recall@10": 0.3051, "popularity_recall@10": 0.1812},
        },
    }
    assert demo.describe_training(result) == (
        "als_20260101_v2: Recall@10 0.305 on held-out orders, popularity alone 0.181"
    )


def test_training_without_a_new_champion_keeps_its_own_words():
    result = {"message": "No new data", "current_best": "als_20260101_v1", "models": {}}
    assert demo.describe_training(result) == "No new data"


def test_a_reason_names_a_bought_product_by_its_letter():
    bought = {"p3": "Toner", "p1": "Sữa rửa mặt"}
    sentence = "4 khách hàng đã chọn Sữa rửa mặt cũng chọn sản phẩm này"
    assert demo.compact_reason(sentence, "p1", bought) == (
        "4 khách hàng đã chọn [b] cũng chọn sản phẩm này"
    )


@pytest.mark.parametrize("because_of", [None, "p9"])
def test_a_reason_without_a_bought_product_stays_as_it_is(because_of):
    assert demo.compact_reason("Popular", because_of, {"p1": "x"}) == "Popular"


def reports(**unchanged):
    return [StepReport(step, "", 1.0, unchanged.get(step.name, True)) for step in demo.REPEATABLE]


def test_nothing_changed_only_if_no_step_found_anything_new():
    assert demo.is_unchanged(reports())
    for step in demo.REPEATABLE:
        assert not demo.is_unchanged(reports(**{step.name: False}))


def test_asking_and_checking_are_no_changes():
    assert demo.is_unchanged([*reports(), StepReport(Step.ASK, "", 1.0, is_unchanged=False)])


def test_steps_count_from_one():
    assert [step.number for step in Step] == list(range(1, len(Step) + 1))
