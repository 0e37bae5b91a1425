import pytest

from viecomrec.domain.product_text import (
    MAX_FIELD_CHARACTERS,
    clean_text,
    is_blank,
    product_text,
    text_hash,
)


def test_missing_fields_are_empty_and_never_the_word_none():
    assert product_text("Sữa rửa mặt", None, None) == "Sữa rửa mặt [SEP]  [SEP] "


def test_composed_and_decomposed_vietnamese_are_one_text():
    assert product_text("Sữa", None, None) == product_text("Sữa", None, None)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("nổi_trội sữa rửa mặt lành_tính", "nổi trội sữa rửa mặt lành tính"),
        ("<p>Dịu&nbsp;nhẹ</p><br/>cho da", "Dịu nhẹ cho da"),
        ("giá < 100k > 50k", "giá < 100k > 50k"),
        ("a\x00b\ud800c\n\td", "a b c d"),
        ("một [SEP] hai", "một hai"),
        ("_đầu và cuối_", "_đầu và cuối_"),
        ("😀👍", "😀👍"),
        ("   ", ""),
        (None, ""),
    ],
)
def test_cleaning(raw, clean):
    assert clean_text(raw) == clean


def test_a_hundred_thousand_characters_are_cut():
    assert len(clean_text("ă" * 100_000)) == MAX_FIELD_CHARACTERS


def test_a_product_without_any_field_is_blank_and_one_with_a_feature_is_not():
    assert is_blank(product_text(None, "  ", ""))
    assert not is_blank(product_text(None, None, "kiềm dầu"))


def test_the_hash_tells_texts_apart_and_is_the_same_in_every_process():
    assert text_hash("Sữa") == "5e428316611f6fb62f1cd5481570fac7"
    assert text_hash("Sữa") != text_hash("Sửa")
