"""The scores of one user, computed only where they are needed: what a request costs.

The same numbers as `BlendedScorer.signals` and `combine`; a test holds the two together. The
final score needs every item, the single signals only the items that are shown.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viecomrec.models.blend import BlendedScorer, Mixture, Signals

Floats = NDArray[np.float32]

ITEM_TO_ITEM = ("content", "together")


class UserScores:
    """One user's vector and history (each item once) against all items of `scorer`.

    `group_of`, where given, says which item of the scorer each product of a catalogue is
    (variants are one item): scores and columns are those of the products then.
    """

    def __init__(
        self,
        scorer: BlendedScorer,
        vector: Floats | None,
        items: NDArray[Any],
        confidences: NDArray[Any],
        group_of: NDArray[np.int32] | None = None,
    ) -> None:
        self._scorer = scorer
        self._group_of = group_of
        self._vector = None if vector is None else scorer.standardised_vector(vector)
        self._items = items if group_of is None else group_of.take(items)
        self._share = confidences / np.add.reduce(confidences) if len(items) else confidences
        self._mixed: dict[str, Mixture] = {}

    def final(self, weights: Mapping[str, float]) -> Floats:
        """The weighted sum of the signals for each product; a new array."""
        total = self._behaviour(weights.get("cf", 0.0))
        for name in ITEM_TO_ITEM:
            weight = weights.get(name, 0.0)
            if weight and len(self._items) and self._scorer.has(name):
                values, scale = self._mixture(name)
                total += values * (np.float32(weight) * scale)
        total += self._scorer.fixed_part(
            weights.get("popularity", 0.0), weights.get("quality", 0.0)
        )
        return total if self._group_of is None else total.take(self._group_of)

    def at(self, columns: NDArray[np.intp]) -> Signals:
        """The signals of some products, each as long as `columns`."""
        if self._group_of is not None:
            columns = self._group_of.take(columns).astype(np.intp)
        same = self._scorer.same_for_all
        return Signals(
            cf=self._behaviour_at(columns),
            content=self._item_to_item_at("content", columns),
            together=self._item_to_item_at("together", columns),
            popularity=same["popularity"].take(columns),
            quality=same["quality"].take(columns),
        )

    def _behaviour(self, weight: float) -> Floats:
        if self._vector is None or not weight:
            return np.zeros(self._scorer.n_items, dtype=np.float32)
        weighed = self._vector * np.float32(weight)
        scores: Floats = weighed.dot(self._scorer.centred_factors)
        return scores

    def _behaviour_at(self, columns: NDArray[np.intp]) -> Floats:
        if self._vector is None:
            return np.zeros(len(columns), dtype=np.float32)
        factors = self._scorer.centred_factors.take(columns, axis=1)
        scores: Floats = self._vector.dot(factors)
        return scores

    def _mixture(self, name: str) -> Mixture:
        if name not in self._mixed:
            self._mixed[name] = self._scorer.mixture(name, self._items, self._share)
        return self._mixed[name]

    def _item_to_item_at(self, name: str, columns: NDArray[np.intp]) -> Floats:
        if len(self._items) == 0 or not self._scorer.has(name):
            return np.zeros(len(columns), dtype=np.float32)
        values, scale = self._mixture(name)
        chosen: Floats = values.take(columns)
        chosen *= scale
        return chosen
