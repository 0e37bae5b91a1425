"""The versions of the product embeddings, the pointer to the current one, the guide's .pt file."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viecomrec.adapters import atomic_files
from viecomrec.adapters.sharing import Kept, own
from viecomrec.domain.embeddings import EmbeddingManifest, ProductEmbeddings, embedding_version
from viecomrec.errors import ArtifactError

VECTORS = "vectors.npy"
PRODUCTS = "products.json"
MANIFEST = "manifest.json"
REMEDY = "Make them again with: python -m automation.bert_embeddings --force"


class EmbeddingStore:
    """`artifacts/embeddings/<version>/`, its pointer, and `product_embeddings.pt` as a view.

    Readers never import torch: they read .npy and .json through the pointer. `kept` is given where
    other hosts share them.
    """

    def __init__(
        self,
        root: Path,
        pointer: Path,
        view_file: Path,
        kept: Kept | None = None,
    ) -> None:
        self._root = root
        self._pointer = pointer
        self._view_file = view_file
        self._kept = kept or own(pointer)

    def current(self) -> ProductEmbeddings | None:
        """The embeddings in force, checked against their hashes; None before the first run."""
        version = self._pointed().get("version")
        return None if version is None else self.open(str(version))

    def open(self, version: str) -> ProductEmbeddings:
        """Read one version; ArtifactError if a file of it is missing, torn or altered."""
        folder = self._root / version
        self._kept.folders.bring(version)
        try:
            manifest = EmbeddingManifest.model_validate_json((folder / MANIFEST).read_bytes())
            for name, expected in manifest.sha256.items():
                if atomic_files.sha256(folder / name) != expected:
                    raise ArtifactError(f"Embeddings {version}: {name} was altered. {REMEDY}")
            products = json.loads((folder / PRODUCTS).read_bytes())
            return ProductEmbeddings(
                product_ids=tuple(products["product_ids"]),
                text_hashes=tuple(products["text_hashes"]),
                vectors=np.load(folder / VECTORS, allow_pickle=False),
                manifest=manifest,
            )
        except (OSError, ValueError, KeyError) as error:
            raise ArtifactError(
                f"Embeddings {version} cannot be read ({error}). {REMEDY}"
            ) from error

    def publish(
        self,
        product_ids: Sequence[str],
        vectors: NDArray[np.float32],
        text_hashes: Sequence[str],
        *,
        described: Mapping[str, Any],
        at: datetime,
    ) -> ProductEmbeddings:
        """Write one version as a whole, then the guide's file, and move the pointer last.

        `described` holds the manifest's fields model, revision, space and, where they say
        something, encoder_key, degraded, degraded_reason, options. `at` is aware, in the zone of
        local timestamps. A failure at any step leaves the former version in force.
        """
        _require_usable(len(product_ids), vectors)
        version = embedding_version(product_ids, vectors, described)
        manifest = EmbeddingManifest(
            version=version,
            n_products=len(product_ids),
            dimensions=int(vectors.shape[1]),
            created_at=at.replace(tzinfo=None).isoformat(timespec="seconds"),
            created_at_utc=at.astimezone(UTC).isoformat(timespec="seconds"),
            **described,
        )
        try:
            self._write_version(product_ids, vectors, text_hashes, manifest)
            self._kept.folders.send(version, self._root / version)
            published = self.open(version)
            self._point_at(published)
        # torch reports a full disk as RuntimeError.
        except (OSError, RuntimeError) as error:
            raise ArtifactError(
                f"The embeddings cannot be saved under {self._root} ({error}). "
                "The former ones stay in force; free some space and run the command again."
            ) from error
        return published

    def repair_view(self) -> bool:
        """Write `product_embeddings.pt` again if it is missing, torn or not ours; say whether."""
        expected = self._pointed().get("view_sha256")
        embeddings = self.current()
        if embeddings is None or self._view_is(expected):
            return False
        self._point_at(embeddings)
        return True

    def _view_is(self, sha256: Any) -> bool:
        return self._view_file.is_file() and atomic_files.sha256(self._view_file) == sha256

    def _pointed(self) -> dict[str, Any]:
        content = self._kept.pointer.read()
        if content is None:
            return {}
        try:
            pointed: dict[str, Any] = json.loads(content)
            _ = pointed["version"]
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{self._pointer} is damaged ({error}). {REMEDY}") from error
        return pointed

    def _write_version(
        self,
        product_ids: Sequence[str],
        vectors: NDArray[np.float32],
        text_hashes: Sequence[str],
        manifest: EmbeddingManifest,
    ) -> None:
        final = self._root / manifest.version
        products = {"product_ids": list(product_ids), "text_hashes": list(text_hashes)}
        if not final.exists():
            with atomic_files.new_folder(final) as folder:
                np.save(folder / VECTORS, np.ascontiguousarray(vectors), allow_pickle=False)
                atomic_files.write_json(folder / PRODUCTS, products)
                self._write_manifest(folder, manifest)
            return
        # The same content again (or a version that a disk fault damaged): each file anew.
        with atomic_files.new_file(final / VECTORS) as temporary, temporary.open("wb") as file:
            np.save(file, np.ascontiguousarray(vectors), allow_pickle=False)
        atomic_files.write_json(final / PRODUCTS, products)
        self._write_manifest(final, manifest)

    def _write_manifest(self, folder: Path, manifest: EmbeddingManifest) -> None:
        hashes = {name: atomic_files.sha256(folder / name) for name in (VECTORS, PRODUCTS)}
        complete = manifest.model_copy(update={"sha256": hashes})
        atomic_files.write_text(folder / MANIFEST, complete.model_dump_json(indent=2) + "\n")

    def _point_at(self, embeddings: ProductEmbeddings) -> None:
        """Write the guide's file beside its place, move the pointer, then the file into place.

        A failure before the pointer moves leaves the former file; a crash after it leaves a
        file that the pointer does not know, which `repair_view` replaces.
        """
        with atomic_files.new_file(self._view_file) as temporary:
            _save_tensors(embeddings, temporary)
            pointer = {
                "schema_version": 1,
                "version": embeddings.version,
                "view_sha256": atomic_files.sha256(temporary),
            }
            self._kept.pointer.replace(atomic_files.json_bytes(pointer))


def _save_tensors(embeddings: ProductEmbeddings, file: Path) -> None:
    """The guide's content, loadable with `torch.load(file, weights_only=True)`."""
    import torch

    manifest = embeddings.manifest
    content = {
        "product_ids": list(embeddings.product_ids),
        "embeddings": torch.from_numpy(embeddings.vectors),
        "model": manifest.model,
        "created_at": manifest.created_at,
        "created_at_utc": manifest.created_at_utc,
        "revision": manifest.revision,
        "degraded": manifest.degraded,
        "version": manifest.version,
    }
    # Through a handle: given a path, torch writes its random temporary name into the file.
    with file.open("wb") as handle:
        torch.save(content, handle)


def _require_usable(n_products: int, vectors: NDArray[np.float32]) -> None:
    is_matrix = vectors.size > 0 and vectors.shape == (n_products, vectors.size // n_products)
    if vectors.dtype != np.float32 or not is_matrix:
        raise ArtifactError(
            f"embeddings of {n_products} products must be a float32 matrix of as many rows, "
            f"got {vectors.dtype} {vectors.shape}"
        )
    if not np.isfinite(vectors).all():
        raise ArtifactError("the encoder returned NaN or infinite numbers; nothing was written")
