"""The one form in which a comment is compared, identified and scored."""

import polars as pl

MAX_CHARACTERS = 20_000
"""What follows in a longer comment neither identifies nor scores it."""

_DECOMPOSED = r"[\u0300-\u036f]"
_UNTIDY = r"^\s|\s$|\s\s|[^\S ]|[\x00-\x1f]"


def clean(text: pl.Expr) -> pl.Expr:
    """NFC, single spaces, no control characters; empty text where there is none.

    Most comments are clean already, so the two costly steps touch only those that are not.
    """
    bounded = text.fill_null("").str.slice(0, MAX_CHARACTERS)
    composed = (
        pl.when(bounded.str.contains(_DECOMPOSED))
        .then(bounded.str.normalize("NFC"))
        .otherwise(bounded)
    )
    return (
        pl.when(composed.str.contains(_UNTIDY))
        .then(composed.str.replace_all(r"[\s\x00-\x1f]+", " ").str.strip_chars())
        .otherwise(composed)
    )
