"""The demo shop on disk: written once, recognised afterwards, never over anybody else's files."""

import io
import json
from pathlib import Path
from typing import Any

import polars as pl

from viecomrec.adapters import atomic_files
from viecomrec.adapters.scheduler_files import DEFAULTS
from viecomrec.domain.simulation import SIMULATOR_VERSION, SimulatedShop
from viecomrec.errors import ConfigurationError, VieComRecError

REVIEWS = "data_reviews_purchase.csv"
PRODUCTS = "data_product.csv"
ATTRIBUTES = "data_product_attribute.csv"
SHOPS = "data_shop.csv"
FILES = (REVIEWS, PRODUCTS, ATTRIBUTES, SHOPS)

SETTINGS = {"embeddings": {"encoder": "tfidf"}, "comments": {"scorer": "self-trained"}}
"""The demo chooses what needs no download, so that its absence is no warning."""


class DemoShopFiles:
    """The four files of a simulated shop, and beside their folder a marker that says which."""

    def __init__(
        self, published_data: Path, marker_file: Path, settings_file: Path, schedule_file: Path
    ) -> None:
        self._folder = published_data
        self._marker_file = marker_file
        self._settings_file = settings_file
        self._schedule_file = schedule_file

    def is_current(self, seed: int, n_users: int, n_products: int) -> bool:
        """Whether exactly this shop lies here, every file as it was written."""
        marker = self._marker()
        if marker is None or marker.get("shop") != _identity(seed, n_users, n_products):
            return False
        hashes = marker.get("sha256", {})
        return set(hashes) == set(FILES) and all(
            (self._folder / name).is_file()
            and atomic_files.sha256(self._folder / name) == hashes[name]
            for name in FILES
        )

    def write(self, shop: SimulatedShop, seed: int, n_users: int, n_products: int) -> None:
        """Replace the files, each in one step; ConfigurationError before touching foreign ones."""
        self.require_own_folder()
        identity = _identity(seed, n_users, n_products)
        try:
            # Marked as ours, and as incomplete, before the first file changes.
            atomic_files.write_json(self._marker_file, {"shop": identity, "sha256": {}})
            for name, table in _tables(shop).items():
                atomic_files.write_bytes(self._folder / name, _csv(table))
            self._write_configuration()
            hashes = {name: atomic_files.sha256(self._folder / name) for name in FILES}
            atomic_files.write_json(self._marker_file, {"shop": identity, "sha256": hashes})
        except OSError as error:
            raise VieComRecError(
                f"The demo shop cannot be written to {self._folder}: {error.strerror or error}. "
                "Choose a folder that you may write to with --project-dir."
            ) from error

    def require_own_folder(self) -> None:
        """Raise ConfigurationError where a shop lies that no demo wrote."""
        foreign = sorted(self._folder.glob("*.csv")) if self._folder.is_dir() else []
        if foreign and self._marker() is None:
            raise ConfigurationError(
                f"{self._folder} holds {foreign[0].name}, which the demo did not write. "
                "The demo never touches a real shop: choose an empty folder with --project-dir."
            )

    def _write_configuration(self) -> None:
        """The settings of the demo and the schedule that ships; what is there stays."""
        if not self._settings_file.exists():
            atomic_files.write_json(self._settings_file, SETTINGS)
        if not self._schedule_file.exists():
            atomic_files.write_bytes(self._schedule_file, DEFAULTS.read_bytes())

    def _marker(self) -> dict[str, Any] | None:
        try:
            content = json.loads(self._marker_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None


def _identity(seed: int, n_users: int, n_products: int) -> dict[str, int]:
    return {
        "simulator_version": SIMULATOR_VERSION,
        "seed": seed,
        "n_users": n_users,
        "n_products": n_products,
    }


def _tables(shop: SimulatedShop) -> dict[str, pl.DataFrame]:
    """The tables by file name; the reviews get the real file's unnamed index column."""
    return {
        REVIEWS: shop.reviews.with_row_index(""),
        PRODUCTS: shop.products,
        ATTRIBUTES: shop.attributes,
        SHOPS: shop.shops,
    }


def _csv(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_csv(buffer)
    return buffer.getvalue()
