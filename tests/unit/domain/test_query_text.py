import pytest

from viecomrec.domain.query_text import fold, words, write_out


@pytest.mark.parametrize(
    "typed", ["Sữa Rửa Mặt", "sua rua mat", "SỮA RỬA MẶT", "su\u031b\u0303a ru\u031b\u0309a mặt"]
)
def test_text_with_and_without_diacritics_is_one(typed):
    assert fold(" ".join(words(typed))) == "sua rua mat"


def test_the_crossed_d_is_a_d():
    assert fold("Đỏ đậm") == "do dam"


def test_segmented_text_and_punctuation_are_parted():
    assert words("nước_tẩy-trang, 400ml!") == ["nước", "tẩy", "trang", "400ml"]


def test_abbreviations_are_written_out_and_other_words_stay():
    assert write_out(["srm", "cerave"]) == ["sữa", "rửa", "mặt", "cerave"]
