"""The registry file and the folders of the models it lists."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from viecomrec.adapters import atomic_files
from viecomrec.adapters.erasing import rename_in_models
from viecomrec.adapters.sharing import OWN_FOLDERS, KeptFile, KeptFolders, OwnFile
from viecomrec.domain.factors import Factors
from viecomrec.domain.identity import IdMap
from viecomrec.domain.registry import (
    SCHEMA_VERSION,
    ModelRecord,
    ModelType,
    Registry,
    next_model_id,
    upgrade,
)
from viecomrec.errors import ArtifactError, RegistryError, StoreChangedError

MOST_ATTEMPTS = 100
"""Each failed attempt is another host's success, so this is far more than ever happens."""

MODEL_SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
IDS = "ids.json"
USER_FACTORS = "U.npy"
ITEM_FACTORS = "V.npy"
ITEM_BIAS = "item_bias.npy"


class RegistryStore:
    """`artifacts/cf/registry.json`: read whole, changed under a lock, replaced atomically.

    `kept` is given where other hosts change it too.
    """

    def __init__(
        self, file: Path, now: Callable[[], datetime], kept: KeptFile | None = None
    ) -> None:
        self._file = file
        self._now = now
        self._kept = kept or OwnFile(file)

    def read(self) -> Registry:
        """The registry in force; an empty one before the first model.

        One of an older schema is read as if it were of the present one. RegistryError where it
        is damaged or of a newer program.
        """
        return self._parsed(self._kept.read())

    def read_here(self) -> Registry:
        """The registry as this host read it last; no other host is asked."""
        return self._parsed(OwnFile(self._file).read())

    def _parsed(self, file: bytes | None) -> Registry:
        if file is None:
            return Registry()
        try:
            content = json.loads(file)
            version = content.get("schema_version")
            if not isinstance(version, int) or version <= SCHEMA_VERSION:
                return Registry.model_validate(upgrade(content))
        except (ValueError, AttributeError) as error:
            raise RegistryError(
                f"{self._file} is damaged ({error}). Restore it from a backup, or move it away "
                "and train again with: python -m automation.model_training --force"
            ) from error
        raise RegistryError(
            f"{self._file} has schema version {version}; this program knows {SCHEMA_VERSION}. "
            "Use the program that wrote it, or a newer one."
        )

    def update(self, change: Callable[[Registry], Registry]) -> Registry:
        """Apply a pure change under the lock, so that two writers never lose one another's.

        Where a writer on another host was quicker, the change is applied to what that one wrote:
        `change` may be called again.
        """
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._file.with_name(".registry.lock"), timeout=30):
            for _ in range(MOST_ATTEMPTS):
                try:
                    return self._changed(change)
                except StoreChangedError:
                    continue
        raise RegistryError(
            f"{self._file} was changed by other hosts {MOST_ATTEMPTS} times in a row; nothing was "
            "written. Run it again."
        )

    def _changed(self, change: Callable[[Registry], Registry]) -> Registry:
        before = self._kept.read()
        changed = change(self._parsed(before)).model_copy(
            update={"updated_at_utc": self._now().astimezone(UTC).isoformat()}
        )
        self._keep_older_schema(before)
        self._kept.replace(atomic_files.json_bytes(changed.model_dump(mode="json")))
        return changed

    def _keep_older_schema(self, content: bytes | None) -> None:
        """Leave a file of an older schema beside the one that replaces it, for the way back."""
        if content is None:
            return
        version = json.loads(content)["schema_version"]
        if version < SCHEMA_VERSION:
            atomic_files.write_bytes(self._file.with_name(f"registry.v{version}.json"), content)


@dataclass(frozen=True)
class ModelArtifact:
    """A model read from its folder, checked against its manifest."""

    model_id: str
    folder: Path
    factors: Factors
    params: dict[str, Any]
    metrics: dict[str, Any]
    metadata: dict[str, Any]


class ModelStore:
    """`artifacts/cf/{als,bpr}/<model_id>/`: written as a whole, read only if unaltered.

    `folders`, by model type, are given where other hosts share them.
    """

    def __init__(self, root: Path, folders: Mapping[str, KeptFolders] | None = None) -> None:
        self._root = root
        self._folders: Mapping[str, KeptFolders] = folders or {
            "als": OWN_FOLDERS,
            "bpr": OWN_FOLDERS,
        }

    def folder(self, model_type: ModelType, model_id: str) -> Path:
        return self._root / model_type / model_id

    def free_id(self, model_type: ModelType, day: str, registered: Registry) -> str:
        """An id of the day that neither the registry nor a folder uses, on no host."""
        taken = {path.name for path in (self._root / model_type).glob(f"{model_type}_*")}
        taken |= set(registered.models)
        while True:
            model_id = next_model_id(model_type, day, taken)
            if self._folders[model_type].claim(model_id):
                return model_id
            taken.add(model_id)

    def save(
        self,
        model_id: str,
        model_type: ModelType,
        factors: Factors,
        *,
        params: dict[str, Any],
        metrics: dict[str, Any],
        metadata: dict[str, Any],
        extra_arrays: dict[str, NDArray[Any]] | None = None,
        extra_texts: dict[str, str] | None = None,
    ) -> str:
        """Write the folder in one step and return its path relative to the registry's folder."""
        final = self.folder(model_type, model_id)
        arrays: dict[str, NDArray[Any]] = {
            USER_FACTORS: factors.user,
            ITEM_FACTORS: factors.item,
            **(extra_arrays or {}),
        }
        if factors.item_bias is not None:
            arrays[ITEM_BIAS] = factors.item_bias
        if final.exists():
            raise ArtifactError(f"{final} exists already; a model folder is never rewritten")
        atomic_files.sweep_leftovers(final.parent)
        with atomic_files.new_folder(final) as folder:
            for name, array in arrays.items():
                _require_finite(array, f"{model_id}/{name}")
                np.save(folder / name, np.ascontiguousarray(array), allow_pickle=False)
            for name, content in (("params", params), ("metrics", metrics), ("metadata", metadata)):
                atomic_files.write_json(folder / f"{name}.json", content)
            for name, text in (extra_texts or {}).items():
                atomic_files.write_text(folder / name, text)
            ids = {"user_ids": factors.ids.user_ids, "product_ids": factors.ids.product_ids}
            atomic_files.write_json(folder / IDS, ids)
            hashes = {path.name: atomic_files.sha256(path) for path in sorted(folder.iterdir())}
            atomic_files.write_json(
                folder / MANIFEST, {"schema_version": MODEL_SCHEMA_VERSION, "sha256": hashes}
            )
            self._folders[model_type].send(model_id, folder)
        return final.relative_to(self._root).as_posix()

    def load(self, record: ModelRecord) -> ModelArtifact:
        """Read and check a model: hashes, dtypes, shapes, finite numbers, its own ids."""
        folder = self._folder_of(record)
        self._folders[record.model_type].bring(record.model_id)
        self.require_unaltered(record.model_id, folder)
        ids = _read_json(folder / IDS)
        try:
            factors = Factors(
                user=_read_factors(folder / USER_FACTORS),
                item=_read_factors(folder / ITEM_FACTORS),
                ids=IdMap(tuple(ids["user_ids"]), tuple(ids["product_ids"])),
                item_bias=(
                    _read_factors(folder / ITEM_BIAS) if (folder / ITEM_BIAS).exists() else None
                ),
            )
        except (ValueError, KeyError) as error:
            raise ArtifactError(f"Model {record.model_id} in {folder}: {error}") from error
        return ModelArtifact(
            model_id=record.model_id,
            folder=folder,
            factors=factors,
            params=_read_json(folder / "params.json"),
            metrics=_read_json(folder / "metrics.json"),
            metadata=_read_json(folder / "metadata.json"),
        )

    def metrics(self, record: ModelRecord) -> dict[str, Any]:
        """All figures of a model, without reading its factors; ArtifactError if they are gone."""
        self._folders[record.model_type].bring(record.model_id)
        return _read_json(self._root / record.path / "metrics.json")

    def rename_user(self, user_id: str, pseudonym: str) -> int:
        """Let every stored model call the user by a pseudonym, on all hosts; returns how many.

        The factors stay, nobody's. An interruption is repaired by the next call.
        """
        for folders in self._folders.values():
            for shared in folders.listed():
                folders.bring(shared.name)
        renamed = rename_in_models(self._root, user_id, pseudonym)
        for folders in self._folders.values():
            for shared in folders.listed():
                folders.send_again(shared.name)
        return renamed

    def delete(self, record: ModelRecord) -> None:
        folder = self._folder_of(record)
        self._folders[record.model_type].remove(record.model_id)
        shutil.rmtree(folder)

    def _folder_of(self, record: ModelRecord) -> Path:
        """The one place where a model may lie; a hand-edited path never leads elsewhere."""
        folder = self.folder(record.model_type, record.model_id)
        if self._root / record.path != folder or folder.resolve() != self._root.resolve() / (
            folder.relative_to(self._root)
        ):
            raise ArtifactError(f"Model {record.model_id}: the path {record.path!r} is not allowed")
        return folder

    def require_unaltered(self, model_id: str, folder: Path) -> None:
        """ArtifactError unless every file has the hash of the manifest; `load` asks each time.

        A store that only looks may answer from memory while no file was touched.
        """
        manifest = _read_json(folder / MANIFEST)
        if manifest.get("schema_version") != MODEL_SCHEMA_VERSION:
            raise ArtifactError(
                f"Model {model_id} has schema version {manifest.get('schema_version')}; this "
                f"program knows {MODEL_SCHEMA_VERSION}. Use the program that wrote it."
            )
        for name, expected in manifest.get("sha256", {}).items():
            path = folder / name
            if not path.is_file():
                raise ArtifactError(f"Model {model_id} lacks {name} in {folder}.")
            if atomic_files.sha256(path) != expected:
                raise ArtifactError(f"Model {model_id}: {path} was altered after training.")
        missing = {USER_FACTORS, ITEM_FACTORS, IDS} - set(manifest.get("sha256", {}))
        if missing:
            raise ArtifactError(f"Model {model_id}: the manifest does not list {sorted(missing)}.")


def _read_factors(path: Path) -> NDArray[np.float32]:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype != np.float32 or not array.flags.c_contiguous:
        raise ArtifactError(f"{path} must be float32 in C order, it is {array.dtype}")
    _require_finite(array, str(path))
    return array  # type: ignore[no-any-return]


def _require_finite(array: NDArray[Any], name: str) -> None:
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        raise ArtifactError(f"{name} holds NaN or infinite numbers")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ArtifactError(f"{path} does not hold a JSON object")
    return content
