"""Where an interrupted training goes on: the last finished iteration of each fit."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viecomrec.adapters import atomic_files
from viecomrec.errors import ArtifactError


class CheckpointStore:
    """`artifacts/checkpoints/{als,bpr}/<key>.npz`, replaced atomically after each iteration.

    The key names data and recipe, so that a checkpoint is never continued with others.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def save(self, model_type: str, key: str, arrays: dict[str, NDArray[Any]]) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        atomic_files.write_bytes(self._file(model_type, key), buffer.getvalue())

    def load(self, model_type: str, key: str) -> dict[str, NDArray[Any]] | None:
        """The arrays as saved; None without a checkpoint, ArtifactError where it is damaged."""
        file = self._file(model_type, key)
        if not file.is_file():
            return None
        try:
            with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as content:
                arrays = {name: content[name] for name in content.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ArtifactError(
                f"The checkpoint {file} is damaged ({error}). Delete it, or start anew with: "
                "python -m automation.model_training --force"
            ) from error
        return arrays

    def delete(self, model_type: str, key: str) -> None:
        self._file(model_type, key).unlink(missing_ok=True)

    def _file(self, model_type: str, key: str) -> Path:
        return self._root / model_type / f"{key}.npz"
