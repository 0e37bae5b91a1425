"""Try it: what somebody, or somebody with this basket, would be shown, and why."""

import json
from typing import Any

from starlette.responses import Response

from viecomrec.domain.api import RecommendRequest, SearchRequest
from viecomrec.domain.histories import History
from viecomrec.service import products
from viecomrec.service.bundle import Bundle, load_bundle
from viecomrec.service.console.frame import Visit
from viecomrec.service.recommender import Asker, identify, recommend_for

TOPK = 10
N_FOUND, MAX_BASKET = 8, 20
LIKED = 5.5
"""The confidence of a basket's product: five stars and a comment of middling quality."""

SIGNALS = ("cf", "content", "popularity", "quality")
FURTHEST_SIGNAL = 5.0
"""Signals are calibrated: 5 is five standard deviations above the catalogue's mean."""


def show_try(here: Visit) -> Response:
    bundle = here.console.worker.live.require_bundle()
    user_id = here.query("user").strip()[:256]
    basket = _basket(here, bundle)
    query, other_id = here.query("q").strip()[:200], here.query("model")
    registry = here.console.worker.installation.registry.read()
    lists = []
    if user_id or basket:
        lists.append(_answer(bundle, user_id, basket))
        if other_id:
            lists.append(_answer(_other(here, bundle, other_id), user_id, basket))
    return here.render(
        "try.html",
        user_id=user_id,
        basket=[bundle.shop.catalogue.products[column] for column in basket],
        query=query,
        found=_search(bundle, query) if query else None,
        others=[one for one in sorted(registry.models, reverse=True) if one != bundle.model_id],
        other_id=other_id,
        live_id=bundle.model_id,
        lists=lists,
        signals=SIGNALS,
        furthest=FURTHEST_SIGNAL,
    )


def _basket(here: Visit, bundle: Bundle) -> list[int]:
    """The columns of the known products of the query, each once, without the removed one."""
    ids = here.request.query_params.getlist("item")[: MAX_BASKET + 1]
    ids = [one for one in dict.fromkeys(ids) if one != here.query("remove")]
    return [int(column) for column in bundle.shop.catalogue.indices(ids)][:MAX_BASKET]


def _other(here: Visit, live: Bundle, model_id: str) -> Bundle:
    """Another model on the same data, for a comparison; it never goes live by this."""
    installation = here.console.worker.installation
    return load_bundle(installation, model_id, live.fresh, live.rules, live)


def _answer(bundle: Bundle, user_id: str, basket: list[int]) -> dict[str, Any]:
    asker = _asker(bundle, user_id, basket)
    request = RecommendRequest(user_id=user_id or "basket", topk=TOPK)
    content: dict[str, Any] = json.loads(recommend_for(bundle, asker, request).content)
    names = bundle.shop.catalogue.products
    content["history"] = [names[column].name for column in dict.fromkeys(asker.history.items)][-8:]
    return content


def _asker(bundle: Bundle, user_id: str, basket: list[int]) -> Asker:
    """The user, the basket, or the user with the basket on top of what they chose before."""
    known = identify(bundle, user_id) if user_id else None
    if not basket:
        return known or identify(bundle, "")
    added = History.rated(basket, LIKED)
    history = added if known is None else known.history.and_then(added)
    events = history.resolved(bundle.shop.catalogue.variant_group)
    vector = bundle.fold_in.user_vector(events.items, events.confidences)
    if not vector.any():
        return Asker(user_id, history, None, "popularity")
    return Asker(user_id, history, vector, "fold_in")


def _search(bundle: Bundle, query: str) -> list[dict[str, Any]]:
    answer = json.loads(products.search(bundle, SearchRequest(query=query, topk=N_FOUND)))
    found: list[dict[str, Any]] = answer["items"]
    return found
