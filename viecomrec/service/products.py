"""Lists of products that belong to no user: similar ones, found ones, the filters."""

import numpy as np
from numpy.typing import NDArray

from viecomrec.domain import ranking
from viecomrec.domain.api import (
    FiltersResponse,
    ListRequest,
    ProfileRequest,
    SearchRequest,
    SimilarRequest,
)
from viecomrec.domain.reasons import MATCHES_QUERY, POPULAR, Evidence
from viecomrec.errors import InputError, UnknownProductError
from viecomrec.service.bundle import Bundle
from viecomrec.service.lists import NEVER, masked_scores, ranked_columns
from viecomrec.service.rendering import to_json

Floats = NDArray[np.float32]

MIN_COVERAGE = 0.5
"""A product that has fewer of the query's words is not what was searched for."""

TEXT_VECTOR_SHARE = np.float32(0.3)
POPULARITY_SHARE = np.float32(0.05)
N_FEEDBACK = 5
"""The embeddings of the best products by words tell what the query means."""


def similar_items(bundle: Bundle, request: SimilarRequest) -> bytes:
    """Products like one: chosen by the same people, with a similar text, or both.

    UnknownProductError for a product that the shop does not have; InputError where texts are
    asked for before the first embedding.
    """
    column = _column(bundle, str(request.product_id))
    behaviour = _behaviour(bundle, column)
    text = _text(bundle, np.array([column]), required=request.by == "text")
    scores = {"behaviour": behaviour, "text": text, "both": behaviour + text}[request.by]
    history = np.array([column], dtype=np.int32)
    return _list(bundle, request, scores, behaviour, text, history, by=request.by)


def search(bundle: Bundle, request: SearchRequest) -> bytes:
    """Products that a query finds, by words and by what the best of them mean."""
    index = bundle.shop.index.get()
    understood = index.understand(request.query)
    words = index.scores(understood)
    found = index.coverage(understood) >= MIN_COVERAGE
    found &= words > 0
    nothing = np.zeros_like(words)
    meaning = _meaning(bundle, words, found)
    scale = np.float32(max(float(words.max(initial=0)), 1e-9))
    scores = words / scale + TEXT_VECTOR_SHARE * meaning
    popularity = bundle.scorer.same_for_all["popularity"][bundle.shop.catalogue.variant_group]
    scores += POPULARITY_SHARE * popularity
    return _list(
        bundle,
        request,
        scores,
        nothing,
        words / scale,
        None,
        reason=MATCHES_QUERY,
        by="text",
        only=found,
        extra=b'"query":%b,"understood_as":%b,'
        % (to_json(request.query), to_json(understood.text)),
    )


def profile(bundle: Bundle, request: ProfileRequest) -> bytes:
    """Products whose texts go with given products, with a user's history, and with a query."""
    columns = [_column(bundle, str(product)) for product in request.product_ids]
    if request.user_id is not None:
        user_id = str(request.user_id)
        known = bundle.history(user_id, bundle.fresh.erased_at(user_id)).items.tolist()
        fresh = bundle.fresh.history(user_id, bundle.shop.catalogue.columns)
        columns += [*known, *fresh.items.tolist()]
    if request.query:
        columns += _best_by_words(bundle, request.query)
    history = np.array(list(dict.fromkeys(columns)), dtype=np.int32)
    if len(history) == 0:
        scores = bundle.shop.recently_popular
        return _list(
            bundle,
            request,
            scores,
            np.zeros_like(scores),
            np.zeros_like(scores),
            None,
            by="popularity",
        )
    text = _text(bundle, history, required=True)
    return _list(bundle, request, text, np.zeros_like(text), text, history, by="text")


def filters(bundle: Bundle) -> FiltersResponse:
    """What the offered products can be filtered by."""
    catalogue = bundle.shop.catalogue
    offered = [
        p for p, is_offered in zip(catalogue.products, bundle.offered, strict=True) if is_offered
    ]
    prices = [product.price for product in offered if product.price is not None]
    return FiltersResponse(
        brands=sorted({product.brand for product in offered if product.brand}),
        categories=sorted({product.category for product in offered if product.category}),
        min_price=min(prices, default=None),
        max_price=max(prices, default=None),
        has_stock=catalogue.reports_stock,
        n_products=len(offered),
    )


def _column(bundle: Bundle, product_id: str) -> int:
    column = bundle.shop.catalogue.index(product_id)
    if column is None:
        raise UnknownProductError(f"The catalogue has no product {product_id!r}.")
    return column


def _behaviour(bundle: Bundle, column: int) -> Floats:
    """Calibrated closeness of the item factors (cosine); zeros for a product without factors."""
    factors = bundle.item_factors
    lengths = np.linalg.norm(factors, axis=1)
    scale = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return ranking.standardise((factors @ factors[column]) * scale)


def _text(bundle: Bundle, columns: NDArray[np.int32], *, required: bool) -> Floats:
    """Calibrated closeness of the text vectors to the mean of some products."""
    vectors = bundle.shop.text_vectors
    if vectors is None:
        if required:
            raise InputError(
                "There are no text vectors yet. Run: python -m automation.bert_embeddings"
            )
        return np.zeros(len(bundle.shop.catalogue), dtype=np.float32)
    return ranking.standardise(vectors @ vectors[columns].mean(axis=0))


def _meaning(bundle: Bundle, words: Floats, found: ranking.Mask) -> Floats:
    best = ranking.top_k(words, found, N_FEEDBACK)
    if len(best) == 0 or bundle.shop.text_vectors is None:
        return np.zeros_like(words)
    closeness = _text(bundle, best.astype(np.int32), required=False)
    return closeness / max(float(closeness.max()), 1e-9)


def _best_by_words(bundle: Bundle, query: str) -> list[int]:
    index = bundle.shop.index.get()
    words = index.scores(index.understand(query))
    best: list[int] = ranking.top_k(words, words > 0, N_FEEDBACK).tolist()
    return best


def _list(  # noqa: PLR0913 - one call per kind of list, all by name
    bundle: Bundle,
    request: ListRequest,
    scores: Floats,
    behaviour: Floats,
    text: Floats,
    about: NDArray[np.int32] | None,
    *,
    reason: Evidence = POPULAR,
    by: str,
    only: ranking.Mask | None = None,
    extra: bytes = b"",
) -> bytes:
    """The best columns as `domain.api.ProductsResponse`; the products of `about` are not in it."""
    masked = masked_scores(bundle, scores, request.filter_params, about)
    if only is not None:
        masked[~only] = NEVER
    columns = ranked_columns(bundle, masked, request, seen=about)
    explained: list[Evidence] = (
        [reason] * len(columns) if about is None else bundle.shop.explainer.explain(columns, about)
    )
    items = bundle.shop.fragments.items(
        columns,
        scores[columns].tolist(),
        behaviour[columns].tolist(),
        text[columns].tolist(),
        [bundle.shop.fragments.reason(one) for one in explained],
    )
    return b'{"model_id":%b,%b"by":"%b","items":[%b]}' % (
        bundle.model_id_json,
        extra,
        by.encode(),
        items,
    )
