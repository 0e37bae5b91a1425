"""Numbers and times as a reader of either language expects them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from viecomrec.service.console.formats import Formats
from viecomrec.service.console.words import Language

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
VI, EN = Formats(Language.VI, ZONE), Formats(Language.EN, ZONE)
NOW = datetime(2026, 1, 31, 20, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "digits", "vietnamese", "english"),
    [
        (1234567.891, 1, "1.234.567,9", "1,234,567.9"),
        (0, 0, "0", "0"),
        (-0.04, 1, "0,0", "0.0"),
        (-0.06, 1, "-0,1", "-0.1"),
        (None, 0, "-", "-"),
    ],
)
def test_numbers(value, digits, vietnamese, english):
    assert VI.number(value, digits) == vietnamese
    assert EN.number(value, digits) == english


def test_shares_have_their_unit():
    assert VI.share(0.957) == "95,7 %"
    assert EN.share(0.957) == "95.7 %"


def test_prices_are_vietnamese_in_both_languages():
    assert VI.vnd(189000.0) == EN.vnd(189000.0) == "189.000 ₫"


def test_an_instant_is_told_in_the_zone_of_the_shop_with_its_offset():
    assert VI.instant(NOW) == "01/02/2026 03:30 (UTC+7)"
    assert EN.instant("2026-01-31T20:30:00+00:00") == "01 Feb 2026 03:30 (UTC+7)"
    assert VI.instant(None) == "-"


@pytest.mark.parametrize(
    ("zone", "offset"),
    [("UTC", "UTC"), ("America/St_Johns", "UTC-3:30"), ("Asia/Kathmandu", "UTC+5:45")],
)
def test_every_zone_is_told_by_its_offset(zone, offset):
    assert Formats(Language.EN, ZoneInfo(zone)).instant(NOW).endswith(f"({offset})")


def test_text_without_offset_is_utc_and_local_text_is_in_the_zone():
    assert VI.instant("2026-01-31T20:30:00").startswith("01/02/2026 03:30")
    assert VI.local("2026-01-31T20:30:00").startswith("31/01/2026 20:30")


@pytest.mark.parametrize(
    ("seconds", "vietnamese", "english"),
    [
        (0.26, "0,3 s", "0.3 s"),
        (45, "45 s", "45 s"),
        (12 * 60, "12 phút", "12 min"),
        (3 * 3600, "3 giờ", "3 h"),
        (5 * 86_400, "5 ngày", "5 days"),
    ],
)
def test_durations(seconds, vietnamese, english):
    assert VI.duration(seconds) == vietnamese
    assert EN.duration(timedelta(seconds=seconds)) == english


def test_ages_look_back_and_ahead():
    assert VI.age(NOW - timedelta(minutes=12), NOW) == "12 phút trước"
    assert EN.age(NOW + timedelta(hours=3), NOW) == "in 3 h"
    assert EN.age(None, NOW) == "never"


def test_a_day_on_an_axis_is_a_day_of_the_zone_or_the_day_that_was_noted():
    assert VI.day(NOW) == "01/02/2026"
    assert EN.day("2026-01-31T20:30:00+00:00") == "01 Feb 2026"
    assert VI.day("2026-01-31") == "31/01/2026"
    assert VI.day(None) == "-"
