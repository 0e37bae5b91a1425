"""`data/quarantine/<version>.parquet`: the rows that a snapshot left out, with rule and reason."""

import io
from pathlib import Path

import polars as pl

from viecomrec.adapters import atomic_files
from viecomrec.domain.erasure import without_user


class QuarantineFiles:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, version: str) -> Path:
        return self._folder / f"{version}.parquet"

    def write(self, version: str, rows: pl.DataFrame) -> Path:
        """Replace the file of a snapshot version in one step."""
        content = io.BytesIO()
        rows.write_parquet(content)
        atomic_files.write_bytes(self.path(version), content.getvalue())
        return self.path(version)

    def read(self, version: str) -> pl.DataFrame | None:
        return pl.read_parquet(self.path(version)) if self.path(version).is_file() else None

    def erase(self, user_id: str) -> int:
        """Take the rows of a user out of the file of every version."""
        erased = 0
        for path in sorted(self._folder.glob("*.parquet")):
            rows = pl.read_parquet(path)
            kept = without_user(rows, user_id)
            if kept.height < rows.height:
                erased += rows.height - kept.height
                self.write(path.stem, kept)
        return erased
