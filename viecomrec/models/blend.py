"""The final score: factors, texts, co-purchase, popularity and quality, weighed together.

Training chooses the few weights on validation users and stores them with the model; evaluation
and the service score with this class, so that what is measured is what is served. NumPy and SciPy
alone: the service starts without a compiler.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from viecomrec.models.co_purchase import (
    PLAIN,
    CoPurchase,
    column_denominators,
    row_denominators,
)

Floats = NDArray[np.float32]
History = tuple[NDArray[Any], NDArray[Any]]
"""Item indices of a user (each once) and how much each counts (positive)."""

Mixture = tuple[Floats, float]
"""Values of mean 0 for each item, and what they are multiplied by to have deviation 1."""

FACTORS_ALONE: Mapping[str, float] = {"cf": 1.0}

DENSE_UP_TO = 4096
"""Products up to which item-to-item scores are kept whole (64 MB each at most)."""

KEPT_ROWS_BYTES = 2**27
"""Of larger catalogues the rows asked for lately are kept: as much as the largest whole ones."""

CONTENT_EXPONENT = 0.5
"""Content score = cosine x (popularity + 1/2)^exponent."""

KEPT_SUMS = 8

ROWS_AT_ONCE = 256

COSINE_FLOOR = 0.02
"""Products of unlike texts keep a little of the prior."""


@dataclass(frozen=True)
class Signals:
    """Scores of one user for each item (n_items,), each of mean 0 and deviation 1.

    A signal that does not vary, or that the user gives no reason for, is zero.
    """

    cf: Floats
    content: Floats
    together: Floats
    popularity: Floats
    quality: Floats


SIGNALS = tuple(field.name for field in fields(Signals))


@dataclass(frozen=True)
class BlendedScorer:
    """Scores of items for users, from arrays that share one item space.

    item (n x factors); item_bias (n,) or None; content (n x d, rows of length 1 or 0) or None;
    popularity (n,): how many people chose an item; quality (n,) or None; together (n x n): how
    many people chose both, zero diagonal, or None; weights of the signals by name.
    """

    item: Floats
    item_bias: Floats | None
    content: Floats | None
    popularity: Floats
    quality: Floats | None
    together: csr_array | None
    weights: Mapping[str, float]
    co_purchase: CoPurchase = PLAIN

    @classmethod
    def build(
        cls,
        item_factors: Floats,
        item_bias: Floats | None,
        content: Floats | None,
        popularity: NDArray[Any],
        quality: NDArray[Any] | None,
        params: Mapping[str, Any],
        together: csr_array | None = None,
    ) -> "BlendedScorer":
        """`params` is the content of `params.json`; without `blend` the factors score alone.

        `together` is `BlendInputs.together_of(CoPurchase.from_params(params))`.
        """
        weights = params.get("blend", {}).get("weights", FACTORS_ALONE)
        return cls(
            item_factors,
            item_bias,
            content,
            np.asarray(popularity, dtype=np.float32),
            None if quality is None else np.asarray(quality, dtype=np.float32),
            together,
            dict(weights),
            CoPurchase.from_params(params),
        )

    @property
    def n_items(self) -> int:
        return len(self.item)

    # --- one user ----------------------------------------------------------------------
    def signals(
        self, vector: Floats | None, items: NDArray[Any], confidences: NDArray[Any]
    ) -> Signals:
        """All signals of one user, from the factors and the history (each item once)."""
        items = np.asarray(items)
        share = np.asarray(confidences, dtype=np.float32)
        share = share / np.float32(share.sum()) if len(share) else share
        return Signals(
            cf=self._cf_of_one(vector),
            content=self.from_history("content", items, share),
            together=self.from_history("together", items, share),
            popularity=self._popularity_signal,
            quality=self._quality_signal,
        )

    def from_history(self, name: str, items: NDArray[Any], share: Floats) -> Floats:
        """One item-to-item signal of a history whose shares sum to one; a new array."""
        if not self.has(name) or len(items) == 0:
            return np.zeros(self.n_items, dtype=np.float32)
        values, scale = self.mixture(name, items, share)
        signal: Floats = values * scale
        return signal

    def mixture(self, name: str, items: NDArray[Any], share: Floats) -> Mixture:
        """(values, scale) such that values x scale is the signal; not to be written to.

        For a signal that exists and a history that is not empty.
        """
        if not self.is_kept_whole:
            rows = np.stack([self._kept_row(item)[name] for item in items.tolist()])
            values = share.dot(rows)
            return values, _scale_of(values)
        if len(items) == 1:
            return self.kept_rows(name)[items[0]], float(self._row_scale(name)[items[0]])
        return mixture_of(self.kept_rows(name), items, share)

    @cached_property
    def _kept_row(self) -> Callable[[int], Mapping[str, Floats]]:
        """The rows of one product for both signals, of mean 0; the texts are read once for both.

        People mostly chose what many chose, so few rows serve many requests.
        """
        # A cache that referred to this scorer itself would be a circle, which outlives a reload.
        twin = replace(self)
        return lru_cache(max(1, KEPT_ROWS_BYTES // (8 * self.n_items)))(twin._one_row)  # noqa: SLF001

    def _one_row(self, item: int) -> Mapping[str, Floats]:
        items = np.array([item])
        cosines = self.cosines(items)
        content = self._content_rows(items, cosines)
        together = self._together_rows(items, cosines)
        return {"content": _centred(content)[0], "together": _centred(together)[0]}

    def _cf_of_one(self, vector: Floats | None) -> Floats:
        """As `_cf` for one vector, without the cost of a batch."""
        if vector is None:
            return np.zeros(self.n_items, dtype=np.float32)
        scores: Floats = self.standardised_vector(vector).dot(self.centred_factors)
        return scores

    def standardised_vector(self, vector: Floats) -> Floats:
        """The vector whose product with `centred_factors` has mean 0 and deviation 1."""
        if self.item_bias is not None:
            vector = np.append(vector, np.float32(1))
        variance = float(vector.dot(self._covariance).dot(vector))
        deviation = math.sqrt(variance) if variance > 0 else 0.0
        scaled: Floats = vector * np.float32(1 / deviation if deviation > _TINY else 0)
        return scaled

    @property
    def centred_factors(self) -> Floats:
        """V less its mean row, so that no score needs its mean taken away; a row per factor.

        With the biases as one more factor where the model has them.
        """
        return self._item_moments[0]

    @property
    def _covariance(self) -> Floats:
        return self._item_moments[1]

    @cached_property
    def same_for_all(self) -> dict[str, Floats]:
        """The signals that do not depend on the user."""
        return {"popularity": self._popularity_signal, "quality": self._quality_signal}

    def fixed_part(self, popularity: float, quality: float) -> Floats:
        """The weighted sum of the signals of `same_for_all`; not to be written to."""
        return self._fixed_parts(popularity, quality)

    @cached_property
    def _fixed_parts(self) -> Callable[[float, float], Floats]:
        """The sums asked for lately: all requests without weights of their own ask for one."""
        of_all = self.same_for_all

        def weighed(popularity: float, quality: float) -> Floats:
            total: Floats = np.float32(popularity) * of_all["popularity"]
            total += np.float32(quality) * of_all["quality"]
            return total

        return lru_cache(KEPT_SUMS)(weighed)

    @cached_property
    def _content_scale(self) -> Floats:
        return _row_scales(self._content_matrix)

    @cached_property
    def _together_scale(self) -> Floats:
        return _row_scales(self._together_matrix)

    def _row_scale(self, name: str) -> Floats:
        return self._content_scale if name == "content" else self._together_scale

    def combine(self, signals: Signals, weights: Mapping[str, float] | None = None) -> Floats:
        """The final score (n_items,)."""
        chosen = self.weights if weights is None else weights
        parts = [np.float32(w) * getattr(signals, name) for name, w in chosen.items() if w]
        if not parts:
            return np.zeros(self.n_items, dtype=np.float32)
        total: Floats = parts[0]
        for part in parts[1:]:
            total += part
        return total

    # --- many users --------------------------------------------------------------------
    def batch_scores(
        self,
        vectors: Floats | None,
        histories: Sequence[History] | csr_array,
        weights: Mapping[str, float] | None = None,
    ) -> Floats:
        """Final scores, b x n_items: each row as `combine(signals(...))` of that user alone."""
        weights = {n: w for n, w in (self.weights if weights is None else weights).items() if w}
        signals = self.batch_signals(vectors, histories, tuple(weights))
        total = np.zeros((_length(histories), self.n_items), dtype=np.float32)
        for name, weight in weights.items():
            total += np.float32(weight) * signals[name]
        return total

    def batch_signals(
        self,
        vectors: Floats | None,
        histories: Sequence[History] | csr_array,
        names: Sequence[str] = SIGNALS,
    ) -> dict[str, Floats]:
        """The named signals, each b x n_items. Histories as CSR hold how much each item counts."""
        shares = _shares(histories, self.n_items)
        make = {
            "cf": lambda: self._cf(vectors, shares.shape[0]),
            "content": lambda: self._per_history(shares, "content"),
            "together": lambda: self._per_history(shares, "together"),
            "popularity": lambda: _same_for_all(self._popularity_signal, shares.shape[0]),
            "quality": lambda: _same_for_all(self._quality_signal, shares.shape[0]),
        }
        return {name: make[name]() for name in names}

    def _cf(self, vectors: Floats | None, n: int) -> Floats:
        if vectors is None:
            return np.zeros((n, self.n_items), dtype=np.float32)
        return self.cf_of_many(vectors)

    def cf_of_many(self, vectors: Floats) -> Floats:
        """V u of each row, of mean 0 and deviation 1."""
        return self.behaviour_of_many(vectors, self.scales_of(vectors))

    def scales_of(self, vectors: Floats) -> Floats:
        """For each vector the scale by which its `behaviour` has deviation 1.

        By the covariance of V, without computing a score.
        """
        vectors = self._extended(vectors)
        deviation = np.sqrt(np.maximum(((vectors @ self._covariance) * vectors).sum(axis=1), 0))
        scales: Floats = np.zeros_like(deviation)
        np.divide(1, deviation, out=scales, where=deviation > _TINY)
        return scales

    def behaviour(self, vector: Floats, scale: float) -> Floats:
        """`scale` x V u, of mean 0, with the biases where the model has them; a new array."""
        scaled = vector * scale
        if self.item_bias is not None:
            scaled = np.append(scaled, np.float32(scale))
        scores: Floats = scaled.dot(self.centred_factors)
        return scores

    def behaviour_of_many(self, vectors: Floats, scales: Floats) -> Floats:
        """As `behaviour` for each row."""
        scaled: Floats = np.multiply(self._extended(vectors), scales[:, None])
        scores: Floats = scaled @ self.centred_factors
        return scores

    def _extended(self, vectors: Floats) -> Floats:
        """Rows with the factor 1 of the biases, where the model has them."""
        if self.item_bias is None:
            return vectors
        return np.hstack([vectors, np.ones((len(vectors), 1), dtype=np.float32)])

    @cached_property
    def _item_moments(self) -> tuple[Floats, Floats]:
        item = self.item
        if self.item_bias is not None:
            item = np.hstack([item, self.item_bias[:, None]])
        centred = item - item.mean(axis=0, dtype=np.float64)
        covariance = centred.T @ centred / len(item)
        factors = np.ascontiguousarray(centred.T, dtype=np.float32)
        return factors, covariance.astype(np.float32)

    def _per_history(self, shares: csr_array, name: str) -> Floats:
        """The share-weighted mean of item-to-item rows, standardised per user."""
        if not self.has(name):
            return np.zeros(shares.shape, dtype=np.float32)
        if self.is_kept_whole:
            mixed = shares @ self.kept_rows(name)
        else:
            used, places = np.unique(shares.indices, return_inverse=True)
            narrow = (shares.data, places, shares.indptr)
            mixed = csr_array(narrow, shape=(shares.shape[0], len(used))) @ self._rows(name, used)
        return _standardise_rows(np.asarray(mixed, dtype=np.float32))

    def has(self, name: str) -> bool:
        """Whether an item-to-item signal exists for this shop."""
        return (self.content if name == "content" else self.together) is not None

    def take_over(self, known: "BlendedScorer") -> None:
        """Keep the item-to-item scores of another model of the same shop, where they are the same.

        Both must have been built from the same content and popularity. Co-purchase is the same
        where both models define it alike.
        """
        same = ["_content_matrix", "_content_scale"]
        if self.co_purchase == known.co_purchase:
            same += ["_together_matrix", "_together_scale"]
        self.__dict__.update(
            {name: known.__dict__[name] for name in same if name in known.__dict__}
        )

    def kept_rows(self, name: str) -> Floats:
        """The item-to-item rows of all items, each of mean 0, where they are kept whole."""
        return self._content_matrix if name == "content" else self._together_matrix

    def _rows(self, name: str, items: NDArray[Any]) -> Floats:
        rows = self._content_rows if name == "content" else self._together_rows
        return rows(items, self.cosines(items))

    @property
    def is_kept_whole(self) -> bool:
        """Whether item-to-item scores of all pairs are in memory."""
        return self.n_items <= DENSE_UP_TO

    # --- item to item ------------------------------------------------------------------
    @cached_property
    def _content_matrix(self) -> Floats:
        return self._all_rows("content")

    @cached_property
    def _together_matrix(self) -> Floats:
        return self._all_rows("together")

    def _all_rows(self, name: str) -> Floats:
        """Rows of mean 0 of all items, made some at a time: nothing else of this size is held."""
        whole = np.empty((self.n_items, self.n_items), dtype=np.float32)
        for start in range(0, self.n_items, ROWS_AT_ONCE):
            items = np.arange(start, min(start + ROWS_AT_ONCE, self.n_items))
            whole[items] = _centred(self._rows(name, items))
        return whole

    def cosines(self, items: NDArray[Any]) -> Floats:
        """How close the texts of some items are to all texts, 0 where they are opposed."""
        if self.content is None:
            return np.ones((len(items), self.n_items), dtype=np.float32)
        cosines: Floats = np.maximum(self.content[items] @ self.content.T, 0)
        return cosines

    def _content_rows(self, _items: NDArray[Any], cosines: Floats) -> Floats:
        """Cosine x popularity^exponent: similar, and chosen by people."""
        rows: Floats = cosines * self._liked
        return rows

    @cached_property
    def _liked(self) -> Floats:
        liked: Floats = (self.popularity + np.float32(0.5)) ** np.float32(CONTENT_EXPONENT)
        return liked

    def _together_rows(self, items: NDArray[Any], cosines: Floats) -> Floats:
        """Co-purchase as `CoPurchase` defines it, the prior from texts and popularity."""
        how = self.co_purchase
        prior = cosines + np.float32(COSINE_FLOOR)
        prior *= self.popularity + np.float32(0.5)
        prior[np.arange(len(items)), items] = 0
        prior *= np.float32(how.pseudo_counts) / np.maximum(prior.sum(axis=1, keepdims=True), _TINY)
        if self.together is not None:
            prior += self.together[items].toarray()
        prior /= row_denominators(self.popularity[items], how)[:, None]
        if how.popularity_exponent:
            prior /= column_denominators(self.popularity, how)
        return prior

    # --- the same for everybody --------------------------------------------------------
    @cached_property
    def _popularity_signal(self) -> Floats:
        return _standardised(np.log1p(self.popularity))

    @cached_property
    def _quality_signal(self) -> Floats:
        if self.quality is None:
            return np.zeros(self.n_items, dtype=np.float32)
        return _standardised(self.quality.copy())


def mixture_of(kept_rows: Floats, items: NDArray[Any], share: Floats) -> Mixture:
    """`BlendedScorer.mixture` of kept rows: their means are 0, so its mean is 0 without a pass."""
    values = share.dot(kept_rows.take(items, axis=0))
    return values, _scale_of(values)


_TINY = np.float32(1e-12)
_FLAT = 1e-7
"""A deviation below this is rounding, not variation."""


def _length(histories: Sequence[History] | csr_array) -> int:
    return int(histories.shape[0]) if isinstance(histories, csr_array) else len(histories)


def _shares(histories: Sequence[History] | csr_array, n_items: int) -> csr_array:
    """Histories as a matrix whose rows sum to one."""
    if not isinstance(histories, csr_array):
        indptr = np.cumsum([0, *(len(items) for items, _ in histories)])
        indices = np.concatenate([np.asarray(items, dtype=np.int64) for items, _ in histories])
        data = np.concatenate([np.asarray(w, dtype=np.float32) for _, w in histories])
        histories = csr_array((data, indices, indptr), shape=(len(histories), n_items))
    rows = np.repeat(np.arange(histories.shape[0]), np.diff(histories.indptr))
    totals = np.bincount(rows, weights=histories.data, minlength=histories.shape[0])
    share = (histories.data / totals[rows]).astype(np.float32)
    return csr_array((share, histories.indices, histories.indptr), shape=histories.shape)


def _standardise_rows(values: Floats) -> Floats:
    """In place: mean 0 and deviation 1 along each row; zeros where a row does not vary."""
    values -= values.mean(axis=1, keepdims=True)
    deviation = np.sqrt(np.einsum("bn,bn->b", values, values) / values.shape[1])
    scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > _FLAT)
    values *= scale[:, None]
    return values


def _standardised(values: Floats) -> Floats:
    """In place, one row."""
    values -= values.mean()
    return _scaled(values)


def _scaled(values: Floats) -> Floats:
    """In place: deviation 1 for values of mean 0; zeros where they do not vary."""
    values *= _scale_of(values)
    return values


def _scale_of(values: Floats) -> float:
    """1 / deviation of values of mean 0; 0 where they do not vary."""
    deviation = math.sqrt(float(values.dot(values)) / len(values))
    return 1 / deviation if deviation > _FLAT else 0.0


def _row_scales(rows: Floats) -> Floats:
    """1 / deviation of each row of mean 0; 0 where a row does not vary."""
    deviation = np.sqrt(np.einsum("bn,bn->b", rows, rows) / np.float32(rows.shape[1]))
    scales: Floats = np.zeros_like(deviation)
    np.divide(1, deviation, out=scales, where=deviation > _FLAT)
    return scales


def _centred(rows: Floats) -> Floats:
    """In place: each row of mean 0."""
    rows -= rows.mean(axis=1, keepdims=True)
    return rows


def _same_for_all(signal: Floats, n: int) -> Floats:
    return np.broadcast_to(signal, (n, len(signal)))
