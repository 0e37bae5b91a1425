from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from viecomrec.domain.events import Event, read_event
from viecomrec.errors import InputError

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
FIELDS = {"user_id": "u", "product_id": "p", "rating": 5, "at": "2026-01-01T08:00:00"}


def test_a_time_without_offset_is_local_time_of_the_shop_and_stored_in_utc():
    assert read_event(FIELDS, HANOI).at == datetime(2026, 1, 1, 1, tzinfo=UTC)
    zulu = read_event({**FIELDS, "at": "2026-01-01T08:00:00Z"}, HANOI)
    assert zulu.at == datetime(2026, 1, 1, 8, tzinfo=UTC)


def test_an_event_without_id_gets_one_from_its_content():
    first, again = read_event(FIELDS, HANOI), read_event(FIELDS, HANOI)
    other = read_event({**FIELDS, "rating": 4}, HANOI)
    assert first.event_id == again.event_id != other.event_id
    assert read_event({**FIELDS, "event_id": "mine"}, HANOI).event_id == "mine"


def test_a_line_of_json_reads_back_as_the_same_event():
    event = read_event({**FIELDS, "comment": "tốt\nlắm"}, HANOI)
    assert "\n" not in event.as_line()
    assert Event.model_validate_json(event.as_line()) == event


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"at": "hôm qua"}, "at is 'hôm qua'; write it as 2026"),
        ({"at": None}, "at must be ISO 8601"),
        ({"at": "0026-01-01"}, "year"),
        ({"rating": 0}, "rating: "),
        ({"rating": 9}, "rating: "),
        ({"rating": None}, "a review needs a rating"),
        ({"rating": float("nan")}, "rating: "),
        ({"user_id": " "}, "user_id: "),
        ({"user_id": "a\x00b"}, "user_id: "),
        ({"product_id": "p" * 200}, "product_id: "),
        ({"kind": "like"}, "kind: "),
        ({"stars": 5}, "stars: "),
    ],
)
def test_pitfall_19_a_wrong_event_is_refused_at_the_door_and_names_the_field(changed, message):
    with pytest.raises(InputError, match=message):
        read_event({**FIELDS, **changed}, HANOI)


@pytest.mark.parametrize("kind", ["purchase", "cart", "view"])
def test_other_kinds_need_no_rating(kind):
    assert read_event({**FIELDS, "kind": kind, "rating": None}, HANOI).rating is None
