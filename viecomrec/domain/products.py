"""The products of a snapshot: those of the catalogue, then those that only events know."""

import polars as pl

from viecomrec.domain import columns as c
from viecomrec.domain.checks import with_decimal_point
from viecomrec.domain.contracts import ATTRIBUTES, PLACEHOLDERS, PRODUCTS

_TEXTS = (c.NAME, c.BRAND, c.CATEGORY, c.DESCRIPTION, c.FEATURE, c.INGREDIENT, c.SKIN_TYPE, c.IMAGE)

PRODUCT_SCHEMA = pl.Schema(
    {
        c.PRODUCT_ID: pl.String(),
        c.NAME: pl.String(),
        c.BRAND: pl.String(),
        c.CATEGORY: pl.String(),
        c.PRICE: pl.Float64(),
        c.RATING: pl.Float64(),
        c.SOLD: pl.Int64(),
        c.DESCRIPTION: pl.String(),
        c.FEATURE: pl.String(),
        c.INGREDIENT: pl.String(),
        c.SKIN_TYPE: pl.String(),
        c.IMAGE: pl.String(),
        c.IN_STOCK: pl.Boolean(),
        c.IN_CATALOGUE: pl.Boolean(),
    }
)

_MAYBE_DECOMPOSED = r"[^\x00-\u02ff\u1e00-\u1eff]"
"""Latin letters as Vietnamese has them are composed, and no two of them make up a third."""

_LONGEST_PLACEHOLDER = max(map(len, PLACEHOLDERS))

_YES = ("1", "true", "yes", "y", "con hang", "còn hàng", "in stock")
_NO = ("0", "false", "no", "n", "het hang", "hết hàng", "out of stock")


def read_catalogue(raw_products: pl.DataFrame, raw_attributes: pl.DataFrame | None) -> pl.DataFrame:
    """The catalogue in the order of its file, one row per product id, with PRODUCT_SCHEMA.

    The first row of a repeated id counts. Attributes fill what the catalogue leaves empty. A
    number that is none becomes null: a catalogue is shown, not learnt from.
    """
    products = _one_per_product(_complete(raw_products, [x.name for x in PRODUCTS.columns]))
    if raw_attributes is not None:
        names = [column.name for column in ATTRIBUTES.columns]
        attributes = _one_per_product(_complete(raw_attributes, names)).select(names)
        products = products.join(
            attributes, on=c.PRODUCT_ID, how="left", suffix="_more", maintain_order="left"
        ).with_columns(
            pl.coalesce(name, f"{name}_more").alias(name) for name in names if name != c.PRODUCT_ID
        )
    products = products.with_columns(with_decimal_point(pl.col(c.RATING)))
    return products.with_columns(
        _number(c.PRICE), _number(c.RATING), _number(c.SOLD).cast(pl.Int64), _flag(c.IN_STOCK)
    ).select(
        *(
            pl.lit(value=True).alias(name) if name == c.IN_CATALOGUE else pl.col(name).cast(kind)
            for name, kind in PRODUCT_SCHEMA.items()
        )
    )


def with_uncatalogued(catalogue: pl.DataFrame, product_ids: pl.Series) -> pl.DataFrame:
    """Append the products that events name and the catalogue does not, by their ids."""
    unknown = (
        product_ids.unique()
        .to_frame(c.PRODUCT_ID)
        .join(catalogue, on=c.PRODUCT_ID, how="anti")
        .sort(c.PRODUCT_ID)
    )
    rows = unknown.select(
        c.PRODUCT_ID,
        *(
            pl.col(c.PRODUCT_ID).alias(name) if name == c.NAME else pl.lit(None, kind).alias(name)
            for name, kind in PRODUCT_SCHEMA.items()
            if name not in {c.PRODUCT_ID, c.IN_CATALOGUE}
        ),
        pl.lit(value=False).alias(c.IN_CATALOGUE),
    )
    return pl.concat([catalogue, rows.select(catalogue.columns)])


def _complete(raw: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Texts without surrounding space and without placeholders; absent columns as nulls."""
    absent = [name for name in names if name not in raw.columns]
    complete = raw.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in absent)
    stripped = complete.select(
        (_composed(name) if name in _TEXTS else pl.col(name)).str.strip_chars() for name in names
    )
    return stripped.with_columns(_known(name) for name in names if name in _TEXTS)


def _composed(column: str) -> pl.Expr:
    """The text in NFC; most texts are so already."""
    text = pl.col(column)
    return (
        pl.when(text.str.contains(_MAYBE_DECOMPOSED))
        .then(text.str.normalize("NFC"))
        .otherwise(text)
    )


def _known(column: str) -> pl.Expr:
    text = pl.col(column)
    beginning = text.str.head(_LONGEST_PLACEHOLDER + 1).str.to_lowercase()
    return pl.when((text != "") & ~beginning.is_in(PLACEHOLDERS)).then(text).alias(column)


def _one_per_product(table: pl.DataFrame) -> pl.DataFrame:
    return table.filter(pl.col(c.PRODUCT_ID).fill_null("") != "").unique(
        c.PRODUCT_ID, keep="first", maintain_order=True
    )


def _number(column: str) -> pl.Expr:
    number = pl.col(column).cast(pl.Float64, strict=False)
    return pl.when(number.is_finite() & (number >= 0)).then(number).alias(column)


def _flag(column: str) -> pl.Expr:
    text = pl.col(column).str.to_lowercase()
    return (
        pl.when(text.is_in(_YES))
        .then(pl.lit(value=True))
        .when(text.is_in(_NO))
        .then(pl.lit(value=False))
        .alias(column)
    )
