"""Vectors of texts by content hash, kept as they are made, so that no work is done twice."""

import shutil
import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viecomrec.adapters import atomic_files
from viecomrec.errors import ArtifactError


class TextVectorCache:
    """Immutable segments in one folder per encoder; the newest vector of a hash counts.

    A segment is on disk as a whole before `append` returns, so an interrupted run loses at most
    the piece it was working on. It is a cache: a segment that cannot be read counts as absent.
    """

    def __init__(self, root: Path, encoder_key: str) -> None:
        self._folder = root / encoder_key.replace("/", "--").replace("@", "--")

    def known(self) -> set[str]:
        """The hashes whose vectors are here."""
        return {name for _, hashes in self._segments() for name in hashes}

    def append(self, hashes: Sequence[str], vectors: NDArray[np.float32]) -> None:
        numbers = [int(path.stem) for path in self._folder.glob("*.npz")]
        self._write(max(numbers, default=0) + 1, hashes, vectors)

    def read(self, hashes: Sequence[str]) -> NDArray[np.float32]:
        """One row for each hash, in order; KeyError for a hash that is not here."""
        position = {name: at for at, name in enumerate(dict.fromkeys(hashes))}
        rows: NDArray[np.float32] | None = None
        missing = set(position)
        for path, names in self._segments():
            vectors = _read(path, "vectors")
            if rows is None:
                rows = np.zeros((len(position), vectors.shape[1]), dtype=np.float32)
            here = [(row, position[name]) for row, name in enumerate(names) if name in position]
            if here:
                sources, targets = np.array(here).T
                rows[targets] = vectors[sources]
            missing.difference_update(names)
        if rows is None or missing:
            raise KeyError(f"{len(missing)} texts have no vector in {self._folder}")
        return rows[[position[name] for name in hashes]]

    def keep_only(self, hashes: Collection[str]) -> None:
        """Put the vectors of `hashes` into one segment and drop all others.

        The new segment is complete before an old one goes.
        """
        segments = self._segments()
        kept = sorted(set(hashes) & {name for _, names in segments for name in names})
        if len(segments) == 1 and sorted(segments[0][1]) == kept:
            return
        if kept:
            number = max(int(path.stem) for path, _ in segments) + 1
            self._write(number, kept, self.read(kept))
        for path, _ in segments:
            path.unlink()

    def drop_other_encoders(self) -> None:
        """Remove the folders of encoders that are no longer used."""
        for folder in self._folder.parent.glob("*"):
            if folder.is_dir() and folder != self._folder:
                shutil.rmtree(folder)

    def _write(self, number: int, hashes: Sequence[str], vectors: NDArray[np.float32]) -> None:
        final = self._folder / f"{number:06d}.npz"
        try:
            with atomic_files.new_file(final) as temporary, temporary.open("wb") as file:
                np.savez(file, hashes=np.array(list(hashes), dtype=np.str_), vectors=vectors)
        except OSError as error:
            raise ArtifactError(
                f"Vectors cannot be kept in {self._folder} ({error}). What was made before is "
                "kept; free some space and run the command again."
            ) from error

    def _segments(self) -> list[tuple[Path, list[str]]]:
        """Readable segments, oldest first, with their hashes."""
        segments = []
        for path in sorted(self._folder.glob("*.npz")):
            try:
                # The vectors are read too: a damaged one must be found before it is relied on.
                names, vectors = _read(path, "hashes").tolist(), _read(path, "vectors")
            except (OSError, ValueError, KeyError, zipfile.BadZipFile):
                path.unlink()
                continue
            if vectors.shape[:1] == (len(names),):
                segments.append((path, names))
        return segments


def _read(path: Path, name: str) -> NDArray[Any]:
    # NumPy leaves the file open when its archive is torn.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
        return content[name]  # type: ignore[no-any-return]
