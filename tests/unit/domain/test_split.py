"""Whole events are held out; nothing of one, and nothing later, trains."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from viecomrec.domain.confidence import ConfidenceRule
from viecomrec.domain.interactions import INTERACTION_SCHEMA, resolve
from viecomrec.domain.matrices import build_matrices
from viecomrec.domain.snapshot_content import (
    IndexedRows,
    IndexSpace,
    SnapshotRules,
    index_rows,
    index_space,
    survey,
    weigh,
)
from viecomrec.domain.split import is_validation_user

RULES = SnapshotRules(
    ConfidenceRule(4, 3.0, 0.5, {"review": 1.0, "purchase": 1.0, "cart": 0.5, "view": 0.2}),
    2,
    30,
    "UTC",
)
START = datetime(2025, 1, 1, tzinfo=UTC)
N_PRODUCTS = 6


def interaction(user, product, day, rating=5.0, text=0, number=0):
    at = START + timedelta(days=day)
    return {
        "event_id": f"e-{user}-{product}-{day}-{number}",
        "group_id": f"{user}@{int(at.timestamp())}",
        "user_id": user,
        "product_id": f"p{product}",
        "at": at,
        "kind": "review",
        "rating": rating,
        "comment_quality": 0.5,
        "text_id": text,
    }


@dataclass(frozen=True)
class Content:
    space: IndexSpace
    indexed: IndexedRows

    @property
    def interactions(self):
        return self.indexed.interactions

    @property
    def held_out(self):
        return self.indexed.held_out

    @property
    def matrices(self):
        n_users, n_items = self.space.users.height, self.products.height
        return build_matrices(self.indexed.cells, n_users, n_items)

    @property
    def products(self):
        return self.space.products


def content(rows):
    products = pl.DataFrame({"product_id": [f"p{n}" for n in range(N_PRODUCTS)]}).with_columns(
        in_catalogue=pl.lit(value=True)
    )
    rows = weigh(resolve(pl.DataFrame(rows, schema=INTERACTION_SCHEMA)), RULES)
    space = index_space([survey(rows, RULES)], products)
    return Content(space, index_rows(rows, space, RULES))


def parts(rows):
    frame = content(rows).interactions.sort("at", "product_id")
    return ["held" if part in {"validation", "test"} else part for part in frame["part"]]


def targets(rows):
    return content(rows).held_out["item_index"].to_list()


def test_the_last_positive_event_is_held_out_whole():
    rows = [interaction("u", 0, 1), interaction("u", 1, 2), interaction("u", 2, 2)]
    assert parts(rows) == ["train", "held", "held"]
    assert targets(rows) == [1, 2]


def test_what_came_after_the_held_out_event_is_left_out():
    rows = [interaction("u", 0, 1), interaction("u", 1, 2), interaction("u", 2, 3, rating=1.0)]
    assert parts(rows) == ["train", "held", "later"]
    assert targets(rows) == [1]


def test_users_whose_only_event_is_one_order_train_and_are_not_scored():
    rows = [interaction("u", 0, 1), interaction("u", 1, 1)]
    assert parts(rows) == ["train", "train"]
    assert targets(rows) == []


def test_a_user_of_one_product_is_cold():
    assert parts([interaction("u", 0, 1), interaction("u", 0, 2)]) == ["cold", "cold"]


def test_a_user_without_a_positive_event_is_cold():
    rows = [interaction("u", 0, 1, rating=3.0), interaction("u", 1, 2, rating=1.0)]
    assert parts(rows) == ["cold", "cold"]


def test_a_repeat_purchase_is_no_target():
    rows = [interaction("u", 0, 1), interaction("u", 1, 2), interaction("u", 0, 3)]
    assert parts(rows) == ["train", "held", "later"]
    assert targets(rows) == [1]


def test_the_first_event_of_a_user_is_never_held_out():
    rows = [interaction("u", 0, 1), interaction("u", 1, 2, rating=2.0)]
    assert parts(rows) == ["train", "train"]


def test_a_disliked_product_of_a_held_out_event_is_no_target():
    rows = [interaction("u", 0, 1), interaction("u", 1, 2), interaction("u", 2, 2, rating=1.0)]
    assert parts(rows) == ["train", "held", "held"]
    assert targets(rows) == [1]


def test_pitfall_16_variants_under_one_review_count_once():
    rows = [interaction("u", 0, 1), *(interaction("u", n, 2, text=77) for n in (3, 2, 1))]
    assert targets(rows) == [1]


def test_empty_text_never_makes_different_products_variants():
    rows = [interaction("u", 0, 1), *(interaction("u", n, 2, text=0) for n in (1, 2))]
    assert targets(rows) == [1, 2]


def test_a_review_that_repeats_a_known_product_brings_nothing_new_with_its_variants():
    rows = [interaction("u", 0, 1, text=5), *(interaction("u", n, 2, text=6) for n in (0, 1))]
    assert targets(rows) == []


def test_validation_is_a_fixed_property_of_about_thirty_percent_of_the_users():
    chosen = [is_validation_user(f"user {n}", 30) for n in range(4000)]
    assert 0.27 < sum(chosen) / 4000 < 0.33
    assert chosen == [is_validation_user(f"user {n}", 30) for n in range(4000)]


histories = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, N_PRODUCTS - 1),
        st.integers(0, 8),
        st.sampled_from([1.0, 3.0, 4.0, 5.0]),
        st.sampled_from([0, 0, 1, 2]),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=60)
@given(histories)
def test_pitfall_06_no_row_of_a_held_out_event_and_nothing_later_is_in_training(history):
    built = content(
        [interaction(u, p, day, r, text, n) for n, (u, p, day, r, text) in enumerate(history)]
    )
    rows = built.interactions
    for user in rows["user_id"].unique():
        own = rows.filter(user_id=user)
        held = own.filter(pl.col("part").is_in(["validation", "test"]))
        train = own.filter(part="train")
        assert held["group_id"].n_unique() <= 1
        assert held["part"].n_unique() <= 1
        if held.height:
            assert not train.is_empty()
            assert train["at"].max() < held["at"].min()
            assert not set(train["group_id"]) & set(held["group_id"])
            later = own.filter(part="later")["at"].min()
            assert later is None or later > held["at"].max()
    held_pairs = set(built.held_out.select("user_index", "item_index").iter_rows())
    assert len(held_pairs) == built.held_out.height
    assert not held_pairs & set(zip(*built.matrices.confidence.nonzero(), strict=True))
