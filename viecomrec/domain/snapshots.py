"""What a snapshot is: immutable, complete, named after its content."""

import hashlib
import json
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION = 1

INTERACTIONS = "interactions.parquet"
CONFIDENCE_MATRIX = "X_train_confidence.npz"
BINARY_MATRIX = "X_train_binary.npz"
MAPPINGS = "user_item_mappings.json"
USER_METADATA = "user_metadata.pkl"
USER_POSITIVES = "user_pos_train.pkl"
STATISTICS = "data_stats.json"
GUIDE_FILES = (
    INTERACTIONS,
    CONFIDENCE_MATRIX,
    BINARY_MATRIX,
    MAPPINGS,
    USER_METADATA,
    USER_POSITIVES,
    STATISTICS,
)
"""The seven output files that the guide names."""

PRODUCTS = "products.parquet"
HELD_OUT = "held_out.parquet"
TOTALS = "totals.parquet"
BUCKETS = "buckets.npz"
"""What the next incremental refresh goes on from: sums, and which bytes hold which users."""

MANIFEST = "manifest.json"


class FileEntry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    size: int
    sha256: str


class SnapshotManifest(BaseModel):
    """What the folder must hold; `source` is what the refresh compares to recognise no change."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = SCHEMA_VERSION
    version: str
    files: dict[str, FileEntry]
    source: dict[str, str]
    """Fingerprint of each input (raw files, merged events, settings, scorer) by name."""
    created_at_utc: str
    engine: str = "embedded"
    """Who worked on the rows; every engine gives the same files."""


def content_version(hashes: Mapping[str, str]) -> str:
    """Name a set of files after their content: 16 hex digits of a SHA-256 over sorted hashes."""
    canonical = json.dumps(dict(sorted(hashes.items())), separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
