import pytest

from viecomrec.domain.contracts import PRODUCTS, REVIEWS, find_columns
from viecomrec.errors import InputError

REAL_HEADER = (
    "",
    "user_id",
    "product_id",
    "rating",
    "product_name_x",
    "cmt_date",
    "shop_id",
    "variation_x",
    "product_quality",
    "processed_comment",
)


def test_the_header_of_the_real_file_is_understood():
    assert find_columns(REAL_HEADER, REVIEWS, {}, "f.csv") == {
        "user_id": "user_id",
        "product_id": "product_id",
        "rating": "rating",
        "at": "cmt_date",
        "comment": "processed_comment",
    }


def test_a_comment_column_wins_over_a_processed_one():
    header = (*REAL_HEADER, "comment")
    assert find_columns(header, REVIEWS, {}, "f.csv")["comment"] == "comment"


def test_the_suffix_of_a_merge_is_accepted_where_the_plain_name_is_absent():
    assert find_columns(("product_id", "product_name_x"), PRODUCTS, {}, "f")["name"] == (
        "product_name_x"
    )
    header = ("product_id", "name_x", "product_name")
    assert find_columns(header, PRODUCTS, {}, "f")["name"] == "product_name"


def test_names_are_compared_without_case_and_space():
    assert find_columns((" Product_ID ", "NAME"), PRODUCTS, {}, "f")["product_id"] == (
        " Product_ID "
    )


def test_a_named_column_wins_over_every_alias():
    header = ("product_id", "name", "ten")
    assert find_columns(header, PRODUCTS, {"name": "ten"}, "f")["name"] == "ten"


def test_a_named_column_that_the_file_lacks_is_an_error_that_shows_the_header():
    with pytest.raises(InputError, match=r"names the column 'tên' for 'name'.*product_id, name"):
        find_columns(("product_id", "name"), PRODUCTS, {"name": "tên"}, "f")


def test_a_missing_required_column_is_an_error_and_a_missing_optional_one_is_not():
    with pytest.raises(InputError, match="'name' is missing"):
        find_columns(("product_id",), PRODUCTS, {}, "f")
    assert "price" not in find_columns(("product_id", "name"), PRODUCTS, {}, "f")
