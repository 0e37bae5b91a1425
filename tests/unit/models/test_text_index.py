import numpy as np
import pytest

from viecomrec.models.text_index import FIELD_WEIGHTS, TextIndex

NAMES = [
    "Sữa rửa mặt Cetaphil dịu nhẹ",
    "Kem chống nắng Cetaphil",
    "Nước tẩy trang Bioderma",
    "Sữa tắm hương hoa",
    "Rửa chén bát mặt bàn sữa tươi",
]
DESCRIPTIONS = [None, "dùng sau khi rửa mặt", None, None, None]


def index():
    columns = [NAMES, [None] * 5, [None] * 5, DESCRIPTIONS, *[[None] * 5] * 3]
    assert len(columns) == len(FIELD_WEIGHTS)
    return TextIndex.build(columns)


def best(query):
    one = index()
    return int(np.argmax(one.scores(one.understand(query))))


@pytest.mark.parametrize(
    ("query", "product"),
    [
        ("sữa rửa mặt", 0),
        ("sua rua mat", 0),
        ("srm cetaphil", 0),
        ("cetafil kem", 1),
        ("kcn", 1),
        ("nuoc tay trang", 2),
        ("biodrma", 2),
        ("sữa tắm", 3),
    ],
)
def test_the_product_that_is_meant_comes_first(query, product):
    assert best(query) == product


def test_pairs_of_words_count_more_than_the_same_words_apart():
    one = index()
    scores = one.scores(one.understand("rua mat"))
    assert scores[0] > scores[4]


def test_diacritics_decide_between_words_that_fold_alike():
    one = TextIndex.build([["má", "mã"], *[[None] * 2] * 6])
    assert np.argmax(one.scores(one.understand("mã"))) == 1
    assert np.ptp(one.scores(one.understand("ma"))) == 0


def test_what_nobody_wrote_finds_nothing():
    one = index()
    assert not one.scores(one.understand("qwxyz zzzzz")).any()
    assert not one.scores(one.understand("")).any()


def test_coverage_is_the_share_of_the_words():
    one = index()
    assert one.coverage(one.understand("sua qwxyzk"))[0] == pytest.approx(0.5)


def test_a_number_is_not_corrected_into_another():
    one = TextIndex.build([["serum 100ml", "serum 500"], *[[None] * 2] * 6])
    assert one.understand("400").text == "400"


def test_an_empty_catalogue_has_an_index_too():
    one = TextIndex.build([[] for _ in FIELD_WEIGHTS])
    assert one.scores(one.understand("sữa")).shape == (0,)
