"""Fitted comment scorers: immutable folders, and the pointer to the one in force."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from viecomrec.adapters import atomic_files
from viecomrec.adapters.sharing import Kept, own
from viecomrec.domain.comment_quality import ScorerWeights
from viecomrec.errors import ArtifactError

WEIGHTS = "weights.npy"
FAMILIAR = "familiar.npy"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class StoredScorer:
    version: str
    fitted: ScorerWeights


class ScorerStore:
    """`artifacts/scorers/<version>/`: the version is the hash of what was learnt.

    `kept` is given where other hosts share them.
    """

    def __init__(
        self,
        root: Path,
        pointer: Path,
        now: Callable[[], datetime],
        kept: Kept | None = None,
    ) -> None:
        self._root = root
        self._pointer = pointer
        self._now = now
        self._kept = kept or own(pointer)
        self._last_read: tuple[bytes, StoredScorer] | None = None

    def current(self) -> StoredScorer | None:
        """The scorer in force, checked against its hash; None before the first one.

        What a pointer led to is read once: its folder never changes.
        """
        content = self._kept.pointer.read()
        if content is None:
            return None
        if self._last_read is None or self._last_read[0] != content:
            self._last_read = content, self._read(content)
        return self._last_read[1]

    def _read(self, content: bytes) -> StoredScorer:
        try:
            version = str(json.loads(content)["version"])
            self._kept.folders.bring(version)
            folder = self._root / version
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            weights = np.load(folder / WEIGHTS, allow_pickle=False)
            fitted = ScorerWeights(
                kind=str(manifest["kind"]),
                weights=weights,
                familiar=np.load(folder / FAMILIAR, allow_pickle=False),
                bias=float(manifest["bias"]),
                n_positive=int(manifest["n_positive"]),
                n_negative=int(manifest["n_negative"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"The comment scorer behind {self._pointer} cannot be read ({error}). Delete that "
                "file to have a new one fitted by the next data refresh."
            ) from error
        if scorer_version(fitted) != version:
            raise ArtifactError(
                f"{folder / WEIGHTS} was altered. Delete {self._pointer} to have a new scorer "
                "fitted by the next data refresh."
            )
        return StoredScorer(version, fitted)

    def publish(self, fitted: ScorerWeights) -> StoredScorer:
        """Write the folder in one step, then move the pointer."""
        version = scorer_version(fitted)
        with atomic_files.new_folder(self._root / version) as folder:
            np.save(folder / WEIGHTS, fitted.weights, allow_pickle=False)
            np.save(folder / FAMILIAR, fitted.familiar, allow_pickle=False)
            atomic_files.write_json(
                folder / MANIFEST,
                {
                    "schema_version": 1,
                    "kind": fitted.kind,
                    "bias": fitted.bias,
                    "n_positive": fitted.n_positive,
                    "n_negative": fitted.n_negative,
                    "fitted_at_utc": self._now().astimezone(UTC).isoformat(),
                },
            )
        self._kept.folders.send(version, self._root / version)
        pointer = {"schema_version": 1, "version": version}
        self._kept.pointer.replace(atomic_files.json_bytes(pointer))
        return StoredScorer(version, fitted)


def scorer_version(fitted: ScorerWeights) -> str:
    digest = hashlib.sha256(fitted.weights.tobytes() + fitted.familiar.tobytes())
    digest.update(json.dumps([fitted.kind, fitted.bias]).encode())
    return digest.hexdigest()[:16]
