"""`user_item_mappings.json`, written piece by piece and lengthened in place."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from viecomrec.domain import columns as c

USERS_AT_ONCE = 50_000
_USERS_END, _ROWS_END, _METADATA = b'}, "idx_to_user": {', b'}, "item_to_idx": {', b'"metadata": '


@dataclass(frozen=True)
class MappingsSummary:
    """What an update has to know of the mappings; `newest` is who has the last matrix row."""

    n_users: int
    n_items: int
    newest: tuple[datetime, str] | None

    def as_json(self) -> dict[str, Any]:
        at, user = self.newest or (None, None)
        return {
            "schema_version": 1,
            "n_users": self.n_users,
            "n_items": self.n_items,
            "newest_user": user,
            "newest_trainable_at": at and at.isoformat(),
        }


def newest_of(users: pl.DataFrame) -> tuple[datetime, str] | None:
    """The last of users (user_id, trainable_at) in row order."""
    return None if users.is_empty() else users.select(c.TRAINABLE_AT, c.USER_ID).row(-1)


def write_mappings(users: pl.DataFrame, product_ids: pl.Series, path: Path) -> None:
    """Write both directions of both mappings; `users` are in the order of their rows."""
    summary = MappingsSummary(users.height, len(product_ids), newest_of(users))
    with path.open("wb") as file:
        file.write(b'{"user_to_idx": {')
        file.writelines(_to_rows(users[c.USER_ID], 0))
        file.write(_USERS_END)
        file.writelines(_to_ids(users[c.USER_ID], 0))
        file.write(_ROWS_END)
        file.writelines(_to_rows(product_ids, 0))
        file.write(b'}, "idx_to_item": {')
        file.writelines(_to_ids(product_ids, 0))
        file.write(b"}, " + _METADATA + _dumped(summary.as_json()) + b"}")


def read_summary(path: Path) -> MappingsSummary:
    """Read the end of the file only."""
    content = path.read_bytes()
    found = json.loads(content[content.rindex(_METADATA) + len(_METADATA) : -1])
    user, at = found["newest_user"], found["newest_trainable_at"]
    newest = None if user is None else (datetime.fromisoformat(at), user)
    return MappingsSummary(found["n_users"], found["n_items"], newest)


def lengthen_mappings(previous: Path, new_users: pl.DataFrame, path: Path) -> None:
    """Copy the mappings with more users at the end."""
    before = read_summary(previous)
    first = before.n_users
    after = MappingsSummary(
        first + new_users.height, before.n_items, newest_of(new_users) or before.newest
    )
    # Quotes inside an id are escaped, so the ends of the mappings stand in no id.
    content = previous.read_bytes()
    users_end, rows_end = content.index(_USERS_END), content.index(_ROWS_END)
    user_ids = new_users[c.USER_ID]
    with path.open("wb") as file:
        file.write(content[:users_end])
        file.writelines(_to_rows(user_ids, first))
        file.write(content[users_end:rows_end])
        file.writelines(_to_ids(user_ids, first))
        file.write(content[rows_end : content.rindex(_METADATA)])
        file.write(_METADATA + _dumped(after.as_json()) + b"}")


def _to_rows(ids: pl.Series, first: int) -> Iterator[bytes]:
    for start, some in _slices(ids):
        entries = {one: first + start + row for row, one in enumerate(some)}
        yield _inner(entries, is_first=first + start == 0)


def _to_ids(ids: pl.Series, first: int) -> Iterator[bytes]:
    for start, some in _slices(ids):
        entries = dict(enumerate(some, start=first + start))
        yield _inner(entries, is_first=first + start == 0)


def _slices(ids: pl.Series) -> Iterator[tuple[int, list[str]]]:
    for start in range(0, len(ids), USERS_AT_ONCE):
        yield start, ids.slice(start, USERS_AT_ONCE).to_list()


def _inner(entries: dict[Any, Any], *, is_first: bool) -> bytes:
    """The entries of a JSON object without its braces, ready to follow others."""
    return (b"" if is_first else b", ") + _dumped(entries)[1:-1]


def _dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
