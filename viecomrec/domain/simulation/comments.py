"""Stars and words of reviews."""

import unicodedata

import numpy as np
from numpy.typing import NDArray

from viecomrec.domain.simulation.phrases import (
    COMPLAINT,
    INDIFFERENT,
    ONE_WORD,
    PRAISE,
    PRAISE_OF_KIND,
    SHORT_FORMS,
)
from viecomrec.domain.simulation.words import CATEGORIES

ROWS_OF_STARS = np.array([2271, 1308, 3207, 9147, 353166], dtype=np.float64)
"""Real rows with 1, 2, 3, 4 and 5 stars."""

EMPTY_SHARE = 0.0262
ONE_WORD_SHARE = 0.02
WITHOUT_DIACRITICS_SHARE = 0.15
SHORT_FORMS_SHARE = 0.25
CAPITAL_SHARE = 0.5
INDIFFERENT_FIVE_STARS_SHARE = 0.08
MEDIAN_CHARACTERS, LENGTH_SPREAD = 83.5, 0.50
"""Log-normal length; with whole phrases it gives the real median 81 and mean 92 characters."""

PRAISING, INDIFFERENTLY, COMPLAINING = 0, 1, 2
MOOD_OF_STARS = np.array([-1, COMPLAINING, COMPLAINING, INDIFFERENTLY, PRAISING, PRAISING])
TAPE_LENGTH = 4000


def draw_stars(quality: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Stars with exactly the real shares; the worse a product, the likelier a bad review."""
    felt = quality + rng.normal(0, 1, len(quality))
    limits = np.cumsum(ROWS_OF_STARS / ROWS_OF_STARS.sum())[:-1]
    return 1 + np.searchsorted(np.quantile(felt, limits), felt)


def write_comments(
    stars: NDArray[np.int64], category: NDArray[np.int64], rng: np.random.Generator
) -> list[str]:
    """One comment per review; some are empty, one word, unaccented or full of short forms."""
    n = len(stars)
    tapes = _tapes(rng)
    mood = _moods(stars, rng)
    style = rng.choice(
        3,
        n,
        p=[
            1 - WITHOUT_DIACRITICS_SHARE - SHORT_FORMS_SHARE,
            WITHOUT_DIACRITICS_SHARE,
            SHORT_FORMS_SHARE,
        ],
    )
    length = MEDIAN_CHARACTERS * np.exp(rng.normal(0, LENGTH_SPREAD, n))
    start = rng.integers(0, TAPE_LENGTH, n)
    capital = rng.random(n) < CAPITAL_SHARE
    comments = [
        _join(tapes[key], first, characters, is_capital)
        for key, first, characters, is_capital in zip(
            zip(style.tolist(), mood.tolist(), category.tolist(), strict=True),
            start.tolist(),
            length.tolist(),
            capital.tolist(),
            strict=True,
        )
    ]
    kind = rng.random(n)
    for row in np.flatnonzero(kind < EMPTY_SHARE + ONE_WORD_SHARE).tolist():
        comments[row] = "" if kind[row] < EMPTY_SHARE else ONE_WORD[int(start[row]) % len(ONE_WORD)]
    return comments


def without_diacritics(text: str) -> str:
    """The text as people type it without a Vietnamese keyboard."""
    decomposed = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def shorten(text: str) -> str:
    """The text with the usual short forms."""
    for full, short in SHORT_FORMS:
        text = text.replace(full, short)
    return text


def _moods(stars: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    mood = MOOD_OF_STARS[stars]
    indifferent = rng.random(len(stars)) < INDIFFERENT_FIVE_STARS_SHARE
    return np.where((mood == PRAISING) & indifferent, INDIFFERENTLY, mood)


def _as_it_is(text: str) -> str:
    return text


def _tapes(rng: np.random.Generator) -> dict[tuple[int, int, int], list[str]]:
    """Phrases in many shuffles one after the other, by (style, mood, category).

    Reading on from any place gives phrases that rarely repeat, at the cost of a list index.
    """
    tapes = {}
    for number, category in enumerate(CATEGORIES):
        praise = PRAISE + 3 * PRAISE_OF_KIND[category.name]
        for mood, phrases in enumerate((praise, INDIFFERENT, COMPLAINT)):
            shuffles = -(-TAPE_LENGTH // len(phrases)) + 1
            order = np.concatenate([rng.permutation(len(phrases)) for _ in range(shuffles)])
            for style, write in enumerate((_as_it_is, without_diacritics, shorten)):
                written = [write(phrase) for phrase in phrases]
                tapes[style, mood, number] = [written[index] for index in order]
    return tapes


def _join(tape: list[str], start: int, characters: float, is_capital: bool) -> str:
    """Phrases from `start` on until the length is nearest to `characters`."""
    text = tape[start % len(tape)]
    position = start + 1
    phrase = tape[position % len(tape)]
    while len(text) + 2 + len(phrase) / 2 < characters:
        text = f"{text}, {phrase}"
        position += 1
        phrase = tape[position % len(tape)]
    return text[0].upper() + text[1:] if is_capital else text
