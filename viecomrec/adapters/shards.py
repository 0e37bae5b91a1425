"""A folder that the processes of an engine share: what they leave for the one that started them."""

import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from viecomrec.adapters import atomic_files


@dataclass(frozen=True)
class BlockReport:
    """What became of a block of the export; `bad` rows are numbered within the block.

    `n_numbers` counts the lines without a field too, which are no rows.
    """

    n_rows: int
    n_numbers: int
    is_broken: bool
    bad: pl.DataFrame | None


@dataclass(frozen=True)
class ShardFolder:
    """Files named after the part they belong to: a task that runs again writes the same ones."""

    folder: Path

    def report(self, number: int, report: BlockReport) -> None:
        if report.bad is not None and report.bad.height:
            self._write(report.bad, self._bad(number))
        content = {
            "n_rows": report.n_rows,
            "n_numbers": report.n_numbers,
            "is_broken": report.is_broken,
        }
        atomic_files.write_json(self.folder / f"block-{number:06d}.json", content)

    def read_report(self, number: int) -> BlockReport:
        text = (self.folder / f"block-{number:06d}.json").read_text(encoding="utf-8")
        bad = self._bad(number)
        return BlockReport(**json.loads(text), bad=pl.read_parquet(bad) if bad.exists() else None)

    def write_shard(self, number: int, rows: pl.DataFrame) -> None:
        self._write(rows, self._shard(number))

    def read_shard(self, number: int) -> pl.DataFrame:
        return pl.read_parquet(self._shard(number))

    def _bad(self, number: int) -> Path:
        return self.folder / f"bad-{number:06d}.parquet"

    def _shard(self, number: int) -> Path:
        return self.folder / f"shard-{number:06d}.parquet"

    def _write(self, rows: pl.DataFrame, path: Path) -> None:
        temporary = path.with_suffix(".tmp")
        rows.write_parquet(temporary, compression="lz4", statistics=False)
        temporary.replace(path)
