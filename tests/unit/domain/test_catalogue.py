import numpy as np
import pytest

from viecomrec.domain.api import FilterParams
from viecomrec.domain.catalogue import Catalogue, Product
from viecomrec.errors import InputError


def product(number, **facts):
    known = {"brand": None, "category": None, "price": None, "in_stock": None} | facts
    return Product(f"p{number}", f"n{number}", rating=None, sold=None, **known)


def catalogue(*products):
    n = len(products)
    return Catalogue(products, np.ones(n, dtype=np.bool_), np.arange(n, dtype=np.int32))


SHOP = catalogue(
    product(0, brand="Cocoon", category="Sữa rửa mặt", price=10, in_stock=True),
    product(1, brand="cocoon ", category="Toner", price=20, in_stock=False),
    product(2, brand="Simple", category="Toner", in_stock=None),
)


def rows(**wanted):
    return np.flatnonzero(SHOP.matching(FilterParams(**wanted))).tolist()


def test_labels_are_compared_without_case_and_spaces():
    assert rows(brand="COCOON") == [0, 1]
    assert rows(category="sữa  rửa mặt") == [0]


def test_all_conditions_hold_together_and_several_labels_mean_any():
    assert rows(brand=["Cocoon", "Simple"], category="Toner") == [1, 2]
    assert rows(brand="Cocoon", min_price=15) == [1]


def test_a_product_without_a_price_meets_no_price_condition():
    assert rows(min_price=0) == [0, 1]
    assert rows(max_price=10) == [0]


def test_a_product_whose_stock_is_not_reported_counts_as_in_stock():
    assert rows(in_stock=True) == [0, 2]
    assert rows(in_stock=False) == [1]


def test_pitfall_12_an_unknown_brand_meets_nothing():
    assert rows(brand="no such brand") == []


@pytest.mark.parametrize(
    "wanted", [{"brand": "a"}, {"category": "a"}, {"max_price": 1}, {"in_stock": True}]
)
def test_a_field_that_the_catalogue_lacks_is_named_instead_of_ignored(wanted):
    with pytest.raises(InputError, match="This shop's catalogue has no"):
        catalogue(product(0)).matching(FilterParams(**wanted))


def test_rows_of_unknown_products_are_left_out():
    assert SHOP.indices(["p2", "x", "p0"]).tolist() == [2, 0]
