"""The shop's own rules for lists: what is hidden, what comes first, how much of one kind."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from viecomrec.domain.api import RerankWeights


class RankingRules(BaseModel):
    """`config/ranking.json`; a misspelt name is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    out_of_stock: Literal["hide", "show"] = "hide"
    """A product whose stock the shop does not report counts as in stock."""

    pinned: tuple[str, ...] = ()
    """Product ids that come first in recommendations, in this order."""

    excluded: tuple[str, ...] = ()
    """Product ids that are never shown."""

    one_per_variant_group: bool = True
    """Variants of one product never fill a list, unless a request asks for them."""

    weights: RerankWeights | None = None
    """Replaces the model's own blend for every request that does not bring weights."""

    max_pinned_in_list: int = Field(3, ge=0, le=100)

    @model_validator(mode="after")
    def _consistent(self) -> "RankingRules":
        both = set(self.pinned) & set(self.excluded)
        if both:
            raise ValueError(f"pinned and excluded at the same time: {sorted(both)}")
        return self
