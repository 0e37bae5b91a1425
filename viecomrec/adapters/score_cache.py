"""`data/cache/comment_scores/`: what a costly scorer has said, by the hash of the text."""

import hashlib
import io
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

from viecomrec.adapters import atomic_files

KEY, SCORE = "key", "score"


def text_key(text: str) -> str:
    """The name of a text in the cache; the text itself is not kept."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class ScoreCache:
    """One folder for each scorer version; parts are added as they are calculated."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, version: str) -> dict[str, float]:
        """Every score of a version by the key of its text."""
        parts = [pl.read_parquet(path) for path in self._parts(version)]
        return {key: score for part in parts for key, score in part.iter_rows()}

    def add(self, version: str, scores: Mapping[str, float]) -> None:
        """Have some scores on disk before returning, so that an interruption costs little."""
        self._write(self._of(version) / f"{secrets.token_hex(8)}.parquet", scores)

    def forget(self, texts: Iterable[str]) -> None:
        """Take the scores of some texts out of every part."""
        forgotten = {text_key(text) for text in texts}
        for path in self._folder.rglob("*.parquet"):
            scores = dict(pl.read_parquet(path).iter_rows())
            if forgotten & scores.keys():
                self._write(path, {key: scores[key] for key in scores.keys() - forgotten})

    def _write(self, path: Path, scores: Mapping[str, float]) -> None:
        content = io.BytesIO()
        table = pl.DataFrame(
            {KEY: list(scores), SCORE: list(scores.values())},
            schema={KEY: pl.String, SCORE: pl.Float32},
        )
        table.write_parquet(content)
        atomic_files.write_bytes(path, content.getvalue())

    def _parts(self, version: str) -> list[Path]:
        return sorted(self._of(version).glob("*.parquet"))

    def _of(self, version: str) -> Path:
        return self._folder / hashlib.sha256(version.encode()).hexdigest()[:16]
