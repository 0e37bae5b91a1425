"""The declared schema of each input: which columns, under which names, of which range."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from viecomrec.domain import columns as c
from viecomrec.errors import InputError

MAX_ID_BYTES = 120
"""Longer ids are a sign of a shifted column; the bound also keeps the id files compact."""

RATING_RANGE = (1.0, 5.0)
YEAR_RANGE = (1990, 2100)
PLACEHOLDERS = ("no_brand", "no_type", "no_skin", "no_origin", "no_expiry", "nan", "none", "null")
"""What real exports write where they know nothing."""


@dataclass(frozen=True)
class Column:
    """A column of ours and the names that shops give it, the preferred one first."""

    name: str
    aliases: tuple[str, ...]
    required: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.aliases)


@dataclass(frozen=True)
class Contract:
    """What one input file must hold."""

    what: str
    default_file: str
    columns: tuple[Column, ...]
    required: bool = True
    is_mapped: bool = True
    """Whether config/data_source.json can name its file and columns."""

    @property
    def remedy(self) -> str:
        """What to do about a column that is not found."""
        if not self.is_mapped:
            return "Rename it in the file."
        return f"Rename it or name yours in config/data_source.json under {self.what}.columns."


REVIEWS = Contract(
    "reviews",
    "data_reviews_purchase.csv",
    (
        Column(c.USER_ID, ("userid", "customer_id", "ma_khach_hang"), required=True),
        Column(c.PRODUCT_ID, ("productid", "item_id", "itemid", "ma_san_pham"), required=True),
        Column(c.RATING, ("rating_star", "star", "stars", "so_sao"), required=True),
        Column(c.AT, ("cmt_date", "timestamp", "ts", "date", "created_at"), required=True),
        Column(c.COMMENT, ("processed_comment", "content", "review", "binh_luan")),
    ),
)

PRODUCTS = Contract(
    "products",
    "data_product.csv",
    (
        Column(c.PRODUCT_ID, ("productid", "item_id", "itemid", "ma_san_pham"), required=True),
        Column(c.NAME, ("product_name", "ten_san_pham", "title"), required=True),
        Column(c.BRAND, ("thuong_hieu",)),
        Column(c.CATEGORY, ("type", "danh_muc")),
        Column(c.PRICE, ("gia_ban",)),
        Column(c.RATING, ("avg_star", "rating_star", "diem_trung_binh")),
        Column(c.SOLD, ("num_sold_time", "num_sold", "da_ban")),
        Column(c.DESCRIPTION, ("processed_description", "mo_ta")),
        Column(c.FEATURE, ()),
        Column(c.INGREDIENT, ("thanh_phan",)),
        Column(c.SKIN_TYPE, ("skin_kind", "loai_da")),
        Column(c.IMAGE, ("image_path", "image_url")),
        Column(c.IN_STOCK, ("con_hang",)),
    ),
)

ATTRIBUTES = Contract(
    "attributes",
    "data_product_attribute.csv",
    (
        Column(c.PRODUCT_ID, ("productid", "item_id", "itemid", "ma_san_pham"), required=True),
        Column(c.FEATURE, ()),
        Column(c.INGREDIENT, ("thanh_phan",)),
        Column(c.SKIN_TYPE, ("skin_kind", "loai_da")),
        Column(c.BRAND, ("thuong_hieu",)),
    ),
    required=False,
)

EVENTS = Contract(
    "events",
    "events.jsonl",
    (
        Column(c.EVENT_ID, ("interaction_id",)),
        Column(c.USER_ID, ("userid", "customer_id"), required=True),
        Column(c.PRODUCT_ID, ("productid", "item_id"), required=True),
        Column(c.KIND, ("interaction_type", "type")),
        Column(c.RATING, ("star", "stars")),
        Column(
            c.AT, ("timestamp", "cmt_date", "ts", "date", "created_at", "order_date"), required=True
        ),
        Column(c.COMMENT, ("processed_comment",)),
    ),
    required=False,
    is_mapped=False,
)


def find_columns(
    header: Sequence[str], contract: Contract, named: Mapping[str, str], file: str
) -> dict[str, str]:
    """Map our column names to those of the file: named ones first, then the alias table.

    A merge of tables leaves names such as `rating_x`; they count where the plain name is
    absent. Raises InputError with the name, the accepted ones and the file's own, and where a
    wanted column stands twice: nobody could say which of the two is meant.
    """
    by_name = {name.strip().lower(): name for name in reversed(header)}
    found: dict[str, str] = {}
    for column in contract.columns:
        match = _named(column, by_name, named, file) or _by_alias(column, by_name)
        if match is not None:
            _require_once(match, header, file)
            found[column.name] = match
        elif column.required:
            raise InputError(
                f"{file}: the column {column.name!r} is missing (accepted names: "
                f"{', '.join(column.names)}; the file has: {', '.join(header)}). {contract.remedy}"
            )
    return found


def _named(
    column: Column, by_name: Mapping[str, str], named: Mapping[str, str], file: str
) -> str | None:
    if column.name not in named:
        return None
    match = by_name.get(named[column.name].strip().lower())
    if match is None:
        raise InputError(
            f"{file}: config/data_source.json names the column {named[column.name]!r} for "
            f"{column.name!r}, but the file has: {', '.join(reversed(list(by_name.values())))}."
        )
    return match


def _require_once(name: str, header: Sequence[str], file: str) -> None:
    plain = name.strip().lower()
    places = [at for at, other in enumerate(header, start=1) if other.strip().lower() == plain]
    if len(places) > 1:
        raise InputError(
            f"{file}: the column {plain!r} stands {len(places)} times in the header (columns "
            f"{', '.join(map(str, places))}). Remove or rename all but one of them in the file."
        )


def _by_alias(column: Column, by_name: Mapping[str, str]) -> str | None:
    candidates = [*column.names, *(f"{name}_x" for name in column.names)]
    return next((by_name[name] for name in candidates if name in by_name), None)
