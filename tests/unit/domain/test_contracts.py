import pytest

from viecomrec.domain.contracts import PRODUCTS, REVIEWS, find_columns
from viecomrec.errors import InputError
from viecomrec.service.console.messages import twin_of
from viecomrec.service.console.words import Language

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


def test_a_column_that_stands_twice_is_refused_with_both_places():
    header = ("user_id", "product_id", "rating", "cmt_date", "note", " Rating ")
    with pytest.raises(InputError, match=r"'rating' stands 2 times.*columns 3, 6.*Remove") as found:
        find_columns(header, REVIEWS, {}, "f.csv")
    assert twin_of(str(found.value), Language.VI)
    with pytest.raises(InputError, match=r"'sao' stands 2 times.*columns 2, 3"):
        find_columns(("name", "sao", "sao", "product_id"), PRODUCTS, {"rating": "sao"}, "f.csv")


def test_a_column_that_nobody_asks_for_may_stand_twice():
    header = ("", "", "note", "note", "product_id", "name", "title", "title")
    found = find_columns(header, PRODUCTS, {}, "f.csv")
    assert found == {"product_id": "product_id", "name": "name"}
