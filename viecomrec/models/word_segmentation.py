"""Vietnamese words joined by underscores, as PhoBERT was trained on (`lành_tính`)."""

from collections.abc import Callable
from importlib.metadata import version

MAX_CHARACTERS = 4_000
"""256 tokens of PhoBERT take about a third of this."""

Segmenter = Callable[[str], str]


def underthesea_name() -> str:
    """Which segmenter made the words; another version may cut them elsewhere."""
    return f"underthesea-{version('underthesea')}"


def segment_words(text: str) -> str:
    """Join the syllables of each word of a clean text (see `domain.product_text.clean_text`).

    The text must not be partly segmented already: cleaning has taken its underscores away.
    """
    # Its import takes seconds.
    from underthesea import word_tokenize

    return str(word_tokenize(text[:MAX_CHARACTERS], format="text")) if text else ""
