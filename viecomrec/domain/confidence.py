"""How sure we are that a user likes a product: rating + comment quality, in [1, 6] for reviews."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from viecomrec.domain import columns as c
from viecomrec.domain.events import EventKind


@dataclass(frozen=True)
class ConfidenceRule:
    """The numbers behind confidence and positivity; `kind_weights` has one for each kind."""

    positive_rating: float
    unrated_base: float
    unrated_quality: float
    kind_weights: Mapping[str, float]

    def confidence(self) -> pl.Expr:
        """Rating + quality; an unrated event has (base + quality) x the weight of its kind."""
        unrated = (self.unrated_base + self.unrated_quality) * pl.col(c.KIND).replace_strict(
            dict(self.kind_weights), return_dtype=pl.Float32
        )
        rated = pl.col(c.RATING) + pl.col(c.COMMENT_QUALITY)
        return pl.coalesce(rated, unrated).cast(pl.Float32).alias(c.CONFIDENCE)

    def is_positive(self) -> pl.Expr:
        """A rating at or above the threshold; without a rating, a purchase."""
        bought = pl.col(c.KIND) == EventKind.PURCHASE.value
        return pl.coalesce(pl.col(c.RATING) >= self.positive_rating, bought).alias(c.IS_POSITIVE)
