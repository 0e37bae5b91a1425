"""Dates of shop exports: the format is decided once per column, slashes are day-first."""

from collections import Counter
from collections.abc import Mapping

import polars as pl

UTC_MICROSECONDS = pl.Datetime("us", "UTC")

_DAY_FIRST = r"^\s*\d{1,2}[/.-]\d{1,2}[/.-]\d{4}"
_EPOCH_SECONDS = r"^\s*\d{9,10}(\.\d+)?\s*$"
_EPOCH_MILLISECONDS = r"^\s*\d{12,13}\s*$"
_ISO = r"^\s*\d{4}[-/.]\d{1,2}[-/.]\d{1,2}"

FORMATS = {
    "iso": _ISO,
    "day_first": _DAY_FIRST,
    "epoch_seconds": _EPOCH_SECONDS,
    "epoch_milliseconds": _EPOCH_MILLISECONDS,
}
"""Name of a format -> the shape of its values. The first with the most matches wins."""


def decide_format(values: pl.Series) -> str:
    """The format that most values of the column have."""
    return most_common(count_formats(values))


def count_formats(values: pl.Series) -> Counter[str]:
    """How many of the values have each format, so that a column can be counted in parts."""
    frame = values.to_frame("value")
    return Counter(
        frame.select(
            pl.col("value").str.contains(shape).sum().fill_null(0).alias(name)
            for name, shape in FORMATS.items()
        ).row(0, named=True)
    )


def most_common(counts: Mapping[str, int]) -> str:
    """The first format of those that most values have."""
    return max(FORMATS, key=lambda name: counts.get(name, 0))


def parse(values: pl.Series, date_format: str, zone: str) -> pl.Series:
    """Parse text of one format into UTC instants; null where it does not parse.

    Times without an offset are local times of `zone`; one that the zone repeats (end of summer
    time) counts as its first occurrence, one that the zone skips does not exist and is null.
    """
    text = values.rename("text").str.strip_chars()
    common = _COMMON.get(date_format)
    if common is None:
        return _evaluated(text, _epoch(date_format))
    # Nearly all rows of an export have one common shape; only the others take the long way.
    local = text.str.to_datetime(common, time_unit="us", strict=False)
    parsed = _evaluated(local.rename("text"), _in_utc(pl.col("text"), zone))
    others = parsed.is_null() & text.is_not_null()
    if not others.any():
        return parsed
    rest = _evaluated(text.filter(others), _any_shape(date_format, zone))
    return parsed.scatter(others.arg_true(), rest)


_COMMON = {"iso": "%Y-%m-%d %H:%M:%S", "day_first": "%d/%m/%Y %H:%M:%S"}
_DATE_TIME = {"iso": "%Y-%m-%dT", "day_first": "%d-%m-%YT"}
_TIMES = ("%H:%M:%S%.f", "%H:%M")


def _evaluated(values: pl.Series, expression: pl.Expr) -> pl.Series:
    return values.to_frame("text").select(expression.alias("at")).to_series()


def _epoch(date_format: str) -> pl.Expr:
    number = pl.col("text").cast(pl.Float64, strict=False)
    unit = 1_000_000 if date_format == "epoch_seconds" else 1000
    return (number * unit).round().cast(pl.Int64, strict=False).cast(UTC_MICROSECONDS)


def _any_shape(date_format: str, zone: str) -> pl.Expr:
    """Dashes, dots or slashes, a T or a space, seconds or none, a time or none, an offset."""
    date = _DATE_TIME[date_format]
    text = (
        pl.col("text")
        .str.replace_all(r"^(\d+)[/.-](\d+)[/.-](\d+)", "${1}-${2}-${3}")
        .str.replace(r"^(\S+)\s+(\d)", "${1}T${2}")
    )
    has_offset = text.str.contains(r":\d\d(\.\d+)?\s*(Z|[+-]\d\d:?\d\d)$")
    shapes = [*(date + time for time in _TIMES), date.removesuffix("T")]
    local = pl.coalesce(
        text.str.to_datetime(shape, time_unit="us", strict=False) for shape in shapes
    )
    instant = text.str.replace(r"\s*Z$", "+00:00").str.to_datetime(
        f"{date}{_TIMES[0]}%:z", time_unit="us", time_zone="UTC", strict=False
    )
    return pl.when(has_offset).then(instant).otherwise(_in_utc(local, zone))


def _in_utc(local: pl.Expr, zone: str) -> pl.Expr:
    in_zone = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return in_zone.dt.convert_time_zone("UTC")
