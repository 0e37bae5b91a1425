"""Events as they came, before they are checked: text columns and where each row stood."""

import json
from collections.abc import Iterable
from typing import Any

import polars as pl

from viecomrec.domain import columns as c
from viecomrec.domain import dates
from viecomrec.domain.checks import RAW
from viecomrec.domain.contracts import EVENTS

EVENT_ROWS = pl.Schema(
    {
        c.SOURCE: pl.String(),
        c.ROW: pl.Int64(),
        c.IS_MALFORMED: pl.Boolean(),
        **{name: pl.String() for name in RAW},
    }
)

OTHER_FORMAT = " (not in the format of its column)"

_NAMES = {name.lower(): column.name for column in EVENTS.columns for name in reversed(column.names)}


def rows_of_lines(lines: Iterable[str], source: str) -> pl.DataFrame:
    """Rows of JSON lines; one that is no JSON object is marked as malformed, blank ones vanish."""
    records = [
        {c.SOURCE: source, c.ROW: number, **_record(line)}
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    return pl.DataFrame(records, schema=EVENT_ROWS)


def rows_of_table(table: pl.DataFrame, source: str) -> pl.DataFrame:
    """Rows of a CSV file that was read through the contract of events."""
    absent = [name for name in RAW if name not in table.columns]
    return table.with_columns(
        pl.lit(source).alias(c.SOURCE),
        *(pl.lit(None, dtype=pl.String).alias(name) for name in absent),
    ).select(EVENT_ROWS.names())


def in_utc(rows: pl.DataFrame, zone: str, kind: str | None = None) -> pl.DataFrame:
    """Write every date that parses as ISO 8601 in UTC, so that a row means one instant for ever.

    The format is decided for the column of this source; what does not parse stays as it came,
    for the quarantine, marked where it would pass as ISO 8601. `kind` fills rows that name none.
    """
    parsed = dates.parse(rows[c.AT], dates.decide_format(rows[c.AT]), zone)
    text = parsed.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00")
    is_other = parsed.is_null() & dates.parse(rows[c.AT], "iso", zone).is_not_null()
    as_it_came = pl.when(pl.lit(is_other)).then(pl.col(c.AT) + OTHER_FORMAT).otherwise(pl.col(c.AT))
    filled = pl.col(c.KIND) if kind is None else pl.col(c.KIND).fill_null(kind)
    return rows.with_columns(
        pl.coalesce(pl.lit(text), as_it_came).alias(c.AT), filled.alias(c.KIND)
    )


def _record(line: str) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or _has_structure(content):
        return {c.IS_MALFORMED: True, c.COMMENT: line[:1000]}
    found: dict[str, Any] = {}
    for name, value in content.items():
        ours = _NAMES.get(name.strip().lower())
        if ours is not None and (ours not in found or name == ours):
            found[ours] = _text(value)
    return {c.IS_MALFORMED: False, **found}


def _has_structure(event: dict[str, Any]) -> bool:
    """Whether a field that counts holds a list or another object instead of a value."""
    return any(
        isinstance(value, (dict, list))
        for name, value in event.items()
        if name.strip().lower() in _NAMES
    )


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
