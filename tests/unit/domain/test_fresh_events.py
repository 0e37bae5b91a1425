from datetime import UTC, datetime, timedelta

from viecomrec.domain.erasure import ErasedUsers
from viecomrec.domain.events import Event
from viecomrec.domain.fresh_events import FreshEvents

START = datetime(2026, 1, 1, tzinfo=UTC)
WEIGHTS = {"review": 1.0, "purchase": 1.0, "cart": 0.5, "view": 0.2}
COLUMNS = {"a": 0, "b": 1}


def fresh(*events):
    memory = FreshEvents(WEIGHTS, 3.5)
    memory.add(events)
    return memory


def event(product, hours=0, **facts):
    facts = {"kind": "purchase", "user_id": "u"} | facts
    return Event(product_id=product, at=START + timedelta(hours=hours), **facts)


def test_a_history_is_oldest_first_and_of_known_products_only():
    history = fresh(event("b", 2), event("x", 1), event("a", 0)).history("u", COLUMNS)
    assert history.items.tolist() == [0, 1]


def test_confidence_is_rating_and_quality_or_the_weight_of_the_kind():
    history = fresh(event("a", 0, kind="review", rating=4), event("b", 1, kind="cart")).history(
        "u", COLUMNS
    )
    assert history.confidences.tolist() == [4.5, 1.75]


def test_the_same_id_twice_counts_once():
    memory = fresh(event("a"))
    assert memory.add([event("a"), event("b")]) == 1
    assert len(memory) == 2


def test_a_new_snapshot_leaves_only_what_still_waits():
    memory = fresh(event("a"), event("b", 1))
    anew = memory.emptied()
    anew.add([event("b", 1)])
    memory.take_over(anew)
    assert memory.history("u", COLUMNS).items.tolist() == [1]
    assert len(memory) == 1


def test_what_a_person_did_before_being_erased_is_not_known():
    memory = fresh(event("a", 0), event("b", 5))
    nobody = ErasedUsers("salt", {})
    memory.erased = ErasedUsers("salt", {nobody.name("u"): START + timedelta(hours=1)})
    assert memory.history("u", COLUMNS).items.tolist() == [1]


def test_the_latest_event_comes_first_in_the_list_of_all():
    assert [one.product_id for one in fresh(event("a"), event("b", 1)).all()] == ["b", "a"]
