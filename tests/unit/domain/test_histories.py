import numpy as np

from viecomrec.domain.histories import Histories, History
from viecomrec.domain.user_lookup import UserLookup

HISTORIES = Histories(
    users=UserLookup.build(["an", "bình", "chi"]),
    offsets=np.array([0, 3, 4, 6]),
    items=np.array([0, 2, 0, 1, 2, 0], dtype=np.int32),
    confidences=np.array([6, 2, 3, 4, 5, 6], dtype=np.float32),
    strengths=np.array([3, 3, 3, 3, 3, 3], dtype=np.int8),
)


def test_a_user_gets_exactly_the_own_events_in_order():
    history = HISTORIES.of("bình")
    assert (history.items.tolist(), history.confidences.tolist()) == ([1], [4.0])
    assert HISTORIES.of("chi").items.tolist() == [2, 0]


def test_an_unknown_user_has_an_empty_history():
    assert len(HISTORIES.of("dũng")) == 0
    assert "dũng" not in HISTORIES


def test_where_the_events_of_many_users_stand():
    starts, ends = HISTORIES.events_of_all(["chi", "dũng", "an"])
    places = [slice(*pair) for pair in zip(starts.tolist(), ends.tolist(), strict=True)]
    assert places == [HISTORIES.events_of(user) for user in ("chi", "dũng", "an")]


def history(items, confidences, strengths):
    return History(
        np.array(items, dtype=np.int32),
        np.array(confidences, dtype=np.float32),
        np.array(strengths, dtype=np.int8),
    )


def test_a_newer_review_corrects_an_older_one():
    resolved = HISTORIES.of("an").resolved(np.arange(3))
    assert (resolved.items.tolist(), resolved.confidences.tolist()) == ([0, 2], [3.0, 2.0])


def test_a_later_view_corrects_no_purchase():
    viewed_after = history([1, 0, 1], [3.5, 5.0, 0.7], [2, 3, 0]).resolved(np.arange(3))
    assert viewed_after.confidences.tolist() == [3.5, 5.0]


def test_later_events_follow_the_earlier_ones():
    later = history([1], [0.5], [0])
    assert HISTORIES.of("bình").and_then(later).items.tolist() == [1, 1]


def test_pitfall_16_variants_of_one_product_count_as_one():
    """A review that is repeated on the pages of a product is one interaction with it."""
    variants = np.array([0, 1, 0])
    resolved = HISTORIES.of("chi").resolved(variants)
    assert (resolved.items.tolist(), resolved.confidences.tolist()) == ([2], [6.0])
