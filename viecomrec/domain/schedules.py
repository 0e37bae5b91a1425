"""When a job is due: cron-like fields, read in a time zone, as instants in UTC.

A job at fixed hours runs exactly once per nominal day. A nominal time that the start of summer
time skips is due at the first instant after the gap; one that the end of summer time repeats is
due the first time. A job whose hour is a wildcard follows real time instead: it runs in both of
the repeated hours and not in the skipped one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from viecomrec.errors import ConfigurationError

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
RANGES = {
    "month": (1, 12),
    "day": (1, 31),
    "day_of_week": (0, 6),
    "hour": (0, 23),
    "minute": (0, 59),
}
"""The fields from the coarsest to the finest, with the numbers that each may have."""

MARGIN = timedelta(days=2)
"""No zone is, or ever jumps, further from another than this."""

LONGEST_WAIT_DAYS = 15_000
"""29 February on a given weekday comes at least every 40 years; what comes later never comes."""

ONE_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Occurrence:
    """One nominal time of a job: the instant it is due, and the local day it belongs to."""

    nominal_utc: datetime
    nominal_day: date


@dataclass(frozen=True)
class Schedule:
    """The numbers that each field allows, sorted; weekdays count from Monday = 0."""

    month: tuple[int, ...]
    day: tuple[int, ...]
    day_of_week: tuple[int, ...]
    hour: tuple[int, ...]
    minute: tuple[int, ...]
    follows_real_time: bool

    def nominal_times(self, first: date, last: date) -> Iterator[datetime]:
        """Every local time without offset on the days from `first` to `last`, in order."""
        for ordinal in range(first.toordinal(), last.toordinal() + 1):
            day = date.fromordinal(ordinal)
            if (
                day.month in self.month
                and day.day in self.day
                and day.weekday() in self.day_of_week
            ):
                for hour in self.hour:
                    for minute in self.minute:
                        yield datetime.combine(day, time(hour, minute))


def parse_schedule(fields: Mapping[str, Any], where: str) -> Schedule:
    """Read the guide's `schedule` object; ConfigurationError names `where`, field and value.

    A field coarser than the finest one given may have any value, a finer one its smallest, as
    in APScheduler: {"hour": 2} is daily at 02:00, {"minute": 0} hourly.
    """
    if not isinstance(fields, Mapping) or not fields:
        raise ConfigurationError(
            f"{where}: the schedule must be an object with some of {', '.join(RANGES)}, "
            f"not {fields!r}."
        )
    unknown = [name for name in fields if name not in RANGES]
    if unknown:
        raise ConfigurationError(
            f"{where}: the field {unknown[0]!r} is not allowed; use {', '.join(RANGES)}."
        )
    names = list(RANGES)
    finest = max(names.index(name) for name in fields)
    numbers = {}
    for position, name in enumerate(names):
        low, _ = RANGES[name]
        default = "*" if position < finest or name == "day_of_week" else low
        numbers[name] = _parse_field(name, fields.get(name, default), where)
    is_wild = str(fields.get("hour", "*" if finest > names.index("hour") else "0"))
    schedule = Schedule(**numbers, follows_real_time=is_wild.startswith("*"))
    if next(schedule.nominal_times(date(2000, 1, 1), date(2040, 12, 31)), None) is None:
        raise ConfigurationError(f"{where}: {dict(fields)} names no day that exists.")
    return schedule


def due_between(
    schedule: Schedule, zone: ZoneInfo, after: datetime, until: datetime
) -> list[Occurrence]:
    """The occurrences in (after, until], by instant, each instant once."""
    if until <= after:
        return []
    first = (after.astimezone(zone) - MARGIN).date()
    last = (until.astimezone(zone) + MARGIN).date()
    to_instants = _real_instants if schedule.follows_real_time else _fixed_instants
    found = {
        instant: nominal.date()
        for nominal in schedule.nominal_times(first, last)
        for instant in to_instants(nominal, zone)
        if after < instant <= until
    }
    return [Occurrence(instant, found[instant]) for instant in sorted(found)]


def next_occurrences(
    schedule: Schedule, zone: ZoneInfo, after: datetime, count: int
) -> list[Occurrence]:
    """The first `count` occurrences after an instant; fewer only where the calendar ends them."""
    span = 2
    while True:
        until = after + timedelta(days=span)
        found = due_between(schedule, zone, after, until)
        if len(found) >= count or span > LONGEST_WAIT_DAYS:
            return found[:count]
        span *= 4


def _fixed_instants(nominal: datetime, zone: ZoneInfo) -> list[datetime]:
    instant = nominal.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if _local(instant, zone) == nominal:
        return [instant]
    after_gap = _end_of_gap(instant, zone)
    last_before = _local(after_gap - ONE_SECOND, zone).date()
    if last_before < nominal.date() < _local(after_gap, zone).date():
        return []  # the zone skipped the whole day, as Samoa did in 2011
    return [after_gap]


def _real_instants(nominal: datetime, zone: ZoneInfo) -> list[datetime]:
    instants = (nominal.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return [instant for instant in instants if _local(instant, zone) == nominal]


def _end_of_gap(inside: datetime, zone: ZoneInfo) -> datetime:
    """The first instant after the gap that the instant `inside` was computed from."""
    new_offset = inside.astimezone(zone).utcoffset()
    low, high = inside - MARGIN / 2, inside
    while high - low > ONE_SECOND:
        middle = low + timedelta(seconds=(high - low) // ONE_SECOND // 2)
        if middle.astimezone(zone).utcoffset() == new_offset:
            high = middle
        else:
            low = middle
    return high


def _local(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _parse_field(name: str, value: Any, where: str) -> tuple[int, ...]:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _refused(name, value, where)
    numbers: set[int] = set()
    for part in str(value).replace(" ", "").lower().split(","):
        numbers.update(_parse_part(name, part, value, where))
    return tuple(sorted(numbers))


def _parse_part(name: str, part: str, value: Any, where: str) -> range:
    span, slash, step = part.partition("/")
    first, dash, last = span.partition("-")
    low, high = RANGES[name]
    if slash and (not step.isdecimal() or int(step) == 0):
        raise _refused(name, value, where)
    if span != "*":
        low = _parse_number(name, first, value, where)
        # "5/10" counts on from 5; a single number without a step stands for itself.
        high = _parse_number(name, last, value, where) if dash else (high if slash else low)
    if low > high:
        raise _refused(name, value, where)
    return range(low, high + 1, int(step or 1))


def _parse_number(name: str, text: str, value: Any, where: str) -> int:
    if name == "day_of_week":
        if text not in WEEKDAYS:
            raise _refused(name, value, where)
        return WEEKDAYS.index(text)
    low, high = RANGES[name]
    if not text.isascii() or not text.isdecimal() or not low <= int(text) <= high:
        raise _refused(name, value, where)
    return int(text)


def _refused(name: str, value: Any, where: str) -> ConfigurationError:
    low, high = RANGES[name]
    allowed = f"{low} to {high}"
    if name == "day_of_week":
        # 0 is Monday for APScheduler and Sunday for cron, so numbers are not accepted.
        allowed = "the names " + ", ".join(WEEKDAYS)
    return ConfigurationError(
        f"{where}: {name} is {value!r}; allowed are {allowed}, alone, as a list (a,b), "
        "a range (a-b) or a step (*/n)."
    )
