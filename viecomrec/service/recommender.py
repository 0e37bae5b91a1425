"""One user's list: who is asking, what may be shown, in which order, and why."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from viecomrec.domain.api import RankingRequest
from viecomrec.domain.histories import History
from viecomrec.domain.reasons import PINNED
from viecomrec.models.user_scores import UserScores
from viecomrec.service.bundle import Bundle
from viecomrec.service.fast_lane import is_plain, plain_list
from viecomrec.service.lists import (
    behaviour_of,
    masked_scores,
    pinned_columns,
    ranked_columns,
    weights_for,
)
from viecomrec.service.rendering import UserList, user_list

UNKNOWN_USER = "unknown user: popular products of the last weeks"
NOT_IN_MODEL = "no product of this user is in the model yet: popular products"
POPULAR_IN_CATEGORY = "no product of this user is in the model yet: popular products of "


@dataclass(frozen=True)
class Asker:
    """A user as this bundle sees him: a vector, or None where only popularity can answer."""

    user_id: str
    history: History
    vector: NDArray[np.float32] | None
    source: Literal["factors", "fold_in", "popularity"]
    fallback_reason: str | None = None
    category: str | None = None
    """What an otherwise unknown user looked at first."""


def recommend(bundle: Bundle, user_id: str, request: RankingRequest) -> UserList:
    """Answer one request from one bundle; never a seen item when `exclude_seen`.

    Raises InputError for a filter on a field that the catalogue does not have.
    """
    lane = bundle.fast_lane
    if lane is not None and is_plain(request):
        answer = plain_list(bundle, lane, user_id, request.topk)
        if answer is not None:
            return answer
    return recommend_for(bundle, identify(bundle, user_id), request)


def recommend_for(bundle: Bundle, asker: Asker, request: RankingRequest) -> UserList:
    """The list of an asker who is known already, or made up (a basket without a user)."""
    weights = weights_for(bundle, request, personal=asker.vector is not None)
    known = bundle.scores_of(asker.vector, asker.history)
    scores = bundle.shop.recently_popular if weights is None else known.final(weights)
    return finish(bundle, asker, known, scores, request)


def finish(
    bundle: Bundle,
    asker: Asker,
    known: UserScores,
    scores: NDArray[np.float32],
    request: RankingRequest,
) -> UserList:
    """From final scores to the list: masked, cut, explained and written."""
    if asker.category is not None:
        scores = scores + bundle.category_lift(asker.category)
    seen = asker.history.items if request.exclude_seen else None
    masked = masked_scores(bundle, scores, request.filter_params, seen)
    pinned = pinned_columns(bundle, masked, request)
    columns = ranked_columns(bundle, masked, request, pinned, seen)
    evidence = bundle.shop.explainer.explain(columns, asker.history.items)
    if pinned:
        evidence[: len(pinned)] = [PINNED] * len(pinned)
    rows = np.array(columns, dtype=np.intp)
    signals = known.at(rows)
    items = bundle.shop.fragments.items(
        columns,
        scores.take(rows).tolist(),
        behaviour_of(bundle, signals),
        signals.content.tolist(),
        [bundle.shop.fragments.reason(one) for one in evidence],
    )
    content = user_list(
        asker.user_id, bundle.model_id_json, asker.source, asker.fallback_reason, items
    )
    return UserList(len(columns), content)


def identify(bundle: Bundle, user_id: str) -> Asker:
    """Trained users by their factors, others with a history by fold-in, the rest by popularity.

    A trained user with events since the snapshot is folded in too, with everything known. Who
    asked to be forgotten is known by later events alone.
    """
    erased_at = bundle.fresh.erased_at(user_id)
    history = bundle.history(user_id, erased_at)
    fresh = bundle.fresh.history(user_id, bundle.shop.catalogue.columns)
    if len(fresh):
        history = history.and_then(fresh)
    elif erased_at is None:
        trained = bundle.user_vector(user_id)
        if trained is not None:
            return Asker(user_id, history, trained, "factors")
    if len(history) == 0:
        return Asker(user_id, history, None, "popularity", UNKNOWN_USER)
    events = history.resolved(bundle.shop.catalogue.variant_group)
    vector = bundle.fold_in.user_vector(events.items, events.confidences)
    if vector.any():
        return Asker(user_id, history, vector, "fold_in")
    return _by_category(bundle, user_id, history)


def _by_category(bundle: Bundle, user_id: str, history: History) -> Asker:
    category = bundle.shop.catalogue.products[int(history.items[0])].category
    reason = NOT_IN_MODEL if category is None else POPULAR_IN_CATEGORY + category
    return Asker(user_id, history, None, "popularity", reason, category)
