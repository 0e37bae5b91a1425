"""Which true reason a product of a list has for this user."""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from viecomrec.domain.api import Reason
from viecomrec.domain.reasons import POPULAR, SAME_TASTE, Evidence
from viecomrec.models.blend import DENSE_UP_TO

MIN_TEXT_SIMILARITY = 0.3
"""Below this cosine a person would not call two product texts similar."""

MIN_POPULARITY = 1.0
"""A product this many deviations above the mean may be called popular."""

MAX_KEPT_ROWS = 4_096

MAX_EXPLAINING_PRODUCTS = 20
"""Only the latest products of a long history explain a list."""

PEOPLE = 1 << 15
"""Strength of a pair: this many more than the people who chose both; where nobody did, below it
and the higher the closer the texts are; 0 for no reason."""

ROWS_AT_ONCE = 256

Strengths = NDArray[np.unsignedinteger]


def evidence_of(code: int) -> Evidence:
    """What a code of `Explainer.codes` says."""
    product, strength = divmod(code, 1 << PRODUCT_BITS)
    if strength > PEOPLE:
        return Evidence(Reason.ALSO_BOUGHT, product, strength - PEOPLE)
    if strength > _POPULAR:
        return Evidence(Reason.SIMILAR_TEXT, product)
    return POPULAR if strength == _POPULAR else SAME_TASTE


PRODUCT_BITS = 32
_POPULAR, _SAME_TASTE = 1, 0
"""Codes of what no product explains; a text that is similar enough is far stronger."""


class Explainer:
    """Finds the strongest true reason; the same people, then a similar text, then popularity."""

    def __init__(
        self,
        group_of: NDArray[np.int32],
        co_purchases: csr_array,
        group_text: NDArray[np.float32] | None,
        popularity: NDArray[np.float32],
    ) -> None:
        """`co_purchases` and `group_text` have rows of variant groups, the others of items."""
        self._group_of = np.ascontiguousarray(group_of).data
        """Answers for one product without making an array of it."""

        self._otherwise = [
            _POPULAR if is_popular else _SAME_TASTE
            for is_popular in (popularity >= MIN_POPULARITY).tolist()
        ]
        # None of these refers to `self`: an explainer in a circle outlives its bundle.
        if co_purchases.shape[0] <= DENSE_UP_TO:
            self._rows = partial(_rows_of, _whole(co_purchases, group_text))
        else:
            kept = lru_cache(MAX_KEPT_ROWS)(partial(_people_with, co_purchases))
            self._rows = partial(_computed_rows, kept, group_text)

    def explain(self, items: Sequence[int], history: NDArray[np.int32]) -> list[Evidence]:
        """One reason for each of `items`; `history` is oldest first, may be empty."""
        products = history.tolist()
        groups = np.array([self._group_of[item] for item in items], dtype=np.intp)
        product_groups = [self._group_of[product] for product in products]
        return [evidence_of(code) for code in self.codes(groups, items, products, product_groups)]

    def codes(
        self,
        groups: NDArray[np.integer],
        items: Sequence[int],
        history: Sequence[int],
        history_groups: Sequence[int],
    ) -> list[int]:
        """The reasons of `items` by a `history` (oldest first), each as a number.

        `evidence_of` reads it: a number is made and looked up in less time than an `Evidence`.
        The variant groups of both are given too.
        """
        if not history:
            return [_POPULAR] * len(items)
        # Of equally strong reasons the latest product gives the one: the first maximum.
        latest = history[: -MAX_EXPLAINING_PRODUCTS - 1 : -1]
        rows = self._rows(history_groups[: -MAX_EXPLAINING_PRODUCTS - 1 : -1], groups)
        otherwise = self._otherwise
        codes = []
        for item, strengths in zip(items, zip(*rows, strict=True), strict=True):
            strongest = max(strengths)
            if strongest:
                codes.append(latest[strengths.index(strongest)] << PRODUCT_BITS | strongest)
            else:
                codes.append(otherwise[item])
        return codes


def _rows_of(
    whole: Strengths, explaining: Sequence[int], groups: NDArray[np.integer]
) -> list[list[int]]:
    """For each explaining group the strengths of `groups`."""
    return [whole[group].take(groups).tolist() for group in explaining]


def _computed_rows(
    people_with: Callable[[int], dict[int, int]],
    text: NDArray[np.float32] | None,
    explaining: Sequence[int],
    groups: NDArray[np.integer],
) -> list[list[int]]:
    """As `_rows_of` for a catalogue that is too large to keep all pairs."""
    columns = groups.tolist()
    neighbours = [people_with(group) for group in explaining]
    people = np.array([[counts.get(column, 0) for column in columns] for counts in neighbours])
    cosines = None if text is None else text.take(explaining, axis=0) @ text.take(columns, axis=0).T
    strengths: list[list[int]] = _strengths(people, cosines).tolist()
    return strengths


def _people_with(together: csr_array, group: int) -> dict[int, int]:
    """How many people chose this group together with each other one.

    A dictionary answers faster than a sparse row.
    """
    start, end = together.indptr[group], together.indptr[group + 1]
    others = together.indices[start:end].tolist()
    counts = together.data[start:end].astype(int).tolist()
    return dict(zip(others, counts, strict=True))


def _whole(together: csr_array, text: NDArray[np.float32] | None) -> Strengths:
    """The strengths of all pairs of groups, two bytes each where the counts allow it."""
    n = together.shape[0]
    is_small = together.data.max(initial=0) < PEOPLE
    whole = np.empty((n, n), dtype=np.uint16 if is_small else np.uint32)
    for start in range(0, n, ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        cosines = None if text is None else text[rows] @ text.T
        whole[rows] = _strengths(together[rows].toarray(), cosines)
    return whole


def _strengths(
    people: NDArray[np.number], cosines: NDArray[np.float32] | None
) -> NDArray[np.uint32]:
    strengths = people.astype(np.uint32)
    strengths[strengths > 0] += PEOPLE
    if cosines is not None:
        is_similar = (cosines >= MIN_TEXT_SIMILARITY) & (strengths == 0)
        similar = np.minimum(cosines[is_similar], 1) * (PEOPLE - 1)
        strengths[is_similar] = similar.astype(np.uint32)
    return strengths
