"""Vietnamese text as people type it into a search box: with and without diacritics, abbreviated."""

import re
import unicodedata
from collections.abc import Mapping

ABBREVIATIONS: Mapping[str, str] = {
    "srm": "sữa rửa mặt",
    "srmat": "sữa rửa mặt",
    "grm": "gel rửa mặt",
    "kcn": "kem chống nắng",
    "kd": "kem dưỡng",
    "kdd": "kem dưỡng da",
    "kda": "kem dưỡng ẩm",
    "kdt": "kem dưỡng trắng",
    "ntt": "nước tẩy trang",
    "dtt": "dầu tẩy trang",
    "stt": "sữa tẩy trang",
    "tt": "tẩy trang",
    "tbc": "tẩy bào chết",
    "tdc": "tẩy da chết",
    "tbt": "tẩy tế bào chết",
    "nhh": "nước hoa hồng",
    "mn": "mặt nạ",
    "stm": "sữa tắm",
    "dg": "dầu gội",
    "dx": "dầu xả",
    "xk": "xịt khoáng",
    "ser": "serum",
    "lrp": "la roche posay",
    "vitc": "vitamin c",
    "dnc": "da nhạy cảm",
    "dd": "da dầu",
    "dk": "da khô",
    "hh": "hỗn hợp",
}
"""What customers of cosmetics shops type for short."""

_WORD = re.compile(r"[^\W_]+")
_MARKS = re.compile("[\u0300-\u036f]+")


def fold(text: str) -> str:
    """Lower case without diacritics: `Sữa rửa mặt` and `sua rua mat` become one."""
    decomposed = unicodedata.normalize("NFD", text.lower())
    return _MARKS.sub("", decomposed).replace("đ", "d")


def words(text: str) -> list[str]:
    """The words of a text, lower case, composed (NFKC); underscores of segmented text part them."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


def write_out(query_words: list[str]) -> list[str]:
    """The words with abbreviations written out; a word that is none stays as it is."""
    written: list[str] = []
    for word in query_words:
        written.extend(ABBREVIATIONS.get(word, word).split())
    return written
