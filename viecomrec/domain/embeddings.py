"""Vectors of the products' texts, and which encoder made them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class EncoderIdentity:
    """All that decides which vector a text gets."""

    model: str
    """The name that the guide's file carries: `vinai/phobert-base`, or the project's own."""

    revision: str | None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """A short name of this very encoder: vectors under one key are interchangeable."""
        canonical = json.dumps([self.model, self.revision, dict(sorted(self.options.items()))])
        return f"{self.model}@{hashlib.sha256(canonical.encode()).hexdigest()[:12]}"


class EmbeddingManifest(BaseModel):
    """What the folder of one version holds and how its vectors came about."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    schema_version: int = SCHEMA_VERSION
    version: str
    model: str
    """The encoder that made the vectors, truly."""

    revision: str | None = None
    """The pinned revision of the weights; None for an encoder that has none."""

    encoder_key: str = ""
    """`EncoderIdentity.key` of the encoder that made them."""

    space: str
    """Vectors of equal space are comparable; of different spaces never, whatever `model` says."""

    degraded: bool = False
    degraded_reason: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    n_products: int
    dimensions: int
    created_at: str
    created_at_utc: str
    sha256: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class ProductEmbeddings:
    """Row r of `vectors` is the text of `product_ids[r]`.

    `vectors` is float32, n_products x dimensions, C order, each row of length 1 (or all zero
    where a product has no text). `text_hashes` has one content hash per row.
    """

    product_ids: tuple[str, ...]
    vectors: NDArray[np.float32]
    text_hashes: tuple[str, ...]
    manifest: EmbeddingManifest

    def __post_init__(self) -> None:
        n = len(self.product_ids)
        if self.vectors.shape != (n, self.manifest.dimensions) or len(self.text_hashes) != n:
            raise ValueError(
                f"{n} product ids, {len(self.text_hashes)} text hashes and vectors of shape "
                f"{self.vectors.shape} do not belong together"
            )

    @property
    def model(self) -> str:
        return self.manifest.model

    @property
    def revision(self) -> str | None:
        return self.manifest.revision

    @property
    def space(self) -> str:
        return self.manifest.space

    @property
    def degraded(self) -> bool:
        return self.manifest.degraded

    @property
    def version(self) -> str:
        return self.manifest.version

    @property
    def created_at_utc(self) -> str:
        return self.manifest.created_at_utc

    @property
    def dimensions(self) -> int:
        return int(self.vectors.shape[1])

    @cached_property
    def _row(self) -> dict[str, int]:
        return {product_id: row for row, product_id in enumerate(self.product_ids)}

    def aligned(self, product_ids: Sequence[str]) -> NDArray[np.float32]:
        """Vectors in the order of `product_ids`, shape (len, dimensions); unknown ids are zero."""
        rows = np.array([self._row.get(product_id, -1) for product_id in product_ids], dtype=int)
        aligned = np.zeros((len(rows), self.dimensions), dtype=np.float32)
        known = rows >= 0
        aligned[known] = self.vectors[rows[known]]
        return aligned


def embedding_version(
    product_ids: Sequence[str], vectors: NDArray[np.float32], described: Mapping[str, Any]
) -> str:
    """Name embeddings after their content: ids, bytes of the vectors, and what made them."""
    made_by = [described.get(name) for name in ("model", "revision", "space")]
    digest = hashlib.sha256(json.dumps([list(product_ids), vectors.shape, made_by]).encode())
    digest.update(np.ascontiguousarray(vectors).data)
    return digest.hexdigest()[:16]


def age_in_days(created_at_utc: str, now: datetime) -> int:
    """Whole days since; 0 for an instant that a corrected clock has put into the future."""
    return max(0, (now - datetime.fromisoformat(created_at_utc)).days)


def reason_to_encode(
    current: ProductEmbeddings | None,
    texts_by_product: Mapping[str, str],
    encoder_key: str,
    now: datetime,
    fresh_days: int,
) -> str | None:
    """Why the embeddings in force do not do, or None while they are fresh.

    `texts_by_product` maps each product id to the hash of its text. Fresh means: younger than
    `fresh_days`, of the same products with the same texts, by the same encoder.
    """
    if current is None:
        return "no embeddings yet"
    if current.manifest.encoder_key != encoder_key:
        return f"made by another encoder ({current.model})"
    if not texts_are_those_of(current, texts_by_product):
        return "products or their texts changed"
    age = age_in_days(current.created_at_utc, now)
    return None if age < fresh_days else f"{age} days old"


def texts_are_those_of(embeddings: ProductEmbeddings, texts_by_product: Mapping[str, str]) -> bool:
    """Whether these are the very products and texts (by hash) that were embedded."""
    embedded = dict(zip(embeddings.product_ids, embeddings.text_hashes, strict=True))
    return embedded == texts_by_product
