"""A text index of the catalogue: BM25 over folded words, exact words and pairs of words.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, with
weighted fields (section 3.6).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from viecomrec.domain.query_text import fold, words, write_out

FIELD_WEIGHTS = (5.0, 4.0, 4.0, 1.0, 1.0, 0.5, 2.0)
"""Name, brand, category, description, feature, ingredient, skin type."""

MAX_FIELD_WORDS = 80
"""What a page says first is what it is about; the rest costs time at the start."""

N_PAIRED_FIELDS = 3
EXACT_WEIGHT, PAIR_WEIGHT = 0.5, 0.7
SATURATION, LENGTH_SHARE = 1.2, 0.5
MIN_WORD_TO_CORRECT = 3
LONG_WORD = 7


@dataclass(frozen=True)
class Understood:
    """A query as it is searched for: its words, written out and corrected."""

    words: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True)
class TextIndex:
    """Rows of `weights` are terms, columns are products; `row` finds a term's row."""

    weights: csr_array
    row: dict[str, int]
    n_products: int

    @classmethod
    def build(cls, columns: Sequence[Sequence[str | None]]) -> "TextIndex":
        """Index products given by their fields, in the order of FIELD_WEIGHTS."""
        documents = [_terms(fields) for fields in zip(*columns, strict=True)]
        row: dict[str, int] = {}
        rows: list[int] = []
        counts: list[float] = []
        for document in documents:
            rows.extend(row.setdefault(term, len(row)) for term in document)
            counts.extend(document.values())
        sizes = np.array([len(document) for document in documents], dtype=np.int64)
        lengths = np.array([sum(document.values()) for document in documents])
        product = np.repeat(np.arange(len(documents)), sizes)
        values = _bm25(np.array(rows, dtype=np.int64), np.array(counts), product, lengths)
        matrix = csr_array(
            (values.astype(np.float32), (rows, product)), shape=(len(row), len(documents))
        )
        return cls(matrix, row, len(documents))

    def understand(self, query: str) -> Understood:
        """Write abbreviations out and correct words that no product has."""
        written = write_out(words(query))
        return Understood(tuple(self._corrected(word) for word in written))

    def scores(self, query: Understood) -> NDArray[np.float32]:
        """How well each product fits, n_products, 0 where nothing fits."""
        scores = np.zeros(self.n_products, dtype=np.float32)
        for term, weight in _query_terms(query.words):
            row = self.row.get(term)
            if row is not None:
                start, end = self.weights.indptr[row], self.weights.indptr[row + 1]
                scores[self.weights.indices[start:end]] += weight * self.weights.data[start:end]
        return scores

    def coverage(self, query: Understood) -> NDArray[np.float32]:
        """The share of the query's words that each product has."""
        found = np.zeros(self.n_products, dtype=np.float32)
        folded = {fold(word) for word in query.words}
        for term in folded:
            row = self.row.get(term)
            if row is not None:
                start, end = self.weights.indptr[row], self.weights.indptr[row + 1]
                found[self.weights.indices[start:end]] += 1
        return found / np.float32(max(len(folded), 1))

    @cached_property
    def _vocabulary(self) -> list[str]:
        return [term for term in self.row if " " not in term and not term.startswith("=")]

    def _corrected(self, word: str) -> str:
        folded = fold(word)
        if folded in self.row or len(folded) < MIN_WORD_TO_CORRECT or folded.isdigit():
            return word
        from rapidfuzz import process
        from rapidfuzz.distance import DamerauLevenshtein

        allowed = 2 if len(folded) >= LONG_WORD else 1
        near = process.extract(
            folded,
            self._vocabulary,
            scorer=DamerauLevenshtein.distance,
            score_cutoff=allowed,
            limit=20,
        )
        if not near:
            return word
        # Of the nearest words the one that most products have.
        return min(near, key=lambda found: (found[1], -self._n_products_with(found[0])))[0]

    def _n_products_with(self, term: str) -> int:
        row = self.row[term]
        return int(self.weights.indptr[row + 1] - self.weights.indptr[row])


def _terms(fields: Sequence[str | None]) -> dict[str, float]:
    """Weighted counts of a product's terms; an exact word is marked by `=`."""
    counts: dict[str, float] = defaultdict(float)
    for place, (field, weight) in enumerate(zip(fields, FIELD_WEIGHTS, strict=True)):
        if not field:
            continue
        exact = words(field)[:MAX_FIELD_WORDS]
        folded = fold(" ".join(exact)).split()
        for word, plain in zip(exact, folded, strict=True):
            counts[plain] += weight
            if word != plain:
                counts["=" + word] += weight
        if place < N_PAIRED_FIELDS:
            for first, second in pairwise(folded):
                counts[f"{first} {second}"] += weight
    return counts


def _query_terms(query_words: Sequence[str]) -> list[tuple[str, float]]:
    folded = [fold(word) for word in query_words]
    terms = [(word, 1.0) for word in folded]
    terms += [
        ("=" + word, EXACT_WEIGHT)
        for word, plain in zip(query_words, folded, strict=True)
        if word != plain
    ]
    terms += [(f"{one} {two}", PAIR_WEIGHT) for one, two in pairwise(folded)]
    return terms


def _bm25(
    rows: NDArray[np.int64],
    counts: NDArray[np.float64],
    product: NDArray[np.int64],
    lengths: NDArray[np.float64],
) -> NDArray[np.float64]:
    n_products = len(lengths)
    frequency = np.bincount(rows) if len(rows) else np.zeros(0)
    rarity = np.log1p((n_products - frequency + 0.5) / (frequency + 0.5))
    relative = lengths / max(lengths.mean(), 1e-9) if n_products else lengths
    damping = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * relative[product])
    scores: NDArray[np.float64] = rarity[rows] * counts * (SATURATION + 1) / (counts + damping)
    return scores
