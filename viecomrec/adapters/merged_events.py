"""`data/merged_events/`: what was taken out of staging, in immutable files, for ever.

Which sources and event ids lie in which file is on record beside them, so that a refresh does not
open every file that was ever merged. The record is never needed: whatever file it does not know
is read, and a name stands for one content.
"""

import hashlib
import io
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from viecomrec.adapters import atomic_files
from viecomrec.domain import columns as c
from viecomrec.domain.erasure import UpTo, without_user
from viecomrec.domain.event_rows import EVENT_ROWS

_INDEX = "index.parquet"
_MAX_UNKNOWN = 16
"""So many new files are read each time before the record is written again."""

_NAME, _ID_HASH, _POLARS = "name", "id_hash", "polars"
_INDEX_SCHEMA = pl.Schema({_NAME: pl.String(), c.SOURCE: pl.String(), _ID_HASH: pl.UInt64()})


class MergedEvents:
    """Numbered files of event rows as they came; their order is the order of merging."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        return sorted(path.name for path in self._folder.glob("[0-9]*.parquet"))

    def write(self, rows: pl.DataFrame) -> str:
        """Add one file in one step and return its name: a number and the hash of its content."""
        names = self.names()
        self._keep_index(names)
        number = 1 + max((_number(name) for name in names), default=0)
        return self._write(number, rows)

    def erase(self, user_id: str, until: UpTo | None = None) -> int:
        """Take the rows of a user out of every file; the files that had some get new names."""
        erased = 0
        # It may name a file after the person.
        (self._folder / _INDEX).unlink(missing_ok=True)
        for name in self.names():
            rows = self.read([name])
            kept = without_user(rows, user_id, until)
            if kept.height < rows.height:
                erased += rows.height - kept.height
                self._write(_number(name), kept)
                (self._folder / name).unlink()
        return erased

    def read(self, names: Sequence[str]) -> pl.DataFrame:
        """The rows of some files, in the order of merging."""
        if not names:
            return EVENT_ROWS.to_frame()
        return pl.concat([pl.read_parquet(self._folder / name) for name in sorted(names)])

    def sources(self) -> set[str]:
        """The staged files whose rows are here."""
        index, unknown = self._known(self.names())
        known = set(index[c.SOURCE].drop_nulls().unique())
        if not unknown:
            return known
        files = pl.scan_parquet([self._folder / name for name in unknown])
        found = files.select(pl.col(c.SOURCE).unique()).collect().to_series()
        return known | set(found.drop_nulls())

    def with_ids(self, names: Sequence[str], event_ids: pl.Series) -> pl.DataFrame:
        """The rows of some files that have one of the given event ids."""
        index, unknown = self._known(names)
        may_have = index.filter(pl.col(_ID_HASH).is_in(event_ids.hash().implode()))
        found = sorted({*may_have[_NAME], *unknown})
        if not found:
            return EVENT_ROWS.to_frame()
        files = pl.scan_parquet([self._folder / name for name in found])
        return files.filter(pl.col(c.EVENT_ID).is_in(event_ids.implode())).collect()

    def _known(self, names: Sequence[str]) -> tuple[pl.DataFrame, list[str]]:
        """The record of those of some files that it knows, and the names of the others."""
        path = self._folder / _INDEX
        index = _INDEX_SCHEMA.to_frame()
        # Another version of Polars may give other hashes.
        with suppress(OSError, PolarsError):
            if pl.read_parquet_metadata(path).get(_POLARS) == pl.__version__:
                index = pl.read_parquet(path).select(_INDEX_SCHEMA.names())
        index = index.filter(pl.col(_NAME).is_in(list(names)))
        known = set(index[_NAME].unique())
        return index, [name for name in names if name not in known]

    def _described(self, names: Sequence[str]) -> pl.DataFrame:
        """What the record says of some files, from their rows."""
        parts = [
            pl.read_parquet(self._folder / name, columns=[c.SOURCE, c.EVENT_ID]).select(
                pl.lit(name).alias(_NAME), c.SOURCE, pl.col(c.EVENT_ID).hash().alias(_ID_HASH)
            )
            for name in names
        ]
        # A file that an erasure emptied is known too.
        each = pl.DataFrame({_NAME: names, c.SOURCE: None, _ID_HASH: None}, schema=_INDEX_SCHEMA)
        return pl.concat([each, *parts])

    def _keep_index(self, names: Sequence[str]) -> None:
        index, unknown = self._known(names)
        if len(unknown) < _MAX_UNKNOWN:
            return
        content = io.BytesIO()
        known = pl.concat([index, self._described(unknown)])
        known.write_parquet(content, metadata={_POLARS: pl.__version__})
        atomic_files.write_bytes(self._folder / _INDEX, content.getvalue())

    def _write(self, number: int, rows: pl.DataFrame) -> str:
        buffer = io.BytesIO()
        rows.write_parquet(buffer)
        content = buffer.getvalue()
        name = f"{number:08d}-{hashlib.sha256(content).hexdigest()[:16]}.parquet"
        atomic_files.write_bytes(self._folder / name, content)
        return name


def _number(name: str) -> int:
    return int(name.split("-", maxsplit=1)[0])
