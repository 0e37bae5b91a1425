"""What the service is asked for lists of products, and what it answers.

The OpenAPI document is made from this file, `api_events` and `api_state`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
    model_validator,
)

MAX_ID_LENGTH = 256
MAX_TOPK = 100
MAX_BATCH_USERS = 1_000
MAX_QUERY_LENGTH = 200
MAX_PROFILE_PRODUCTS = 100
SIGNALS = ("cf", "content", "popularity", "quality")

# Shops use integers, UUIDs and SKUs; inside, an id is an opaque string.
ExternalId = Annotated[
    Annotated[StrictStr, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH)]
    | Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)],
    AfterValidator(str),
]
TopK = Annotated[int, Field(ge=1, le=MAX_TOPK, strict=True)]


class Request(BaseModel):
    """A misspelt field is refused instead of being ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


Label = Annotated[StrictStr, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH)]
Price = Annotated[StrictFloat | StrictInt, Field(ge=0, le=1e15, allow_inf_nan=False)]


class FilterParams(Request):
    """What a product must be; all given conditions hold together, several labels mean any."""

    brand: Label | list[Label] | None = None
    category: Label | list[Label] | None = None
    min_price: Price | None = None
    max_price: Price | None = None
    in_stock: StrictBool | None = None

    @model_validator(mode="after")
    def _price_range(self) -> "FilterParams":
        low, high = self.min_price, self.max_price
        if low is not None and high is not None and low > high:
            raise ValueError("min_price is above max_price")
        return self


Weight = Annotated[StrictFloat | StrictInt, Field(ge=0, le=1e6, allow_inf_nan=False)]


class RerankWeights(Request):
    """How much each signal counts; they are divided by their sum, a missing one counts 0."""

    cf: Weight = 0
    content: Weight = 0
    popularity: Weight = 0
    quality: Weight = 0

    @model_validator(mode="after")
    def _something_counts(self) -> "RerankWeights":
        if self.total == 0:
            raise ValueError("at least one weight must be above 0")
        return self

    @property
    def total(self) -> float:
        return float(self.cf + self.content + self.popularity + self.quality)

    def normalised(self) -> Mapping[str, float]:
        """The weights by signal, of sum 1."""
        return {name: float(getattr(self, name)) / self.total for name in SIGNALS}


class ListRequest(Request):
    """What every list of products can be asked for."""

    topk: TopK = 10
    filter_params: FilterParams | None = None
    one_per_variant_group: StrictBool | None = None
    """None leaves it to the shop's rules; false shows every variant of a product."""


class RankingRequest(ListRequest):
    exclude_seen: StrictBool = True
    rerank: StrictBool = True
    """False ranks by behaviour alone."""

    rerank_weights: RerankWeights | None = None
    """None means the shop's weights, else the model's own blend."""


class RecommendRequest(RankingRequest):
    user_id: ExternalId


class BatchRecommendRequest(RankingRequest):
    user_ids: Annotated[list[ExternalId], Field(min_length=1, max_length=MAX_BATCH_USERS)]


class SimilarRequest(ListRequest):
    product_id: ExternalId
    by: Literal["behaviour", "text", "both"] = "both"


class TextSimilarRequest(ListRequest):
    product_id: ExternalId


class SearchRequest(ListRequest):
    query: Annotated[StrictStr, StringConstraints(min_length=1, max_length=MAX_QUERY_LENGTH)]


class ProfileRequest(ListRequest):
    """Products whose texts go with several products, or with what a user has chosen."""

    user_id: ExternalId | None = None
    product_ids: Annotated[list[ExternalId], Field(max_length=MAX_PROFILE_PRODUCTS)] = []
    query: Annotated[StrictStr, StringConstraints(max_length=MAX_QUERY_LENGTH)] | None = None

    @model_validator(mode="after")
    def _something_is_given(self) -> "ProfileRequest":
        if self.user_id is None and not self.product_ids and not self.query:
            raise ValueError("give user_id, product_ids or query")
        return self


class Reason(StrEnum):
    """Why an item is shown: other people's choices, its text, or its popularity."""

    ALSO_BOUGHT = "also_bought"
    SIMILAR_TEXT = "similar_text"
    POPULAR = "popular"
    PINNED = "pinned"
    """The shop itself put it there."""

    MATCHES_QUERY = "matches_query"
    """It was searched for."""

    # The one of Enum is written in Python; a reason is part of a key ten times a request.
    __hash__ = str.__hash__


class Signals(Answer):
    """What the score is made of; each is calibrated on the catalogue."""

    cf: float
    content: float
    popularity: float
    quality: float


class Item(Answer):
    rank: int
    product_id: str
    score: float
    name: str
    brand: str | None = None
    category: str | None = None
    price: float | None = None
    rating: float | None = None
    sold: int | None = None
    signals: Signals
    reason: Reason
    reason_en: str
    reason_vi: str
    because_of: str | None = None
    """The product of this user's history that the item goes with."""


class RecommendResponse(Answer):
    user_id: str
    model_id: str
    source: Literal["factors", "fold_in", "popularity"]
    """How the user was represented: a trained row, a fold-in of the history, or not at all."""

    is_fallback: bool
    fallback_reason: str | None = None
    items: list[Item]


class BatchRecommendResponse(Answer):
    model_id: str
    results: list[RecommendResponse]
    """One for each user asked about, in their order."""


class ProductsResponse(Answer):
    """A list of products that belongs to no user."""

    model_id: str
    by: str
    items: list[Item]
    note: str | None = None


class SearchResponse(ProductsResponse):
    query: str
    understood_as: str
    """The query as it was searched for: folded, abbreviations written out, typos corrected."""


class FiltersResponse(Answer):
    """What this shop's catalogue can be filtered by."""

    brands: list[str]
    categories: list[str]
    min_price: float | None
    max_price: float | None
    has_stock: bool
    n_products: int
