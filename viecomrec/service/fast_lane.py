"""The list that nearly every request wants: a trained user, the shop's own blend, nothing special.

The same numbers as `service.recommender` makes of the same bundle, by fewer steps: scores are of
variant groups throughout, what depends on a trained user alone is prepared for all of them, and a
signal is computed only where it is shown. Whatever is special (filters, weights, pinned products,
fresh events, a large catalogue) is left to the general way; a test compares both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from viecomrec.domain import ranking
from viecomrec.models.blend import DENSE_UP_TO, Floats, mixture_of
from viecomrec.service.rendering import UserList, user_list

if TYPE_CHECKING:
    from viecomrec.domain.api import RankingRequest
    from viecomrec.service.bundle import Bundle

NEVER = np.float32(-np.inf)


@dataclass(frozen=True)
class FastLane:
    """What a bundle prepares for it; arrays have a row for each variant group."""

    shown: NDArray[np.intp]
    """The column of the variant that stands for a group: the first that may be shown."""

    base: Floats
    """The weighted signals that are the same for all; -inf where nothing may be shown."""

    cf_weight: float
    cf_share: float
    together_weight: float
    together_share: float
    """Of the two signals of behaviour: what each counts, and its part of what is shown as `cf`."""

    content_weight: float
    together: Floats
    content: Floats
    """`BlendedScorer.kept_rows`."""

    history_groups: NDArray[np.int32]
    """`Histories.items` as variant groups."""

    # Of trained users by their rows: numbers that Python reads without making an array.
    events_from: memoryview
    events_to: memoryview
    """Where a user's events stand in `Histories`."""

    scales: memoryview
    """`BlendedScorer.scales_of` times the weight of the factors."""


def open_lane(bundle: "Bundle") -> FastLane | None:
    """The lane of a bundle; None where the shop's rules or its size leave nothing plain."""
    weights, scorer, histories = bundle.weights, bundle.scorer, bundle.shop.histories
    is_plain = (
        bundle.rules.one_per_variant_group
        and len(bundle.pinned) == 0
        and scorer.n_items <= DENSE_UP_TO
        and scorer.has("together")
        and scorer.has("content")
        and weights.get("cf", 0.0) > 0
    )
    if not is_plain:
        return None
    shown, has_one = _first_shown(bundle)
    base = scorer.fixed_part(weights.get("popularity", 0.0), weights.get("quality", 0.0))
    events_from, events_to = histories.events_of_all(bundle.user_ids.user_ids)
    scales = scorer.scales_of(bundle.user_factors)
    return FastLane(
        shown=shown,
        base=np.where(has_one, base, NEVER),
        cf_weight=weights["cf"],
        cf_share=bundle.behaviour_shares.get("cf", 0.0),
        together_weight=weights.get("together", 0.0),
        together_share=bundle.behaviour_shares.get("together", 0.0),
        content_weight=weights.get("content", 0.0),
        together=scorer.kept_rows("together"),
        content=scorer.kept_rows("content"),
        history_groups=bundle.shop.catalogue.variant_group[histories.items],
        events_from=events_from.data,
        events_to=events_to.data,
        scales=(scales * np.float32(weights["cf"])).data,
    )


def _first_shown(bundle: "Bundle") -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """For each group its first column that may be shown, and whether there is one."""
    columns = np.flatnonzero(bundle.showable)[::-1]
    shown = np.zeros(bundle.scorer.n_items, dtype=np.intp)
    has_one = np.zeros(bundle.scorer.n_items, dtype=np.bool_)
    groups = bundle.shop.catalogue.variant_group[columns]
    shown[groups] = columns  # the last one written is the first of the catalogue
    has_one[groups] = True
    return shown, has_one


def is_plain(request: "RankingRequest") -> bool:
    """Whether nothing is asked but how many."""
    return (
        request.filter_params is None
        and request.rerank_weights is None
        and request.rerank
        and request.exclude_seen
        and request.one_per_variant_group is not False
    )


class PlainUser(NamedTuple):
    """A trained user who has done nothing since."""

    user_id: str
    row: int
    products: list[int]
    product_groups: list[int]
    """Of all events, oldest first."""

    groups: NDArray[np.int32]
    confidences: Floats
    """The variant groups, each once, and how much each counts."""


def plain_list(bundle: "Bundle", lane: FastLane, user_id: str, k: int) -> UserList | None:
    """The list of a trained user who has done nothing since; None for everybody else."""
    user = _plain_user(bundle, lane, user_id)
    if user is None:
        return None
    cf = bundle.scorer.behaviour(bundle.user_factors[user.row], lane.scales[user.row])
    return _finish(bundle, lane, user, cf, k)


def plain_lists(
    bundle: "Bundle", lane: FastLane, user_ids: Sequence[str], k: int
) -> list[UserList | None]:
    """As `plain_list` for each user, with one product of matrices for all of them."""
    users = [_plain_user(bundle, lane, user_id) for user_id in user_ids]
    plain = [user for user in users if user is not None]
    if not plain:
        return [None] * len(users)
    rows = [user.row for user in plain]
    vectors = bundle.user_factors.take(rows, axis=0)
    scales = np.array([lane.scales[row] for row in rows], dtype=np.float32)
    scores = bundle.scorer.behaviour_of_many(vectors, scales)
    lists = iter(
        [_finish(bundle, lane, user, cf, k) for user, cf in zip(plain, scores, strict=True)]
    )
    return [None if user is None else next(lists) for user in users]


def _plain_user(bundle: "Bundle", lane: FastLane, user_id: str) -> PlainUser | None:
    row = bundle.user_ids.user_index(user_id)
    if row is None or bundle.fresh.knows(user_id) or user_id in bundle.users_with_news:
        return None
    events = slice(lane.events_from[row], lane.events_to[row])
    groups, histories = lane.history_groups[events], bundle.shop.histories
    products, product_groups = histories.items[events].tolist(), groups.tolist()
    if not products:
        return None
    confidences = histories.confidences[events]
    if len(set(product_groups)) < len(product_groups):
        group_of = bundle.shop.catalogue.variant_group
        history = histories.at(events).resolved(group_of)
        groups, confidences = group_of[history.items], history.confidences
    return PlainUser(user_id, row, products, product_groups, groups, confidences)


def _finish(bundle: "Bundle", lane: FastLane, user: PlainUser, cf: Floats, k: int) -> UserList:
    """From the weighted scores of behaviour to the list."""
    # Not divided by their sum: a mixture is brought to deviation 1 anyway.
    together, together_scale = mixture_of(lane.together, user.groups, user.confidences)
    content, content_scale = mixture_of(lane.content, user.groups, user.confidences)
    total = cf + lane.base
    if lane.together_weight:
        total += together * (lane.together_weight * together_scale)
    if lane.content_weight:
        total += content * (lane.content_weight * content_scale)
    for group in user.product_groups:
        total[group] = NEVER
    best = ranking.best(total, k)
    columns = lane.shown[best].tolist()
    # A few numbers are weighed faster one by one than as arrays.
    of_cf, of_together = lane.cf_share / lane.cf_weight, lane.together_share * together_scale
    pairs = zip(cf[best].tolist(), together[best].tolist(), strict=True)
    fragments = bundle.shop.fragments
    codes = bundle.shop.explainer.codes(best, columns, user.products, user.product_groups)
    items = fragments.items(
        columns,
        total[best].tolist(),
        [of_cf * from_cf + of_together * other for from_cf, other in pairs],
        [content_scale * closeness for closeness in content[best].tolist()],
        fragments.reasons(codes),
    )
    answer = user_list(user.user_id, bundle.model_id_json, "factors", None, items)
    return UserList(len(columns), answer)
