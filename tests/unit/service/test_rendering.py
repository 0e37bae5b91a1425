"""The items of a list are valid JSON, whatever stands in a product's name."""

import json

import numpy as np
import pytest

from viecomrec.domain.api import Item, Reason
from viecomrec.domain.catalogue import Product
from viecomrec.domain.reasons import PINNED, POPULAR, Evidence
from viecomrec.service.rendering import ProductFragments

NAMES = ["Giảm 50%", '%d %s %(x)b %%"', "Sữa rửa mặt", "NAME"]


@pytest.fixture(scope="module")
def fragments():
    products = [
        Product(f"p{row}%", name, f"{row} %", None, 99_000.0, 4.5, row, True)
        for row, name in enumerate(NAMES)
    ]
    signals = np.array([0.5, -1.25, 0, 1e-7], dtype=np.float32)
    return ProductFragments(products, signals, signals)


def test_percent_signs_are_shown_as_they_are(fragments):
    evidence = [Evidence(Reason.ALSO_BOUGHT, 0, 3), Evidence(Reason.SIMILAR_TEXT, 1), POPULAR]
    written = fragments.items(
        [1, 0, 2],
        [12.345678, -1e-9, 3],
        [0.1, 0.2, 123456.7],
        [-0.5, 0.0, 1],
        [fragments.reason(one) for one in evidence],
    )
    items = [Item.model_validate(one) for one in json.loads(b"[%b]" % written)]
    assert [item.rank for item in items] == [1, 2, 3]
    assert [item.name for item in items] == [NAMES[1], NAMES[0], NAMES[2]]
    assert [item.product_id for item in items] == ["p1%", "p0%", "p2%"]
    assert [item.score for item in items] == [12.3457, -1e-9, 3]
    assert [item.signals.cf for item in items] == [0.1, 0.2, 123460]
    assert [item.signals.content for item in items] == [-0.5, 0, 1]
    assert [item.signals.quality for item in items] == [-1.25, 0.5, 0]
    assert items[0].reason_en == "3 customers who chose Giảm 50% chose this too"
    assert items[0].because_of == "p0%"
    assert items[1].reason_vi == f"Mô tả tương tự {NAMES[1]}"
    assert items[2].because_of is None


def test_an_empty_list_is_empty(fragments):
    assert fragments.items([], [], [], [], []) == b""


def test_a_reason_by_its_code_is_the_reason(fragments):
    people = 1 << 15
    codes = {
        (2 << 32) + people + 1: Evidence(Reason.ALSO_BOUGHT, 2, 1),
        (1 << 32) + people + 40_000: Evidence(Reason.ALSO_BOUGHT, 1, 40_000),
        people + 2: Evidence(Reason.ALSO_BOUGHT, 0, 2),
        (3 << 32) + people - 1: Evidence(Reason.SIMILAR_TEXT, 3),
        1: POPULAR,
    }
    for _ in range(2):
        assert fragments.reasons(list(codes)) == list(map(fragments.reason, codes.values()))
    assert fragments.reason(PINNED) != fragments.reason(POPULAR)
