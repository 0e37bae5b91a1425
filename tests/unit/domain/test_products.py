import re
import unicodedata

import polars as pl

from viecomrec.domain.contracts import PLACEHOLDERS
from viecomrec.domain.products import (
    _MAYBE_DECOMPOSED,
    PRODUCT_SCHEMA,
    read_catalogue,
    with_uncatalogued,
)


def catalogue(rows, attributes=None):
    return read_catalogue(
        pl.DataFrame(rows, infer_schema_length=None),
        None if attributes is None else pl.DataFrame(attributes),
    )


def test_optional_columns_are_null_and_never_missing():
    table = catalogue([{"product_id": "1", "name": "Sữa"}])
    assert table.schema == PRODUCT_SCHEMA
    assert table.row(0, named=True)["price"] is None


def test_the_first_row_of_a_repeated_id_counts_and_the_order_is_that_of_the_file():
    rows = [{"product_id": i, "name": n} for i, n in (("9", "a"), ("1", "b"), ("9", "c"))]
    assert catalogue(rows).select("product_id", "name").rows() == [("9", "a"), ("1", "b")]


def test_placeholders_and_numbers_that_are_none_become_null():
    row = {"product_id": "1", "name": "x", "brand": "No_Brand", "price": "-5", "sold": "12.0"}
    table = catalogue([row | {"rating": "nan", "in_stock": "hết hàng"}])
    assert table.select("brand", "price", "sold", "rating", "in_stock").row(0) == (
        None,
        None,
        12,
        None,
        False,
    )


def test_an_average_may_have_a_decimal_comma():
    assert catalogue([{"product_id": "p1", "name": "a", "rating": "4,8"}])["rating"].item() == 4.8


def test_texts_are_composed_and_only_a_whole_placeholder_is_none():
    decomposed = unicodedata.normalize("NFD", "Sữa rửa mặt ")
    row = {"product_id": "1", "name": decomposed, "brand": "None of us", "category": " NULL "}
    table = catalogue([row | {"description": "\u212b and \u1112\u1161\u11ab"}])
    assert table.select("name", "brand", "category", "description").row(0) == (
        "Sữa rửa mặt",
        "None of us",
        None,
        "Å and 한",
    )


def test_a_text_that_only_begins_like_a_placeholder_stays():
    names = [f"{placeholder}x" for placeholder in PLACEHOLDERS]
    table = catalogue([{"product_id": str(n), "name": name} for n, name in enumerate(names)])
    assert table["name"].to_list() == names


def test_what_is_taken_for_composed_is_composed():
    letters = [chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000]
    kept = [one for one in letters if not re.search(_MAYBE_DECOMPOSED, one)]
    assert kept
    assert unicodedata.normalize("NFC", "".join(kept)) == "".join(kept)


def test_attributes_fill_what_the_catalogue_leaves_empty():
    table = catalogue(
        [{"product_id": "1", "name": "x", "brand": "a"}, {"product_id": "2", "name": "y"}],
        [{"product_id": "1", "brand": "b", "feature": "kiềm dầu"}],
    )
    assert table.select("brand", "feature").rows() == [("a", "kiềm dầu"), (None, None)]


def test_products_known_from_events_alone_follow_by_id():
    table = with_uncatalogued(
        catalogue([{"product_id": "1", "name": "x"}]), pl.Series(["b", "1", "a", "b"])
    )
    assert table.select("product_id", "in_catalogue").rows() == [
        ("1", True),
        ("a", False),
        ("b", False),
    ]
