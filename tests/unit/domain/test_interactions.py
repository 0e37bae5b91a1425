from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from tests.unit.domain.test_split import content, interaction
from viecomrec.domain.checks import ROW_SCHEMA
from viecomrec.domain.interactions import INTERACTION_SCHEMA, identify, resolve

AT = datetime(2025, 1, 1, tzinfo=UTC)


def row(**changed):
    return {
        "source": "s",
        "row": 2,
        "event_id": None,
        "user_id": "u",
        "product_id": "p",
        "kind": "review",
        "rating": 5.0,
        "at": AT,
        "comment": "tốt",
        **changed,
    }


def identified(*rows):
    return identify(pl.DataFrame(rows, schema=ROW_SCHEMA))


def test_the_same_review_from_two_sources_has_one_id():
    in_api = row(at=AT + timedelta(milliseconds=700))
    assert identified(row(), in_api)["event_id"].n_unique() == 1


@pytest.mark.parametrize(
    "other", [{"user_id": "v"}, {"product_id": "q"}, {"at": AT + timedelta(seconds=1)},
              {"comment": "tệ"}],
)  # fmt: skip
def test_another_user_product_second_or_text_has_another_id(other):
    assert identified(row(), row(**other))["event_id"].n_unique() == 2


def test_the_id_is_stable_across_versions():
    assert identified(row())["event_id"][0] == "BY6eCZndFMRd"


def test_an_id_of_its_own_is_kept():
    assert identified(row(event_id="e1"))["event_id"].to_list() == ["e1"]


def test_rows_of_one_user_and_second_are_one_event_and_empty_text_has_no_identity():
    rows = identified(row(product_id="q", comment=""), row(at=AT + timedelta(milliseconds=1)))
    rows = rows.with_columns(comment_quality=pl.lit(0.5))
    assert resolve(rows)["group_id"].n_unique() == 1
    assert rows["text_id"].to_list()[0] == 0
    assert rows["text_id"].to_list()[1] != 0


def resolved(*rows):
    frame = pl.DataFrame(rows, schema=INTERACTION_SCHEMA)
    return resolve(frame).select("kind", "rating").rows()


def test_a_rating_beats_a_purchase_and_a_purchase_beats_a_view_of_the_same_event():
    rated = interaction("u", 0, 1, rating=2.0)
    bought = interaction("u", 0, 1, rating=None, number=1) | {"kind": "purchase"}
    viewed = interaction("u", 0, 1, rating=None, number=2) | {"kind": "view"}
    assert resolved(viewed, bought, rated) == [("review", 2.0)]
    assert resolved(viewed, bought) == [("purchase", None)]


def test_the_order_of_the_rows_does_not_matter():
    rows = [interaction("u", 0, 1, rating=float(n + 1), number=n) for n in range(4)]
    assert resolved(*rows) == resolved(*reversed(rows))


def test_a_newer_review_corrects_the_older_one_and_a_later_view_corrects_nothing():
    viewed = interaction("u", 0, 4, rating=None) | {"kind": "view"}
    rows = [
        interaction("u", 0, 1, rating=5.0),
        interaction("u", 0, 2, rating=1.0),
        viewed,
        interaction("u", 1, 1),
    ]
    built = content(rows)
    assert built.interactions.filter(part="train").height == 4
    assert built.matrices.confidence.toarray()[0, 0] == pytest.approx(1.5)
    assert built.matrices.binary.toarray()[0, :2].tolist() == [0.0, 1.0]
