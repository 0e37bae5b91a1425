"""Where the weights of language models lie on this machine, complete or not."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viecomrec.adapters import atomic_files
from viecomrec.domain.language_models import (
    PICKLED_WEIGHTS,
    PINS,
    SAFE_WEIGHTS,
    SOURCE,
    LanguageModel,
)
from viecomrec.errors import ArtifactError

FINGERPRINT_BLOCKS = 64
BLOCK_BYTES = 65_536


@dataclass(frozen=True)
class LocatedModel:
    """A complete folder of weights and tokenizer files, and which revision it is."""

    model: LanguageModel
    folder: Path
    revision: str
    """The hub's commit, or `local:...` after the weights where nobody recorded a commit."""

    place: str
    """`models folder` or `hub cache`."""

    def verify(self) -> None:
        """ArtifactError unless the files have the hashes that were recorded when fetched."""
        recorded = _source(self.folder).get("sha256", {})
        for name, expected in recorded.items():
            file = self.folder / name
            if not file.is_file() or atomic_files.sha256(file) != expected:
                raise ArtifactError(
                    f"{file} is not what was fetched. Remove {self.folder} and run: "
                    "viecomrec models fetch"
                )


class LanguageModelFolders:
    """`models/<org>--<name>/` of the project first, then the hub's cache of this machine."""

    def __init__(self, root: Path, hub_cache: Path | None) -> None:
        self._root = root
        self._hub_cache = hub_cache

    def home(self, model: LanguageModel) -> Path:
        """Where `viecomrec models fetch` puts a model."""
        return self._root / model.folder_name

    def locate(self, model: LanguageModel, revision: str) -> LocatedModel:
        """Find a complete copy of the pinned revision; ArtifactError says what is missing where.

        A branch means the commit that it is pinned to, and before its first fetch any commit. A
        folder that a person filled by hand, without a record of its commit, is named after its
        weights' hash.
        """
        revision = self.resolved(model, revision)
        problems = []
        for folder, place, found_revision in self._candidates(model, revision):
            present = {path.name for path in folder.iterdir() if path.is_file()}
            missing = model.missing_files(present)
            if missing:
                problems.append(f"{folder} lacks {', '.join(missing)}")
            elif is_commit(revision) and is_commit(found_revision) and found_revision != revision:
                problems.append(f"{folder} holds revision {found_revision}, not {revision}")
            else:
                return LocatedModel(model, folder, found_revision, place)
        found = "; ".join(problems) or f"{self.home(model)} does not exist"
        raise ArtifactError(f"The weights of {model.model_id} are not here: {found}.")

    def resolved(self, model: LanguageModel, revision: str) -> str:
        """The commit that this revision is pinned to; the branch itself before its first fetch."""
        pin = self._pins().get(model.model_id, {})
        return str(pin["commit"]) if pin.get("branch") == revision else revision

    def pin(self, model: LanguageModel, branch: str, commit: str) -> None:
        """From now on this branch means this commit, whatever it means at the hub."""
        pins = {**self._pins(), model.model_id: {"branch": branch, "commit": commit}}
        atomic_files.write_json(self._root / PINS, pins)

    def _pins(self) -> dict[str, dict[str, str]]:
        file = self._root / PINS
        try:
            content = json.loads(file.read_bytes()) if file.is_file() else {}
            return {str(name): dict(pin) for name, pin in content.items()}
        except (ValueError, AttributeError) as error:
            raise ArtifactError(
                f"{file} is damaged ({error}). Remove it, and run: viecomrec models fetch"
            ) from error

    def _candidates(self, model: LanguageModel, revision: str) -> Iterator[tuple[Path, str, str]]:
        home = self.home(model)
        if home.is_dir():
            yield home, "models folder", _recorded_revision(home)
        if self._hub_cache is None:
            return
        cached = self._hub_cache / f"models--{model.folder_name}"
        reference = cached / "refs" / revision
        commit = reference.read_text().strip() if reference.is_file() else revision
        if (cached / "snapshots" / commit).is_dir():
            yield cached / "snapshots" / commit, "hub cache", commit


def hub_cache() -> Path:
    """The usual cache of the hub on this machine (HF_HOME and its relatives say where)."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _recorded_revision(folder: Path) -> str:
    recorded = _source(folder).get("revision")
    if recorded is not None:
        return str(recorded)
    weights = [folder / name for name in (SAFE_WEIGHTS, PICKLED_WEIGHTS)]
    present = [file for file in weights if file.is_file()]
    return f"local:{_fingerprint(present[0])}" if present else "unknown"


def _source(folder: Path) -> dict[str, Any]:
    """What a fetch recorded; empty for a folder that a person filled."""
    file = folder / SOURCE
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_bytes())
    except ValueError as error:
        raise ArtifactError(
            f"{file} is damaged ({error}). Remove {folder} and run: viecomrec models fetch"
        ) from error
    return dict(content)


def _fingerprint(file: Path) -> str:
    """16 hex digits of the size and of blocks spread over the file.

    Training changes weights everywhere, so this tells two sets of weights apart at once, where
    reading half a gigabyte at every run would take seconds.
    """
    size = file.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with file.open("rb") as content:
        for block in range(FINGERPRINT_BLOCKS):
            content.seek(block * max(0, size - BLOCK_BYTES) // (FINGERPRINT_BLOCKS - 1))
            digest.update(content.read(BLOCK_BYTES))
    return digest.hexdigest()[:16]


def is_commit(revision: str) -> bool:
    """Whether this names one commit (40 hex digits) rather than a branch."""
    return len(revision) == len("0" * 40) and set(revision) <= set("0123456789abcdef")
