"""The text of a product as an encoder sees it."""

import hashlib
import html
import re
import unicodedata

SEPARATOR = "[SEP]"
MAX_FIELD_CHARACTERS = 20_000
"""Longer fields are cut: a page pasted into a description must not cost a night."""

_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,500}>")
_JOINED_SYLLABLES = re.compile(r"(?<=\w)_+(?=\w)")


def product_text(name: str | None, description: str | None, feature: str | None) -> str:
    """The guide's text, `name [SEP] description [SEP] feature`; a missing field is empty."""
    return f" {SEPARATOR} ".join(clean_text(field) for field in (name, description, feature))


def clean_text(text: str | None) -> str:
    """NFC, without HTML, control characters and word-segmentation underscores, single-spaced.

    Shops' files are partly segmented (`nổi_trội sữa rửa mặt`); one form for all of them lets an
    encoder segment evenly, or not at all.
    """
    plain = html.unescape(_TAG.sub(" ", (text or "")[:MAX_FIELD_CHARACTERS]))
    plain = unicodedata.normalize("NFC", plain).replace(SEPARATOR, " ")
    printable = "".join(
        " " if unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} else letter
        for letter in plain
    )
    return " ".join(_JOINED_SYLLABLES.sub(" ", printable).split())


def is_blank(text: str) -> bool:
    """Whether a product's text has nothing to encode."""
    return not any(fields_of(text))


def fields_of(text: str) -> list[str]:
    """The cleaned fields of a product's text, in the guide's order."""
    return [field.strip() for field in text.split(SEPARATOR)]


def text_hash(text: str) -> str:
    """Name a text after its content: 32 hex digits of its SHA-256."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:32]
