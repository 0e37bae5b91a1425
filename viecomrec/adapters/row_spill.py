"""More rows than memory should hold: on disk by their users, and read back a part at a time."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from viecomrec.domain.buckets import N_BUCKETS, bucket
from viecomrec.errors import SnapshotError

MIN_PARTS, MAX_PARTS = 8, 64
"""Every flush is cut at the same buckets of users; a shard is a run of such parts."""


def n_parts_for(n_rows: int, max_rows: int) -> int:
    """So many parts that two of them fit beside each other; each is a file of every flush."""
    n_parts = MIN_PARTS
    while n_parts < MAX_PARTS and n_parts * max_rows < 2 * n_rows:
        n_parts *= 2
    return n_parts


class RowSpill:
    """Takes rows in any order and gives them back as shards of whole users, buckets ascending.

    Rows of one user keep the order in which they came. Up to `max_rows` rows are held in memory;
    while they are not exceeded nothing is written at all.
    """

    def __init__(self, folder: Path, max_rows: int, n_parts: int = MAX_PARTS) -> None:
        self._folder = folder / secrets.token_hex(4)  # a file that is read again starts anew
        self._max_rows = max_rows
        self._held: list[pl.DataFrame] = []
        self._n_held = 0
        self._n_rows_of = [0] * n_parts
        self._n_flushes = 0

    def add(self, rows: pl.DataFrame) -> None:
        self._held.append(rows)
        self._n_held += rows.height
        if self._n_held > self._max_rows:
            self._flush()

    def shards(self) -> Iterator[pl.DataFrame]:
        """The rows, each shard once; at most about `max_rows` of them at a time."""
        if not self._n_flushes:
            yield self._take_held()
            return
        self._flush()
        for parts in self._runs():
            files = [self._file(flush, part) for flush in range(self._n_flushes) for part in parts]
            yield pl.concat([_read(file) for file in files if file.exists()])
            for file in files:
                file.unlink(missing_ok=True)

    def _take_held(self) -> pl.DataFrame:
        rows = pl.concat(self._held)
        self._held, self._n_held = [], 0
        return rows

    def _flush(self) -> None:
        if not self._n_held:
            return
        n_parts = len(self._n_rows_of)
        part = (bucket().cast(pl.Int64) * n_parts // N_BUCKETS).alias("_part")
        ordered = self._take_held().with_columns(part).sort("_part", maintain_order=True)
        runs = ordered["_part"].rle().struct.unnest()
        start = 0
        for length, number in runs.select("len", "value").iter_rows():
            rows = ordered.slice(start, length).drop("_part")
            _write(rows, self._file(self._n_flushes, number))
            self._n_rows_of[number] += length
            start += length
        self._n_flushes += 1

    def _runs(self) -> Iterator[list[int]]:
        """Neighbouring parts that fit into memory together, at least one at a time."""
        run: list[int] = []
        n_rows = 0
        for part, n in enumerate(self._n_rows_of):
            if not n:
                continue
            if run and n_rows + n > self._max_rows:
                yield run
                run, n_rows = [], 0
            run.append(part)
            n_rows += n
        yield run

    def _file(self, flush: int, part: int) -> Path:
        return self._folder / f"{flush:06d}-{part:02d}.arrow"


class StoredShards:
    """Shards between two looks at them: in memory while there is one, else on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: pl.DataFrame | None = None
        self._n = 0

    def add(self, rows: pl.DataFrame) -> None:
        if self._n == 0:
            self._held = rows
        else:
            self._put_aside()
            self._write(self._n, rows)
        self._n += 1

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """Each shard once: what was given back is no longer kept."""
        if self._held is not None:
            rows, self._held = self._held, None
            yield rows
            return
        for number in range(self._n):
            yield _read(self._file(number))
            self._file(number).unlink()

    def _put_aside(self) -> None:
        if self._held is not None:
            self._write(0, self._held)
            self._held = None

    def _write(self, number: int, rows: pl.DataFrame) -> None:
        _write(rows, self._file(number))

    def _file(self, number: int) -> Path:
        return self._folder / f"shard-{number:06d}.arrow"


def _read(file: Path) -> pl.DataFrame:
    # As a stream, so that nothing of the file is in use when it is deleted.
    with file.open("rb") as stream:
        return pl.read_ipc(stream)


def _write(rows: pl.DataFrame, file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        rows.write_ipc(file)  # packing them would cost more than writing them
    except (OSError, PolarsError) as error:  # polars reports a full disk as an error of its own
        raise SnapshotError(
            f"Rows could not be put aside in {file.parent}: {error}. The previous snapshot stays "
            "in force. Make room (python -m automation.cleanup) and run the refresh again, or "
            "raise refresh.rows_in_memory in config/settings.json."
        ) from error
