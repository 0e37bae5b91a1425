"""Who asked to be forgotten, known by hashes alone."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from viecomrec.domain import columns as c
from viecomrec.domain import dates

_HASH_BYTES = 16


@dataclass(frozen=True)
class ErasedUsers:
    """Salted hashes of user ids, each with the instant of the erasure.

    Reading them names nobody, but whoever can list all ids can try them out, so the salt is kept
    with the care of a secret. Who comes back later is a new customer.
    """

    salt: str
    erased_at: Mapping[str, datetime]

    def name(self, user_id: str) -> str:
        """The hash that stands for a user."""
        key = self.salt.encode()[:64]
        return hashlib.blake2b(user_id.encode(), digest_size=_HASH_BYTES, key=key).hexdigest()

    def instant(self, user_id: str) -> datetime | None:
        """When the user was erased; None for everybody else."""
        return self.erased_at.get(self.name(user_id)) if self.erased_at else None

    def without(self, rows: pl.DataFrame) -> pl.DataFrame:
        """`rows` (user_id, at) without what erased users did up to their erasure."""
        if not self.erased_at:
            return rows
        instants = {user: self.instant(user) for user in rows[c.USER_ID].unique()}
        erased = {user: instant for user, instant in instants.items() if instant is not None}
        if not erased:
            return rows
        until = pl.col(c.USER_ID).replace_strict(
            erased, default=None, return_dtype=pl.Datetime("us", "UTC")
        )
        return rows.filter(until.is_null() | (pl.col(c.AT) > until))


@dataclass(frozen=True)
class UpTo:
    """The end of what an earlier erasure takes: what a person did after it stays."""

    instant: datetime
    zone: str
    """Of times without an offset."""

    def spares(self, texts: pl.Series, column: pl.Series) -> pl.Series:
        """Which of some dates of a column are later; one that cannot be read counts as earlier."""
        return self.spares_in(texts, dates.decide_format(column))

    def spares_in(self, texts: pl.Series, date_format: str) -> pl.Series:
        """As `spares`, where the format of the column is known."""
        return (dates.parse(texts, date_format, self.zone) > self.instant).fill_null(value=False)


def without_user(rows: pl.DataFrame, user_id: str, until: UpTo | None = None) -> pl.DataFrame:
    """Stored text rows without those of a user, and without malformed ones that hold the id.

    With `until` the user's later rows stay.
    """
    texts = [name for name, kind in rows.schema.items() if kind == pl.String]
    mentions = pl.concat_str(texts, ignore_nulls=True, separator="\x1f").str.contains(
        user_id, literal=True
    )
    is_theirs = (pl.col(c.USER_ID).str.strip_chars() == user_id).fill_null(value=False)
    if until is not None:
        is_theirs &= ~until.spares(rows[c.AT], rows[c.AT])
    return rows.filter(~(is_theirs | (pl.col(c.USER_ID).is_null() & mentions)))
