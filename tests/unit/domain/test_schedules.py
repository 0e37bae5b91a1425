"""When jobs are due: examples from the guide, and laws over every zone of the IANA database."""

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger
from hypothesis import given, settings
from hypothesis import strategies as st

from viecomrec.domain.schedules import due_between, next_occurrences, parse_schedule
from viecomrec.errors import ConfigurationError

NEW_YORK = ZoneInfo("America/New_York")
SAIGON = ZoneInfo("Asia/Ho_Chi_Minh")
ZONES = sorted(zoneinfo.available_timezones() - {"localtime"})

zones = st.sampled_from(ZONES).map(ZoneInfo)
days = st.dates(date(2000, 1, 1), date(2037, 12, 25))
instants = days.map(lambda day: datetime(day.year, day.month, day.day, 13, 7, tzinfo=UTC))


def schedule(**fields):
    return parse_schedule(fields, "test")


def local_times(occurrences, zone):
    return [one.nominal_utc.astimezone(zone).strftime("%m-%d %H:%M%z") for one in occurrences]


def between(fields, zone, first, last):
    after, until = (datetime.fromisoformat(one).replace(tzinfo=zone) for one in (first, last))
    return local_times(due_between(schedule(**fields), zone, after, until), zone)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"hour": 2, "minute": 0}, "01-31 02:00+0700"),
        ({"day_of_week": "tue", "hour": 3, "minute": 0}, "02-03 03:00+0700"),
        ({"day_of_week": "mon", "hour": 9, "minute": 0}, "02-02 09:00+0700"),
        ({"day_of_week": "sun", "hour": 3, "minute": 0}, "02-01 03:00+0700"),
        ({"hour": 5, "minute": 0}, "01-30 05:00+0700"),
        ({"minute": 0}, "01-30 04:00+0700"),
        ({"day": 1, "hour": 4, "minute": 0}, "02-01 04:00+0700"),
    ],
)
def test_the_guides_schedules_are_due_in_the_shops_zone(fields, expected):
    friday = datetime(2026, 1, 30, 3, 30, tzinfo=SAIGON)
    assert local_times(next_occurrences(schedule(**fields), SAIGON, friday, 1), SAIGON) == [
        expected
    ]


def test_an_occurrence_is_due_at_its_instant_and_not_after_it():
    at = datetime(2026, 1, 30, 2, 0, tzinfo=SAIGON)
    daily = schedule(hour=2)
    assert len(due_between(daily, SAIGON, at - timedelta(microseconds=1), at)) == 1
    assert due_between(daily, SAIGON, at, at + timedelta(hours=1)) == []
    assert due_between(daily, SAIGON, at, at - timedelta(days=3)) == []


def test_a_fixed_time_inside_the_gap_of_spring_is_due_when_the_gap_ends():
    times = between({"hour": 2, "minute": 30}, NEW_YORK, "2026-03-07", "2026-03-10")
    assert times == ["03-07 02:30-0500", "03-08 03:00-0400", "03-09 02:30-0400"]


def test_a_fixed_time_repeated_in_autumn_is_due_the_first_time_only():
    times = between({"hour": 1, "minute": 30}, NEW_YORK, "2026-10-31", "2026-11-03")
    assert times == ["10-31 01:30-0400", "11-01 01:30-0400", "11-02 01:30-0500"]


def test_an_hourly_job_runs_in_both_repeated_hours_and_not_in_the_skipped_one():
    spring = between({"minute": 0}, NEW_YORK, "2026-03-08T00:30", "2026-03-08T04:30")
    assert spring == ["03-08 01:00-0500", "03-08 03:00-0400", "03-08 04:00-0400"]
    autumn = between({"minute": 0}, NEW_YORK, "2026-11-01T00:30", "2026-11-01T02:30")
    assert autumn == ["11-01 01:00-0400", "11-01 01:00-0500", "11-01 02:00-0500"]


def test_a_day_that_a_zone_skipped_has_no_run():
    apia = ZoneInfo("Pacific/Apia")
    times = between({"hour": 2}, apia, "2011-12-29", "2012-01-01")
    assert times == ["12-29 02:00-1000", "12-31 02:00+1400"]


def test_two_times_inside_one_gap_are_one_run():
    times = between({"hour": 2, "minute": "0,30"}, NEW_YORK, "2026-03-08", "2026-03-08T12:00")
    assert times == ["03-08 03:00-0400"]


def test_a_run_on_29_february_waits_for_the_next_leap_year():
    found = next_occurrences(schedule(month=2, day=29), SAIGON, datetime(2026, 1, 1, tzinfo=UTC), 2)
    assert [one.nominal_day for one in found] == [date(2028, 2, 29), date(2032, 2, 29)]


def exists(day, zone):
    """Whether the zone had any instant of this local day."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=zone)
    return noon.astimezone(UTC).astimezone(zone).date() == day


@settings(max_examples=400)
@given(zone=zones, first=days, hour=st.integers(0, 23), minute=st.integers(0, 59))
def test_a_fixed_time_is_due_exactly_once_per_nominal_day_in_every_zone(zone, first, hour, minute):
    wanted = [first + timedelta(days=n) for n in range(6)]
    after = datetime(first.year, first.month, first.day, tzinfo=UTC) - timedelta(days=2)
    found = due_between(schedule(hour=hour, minute=minute), zone, after, after + timedelta(days=12))
    by_day = [one.nominal_day for one in found]
    for day in wanted:
        assert by_day.count(day) == exists(day, zone), (zone.key, day)


TRANSITIONS = [
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Australia/Lord_Howe", "2026-10-04"),
    ("Africa/Cairo", "2026-04-24"),
    ("America/Sao_Paulo", "2018-11-04"),
    ("America/Havana", "2026-03-08"),
    ("Asia/Beirut", "2026-03-29"),
    ("America/Nuuk", "2024-03-30"),
    ("Asia/Pyongyang", "2018-05-04"),
    ("Pacific/Apia", "2011-12-29"),
    ("Asia/Kathmandu", "2026-01-01"),
    ("America/Caracas", "2016-05-01"),
]


@pytest.mark.parametrize(("key", "day"), TRANSITIONS)
def test_every_minute_of_a_day_with_a_change_is_due_exactly_once(key, day):
    zone, first = ZoneInfo(key), date.fromisoformat(day)
    after = datetime(first.year, first.month, first.day, tzinfo=UTC) - timedelta(days=2)
    for minute_of_day in range(0, 24 * 60, 10):
        fields = {"hour": minute_of_day // 60, "minute": minute_of_day % 60}
        found = due_between(schedule(**fields), zone, after, after + timedelta(days=6))
        counts = [one.nominal_day for one in found]
        for offset in range(3):
            wanted = first + timedelta(days=offset)
            assert counts.count(wanted) == exists(wanted, zone)


fields = st.fixed_dictionaries(
    {},
    optional={
        "month": st.sampled_from([1, 6, "*", "1-6", "*/5"]),
        "day": st.sampled_from([1, 15, 28, "*", "1,15", "10-20"]),
        "day_of_week": st.sampled_from(["mon", "sun", "*", "mon-fri", "tue,sat"]),
        "hour": st.sampled_from([0, 2, 23, "*", "*/6", "1-3", "9,17"]),
        "minute": st.sampled_from([0, 30, 59, "*/15", "5,35"]),
    },
).filter(bool)


@settings(max_examples=200)
@given(fields=fields, zone=zones, after=instants)
def test_due_times_rise_strictly_and_splitting_a_span_changes_nothing(fields, zone, after):
    one = schedule(**fields)
    until, middle = after + timedelta(days=4), after + timedelta(days=1.7)
    found = due_between(one, zone, after, until)
    times = [each.nominal_utc for each in found]
    assert times == sorted(set(times))
    assert all(after < each <= until for each in times)
    assert due_between(one, zone, after, middle) + due_between(one, zone, middle, until) == found


@settings(max_examples=100)
@given(fields=fields, zone=zones, after=instants)
def test_the_search_for_the_next_time_ends_and_agrees_with_the_span(fields, zone, after):
    one = schedule(**fields)
    found = next_occurrences(one, zone, after, 3)
    assert len(found) == 3
    assert due_between(one, zone, after, found[-1].nominal_utc) == found


@settings(max_examples=200)
@given(fields=fields, after=instants)
def test_where_no_clock_changes_the_times_are_those_of_apscheduler(fields, after):
    trigger = CronTrigger(**fields, timezone=UTC)
    expected, previous = [], after
    for _ in range(4):
        previous = trigger.get_next_fire_time(previous, previous + timedelta(microseconds=1))
        expected.append(previous)
    utc = ZoneInfo("UTC")
    found = next_occurrences(schedule(**fields), utc, after, 4)
    assert [one.nominal_utc for one in found] == expected


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"day_of_week": 7}, r"day_of_week is 7; allowed are the names mon, tue, .*sun"),
        ({"day_of_week": 0}, "day_of_week is 0"),
        ({"day_of_week": "thursday"}, "day_of_week is 'thursday'"),
        ({"day_of_week": "xyz"}, "day_of_week is 'xyz'"),
        ({"day_of_week": "sat-mon"}, "day_of_week is 'sat-mon'"),
        ({"minute": 61}, "minute is 61; allowed are 0 to 59"),
        ({"minute": -1}, "minute is -1"),
        ({"minute": True}, "minute is True"),
        ({"minute": 1.5}, "minute is 1.5"),
        ({"minute": None}, "minute is None"),
        ({"minute": ""}, "minute is ''"),
        ({"minute": "*/0"}, r"minute is '\*/0'"),
        ({"minute": "5-"}, "minute is '5-'"),
        ({"minute": "٣"}, "minute is '٣'"),
        ({"hour": 24}, "hour is 24; allowed are 0 to 23"),
        ({"hour": "9-5"}, "hour is '9-5'"),
        ({"day": 32}, "day is 32; allowed are 1 to 31"),
        ({"month": 13}, "month is 13"),
        ({"second": 1}, r"the field 'second' is not allowed; use month, day, day_of_week"),
        ({"month": 2, "day": 30}, "names no day that exists"),
        ({}, "must be an object with some of"),
        ("daily", "must be an object with some of"),
    ],
)
def test_a_wrong_schedule_names_the_place_the_value_and_what_is_allowed(fields, message):
    with pytest.raises(ConfigurationError, match=f"job x: schedule.*{message}"):
        parse_schedule(fields, "job x: schedule")
