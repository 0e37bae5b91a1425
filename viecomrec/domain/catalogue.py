"""The products of a shop as the service shows them, and what they can be filtered by."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from viecomrec.domain.api import FilterParams
from viecomrec.errors import InputError

Mask = NDArray[np.bool_]
Rows = NDArray[np.int32]


@dataclass(frozen=True)
class Product:
    """One product as a person sees it; what the shop does not say is None."""

    product_id: str
    name: str
    brand: str | None
    category: str | None
    price: float | None
    rating: float | None
    sold: int | None
    in_stock: bool | None


@dataclass(frozen=True)
class Catalogue:
    """Row r of every array is item index r of the snapshot.

    `is_offered` is False for products that are only known from old events: they are never shown.
    """

    products: Sequence[Product]
    is_offered: Mask
    variant_group: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.products)

    @cached_property
    def has_variants(self) -> bool:
        """Whether some products are variants of one; `variant_group` counts up otherwise."""
        return int(self.variant_group.max(initial=-1)) + 1 < len(self)

    @cached_property
    def columns(self) -> dict[str, int]:
        """The row of each product id."""
        return {product.product_id: row for row, product in enumerate(self.products)}

    def index(self, product_id: str) -> int | None:
        return self.columns.get(product_id)

    def indices(self, product_ids: Iterable[str]) -> NDArray[np.int32]:
        """The rows of the known ones among `product_ids`, in their order."""
        rows = [self.columns[one] for one in product_ids if one in self.columns]
        return np.array(rows, dtype=np.int32)

    @property
    def product_ids(self) -> list[str]:
        return [product.product_id for product in self.products]

    @cached_property
    def brands(self) -> dict[str, Rows]:
        """Rows of each brand by its folded name."""
        return _rows_by_label([product.brand for product in self.products])

    @cached_property
    def categories(self) -> dict[str, Rows]:
        return _rows_by_label([product.category for product in self.products])

    @cached_property
    def prices(self) -> NDArray[np.float64]:
        """NaN where the shop does not say."""
        return np.array(
            [np.nan if product.price is None else product.price for product in self.products]
        )

    @cached_property
    def out_of_stock(self) -> Mask:
        """True only where the shop says so."""
        return np.array([product.in_stock is False for product in self.products], dtype=np.bool_)

    @cached_property
    def reports_stock(self) -> bool:
        return any(product.in_stock is not None for product in self.products)

    def matching(self, wanted: FilterParams) -> Mask:
        """The rows that meet every condition; an unknown brand or category meets none.

        Raises InputError where the catalogue does not have the field at all: a condition that
        cannot be checked is never silently dropped.
        """
        rows = np.ones(len(self), dtype=np.bool_)
        if wanted.brand is not None:
            rows &= self._labelled("brand", self.brands, wanted.brand)
        if wanted.category is not None:
            rows &= self._labelled("category", self.categories, wanted.category)
        if wanted.min_price is not None or wanted.max_price is not None:
            rows &= self._priced(wanted)
        if wanted.in_stock is not None:
            self._require("in_stock", has_field=self.reports_stock)
            rows &= ~self.out_of_stock if wanted.in_stock else self.out_of_stock
        return rows

    def _labelled(self, field: str, known: dict[str, Rows], labels: str | list[str]) -> Mask:
        self._require(field, has_field=bool(known))
        rows = np.zeros(len(self), dtype=np.bool_)
        for label in [labels] if isinstance(labels, str) else labels:
            rows[known.get(fold_label(label), [])] = True
        return rows

    def _priced(self, wanted: FilterParams) -> Mask:
        self._require("price", has_field=bool(np.isfinite(self.prices).any()))
        low = -np.inf if wanted.min_price is None else wanted.min_price
        high = np.inf if wanted.max_price is None else wanted.max_price
        rows: Mask = (self.prices >= low) & (self.prices <= high)
        return rows

    def _require(self, field: str, *, has_field: bool) -> None:
        if not has_field:
            raise InputError(f"This shop's catalogue has no {field}; it cannot be filtered by it.")


def fold_label(label: str) -> str:
    """One form for labels that differ only in case, spacing or Unicode composition."""
    return " ".join(unicodedata.normalize("NFC", label).casefold().split())


def _rows_by_label(labels: Sequence[str | None]) -> dict[str, Rows]:
    rows: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        if label:
            rows.setdefault(fold_label(label), []).append(row)
    return {label: np.array(members, dtype=np.int32) for label, members in rows.items()}
