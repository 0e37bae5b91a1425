"""What may stand in a list and in which order, whatever the scores come from."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from viecomrec.domain import ranking
from viecomrec.domain.api import FilterParams, ListRequest, RankingRequest
from viecomrec.models.blend import Signals
from viecomrec.service.bundle import Bundle

NEVER = np.float32(-np.inf)
BEHAVIOUR_ALONE = {"cf": 1.0, "content": 0.0, "popularity": 0.0, "quality": 0.0}


def weights_for(
    bundle: Bundle, request: RankingRequest, *, personal: bool
) -> Mapping[str, float] | None:
    """The request's weights, else behaviour alone without `rerank`, else the blend in force.

    None for a user of whom nothing is known, unless the request brings weights: what is
    popular lately counts then.
    """
    if request.rerank and request.rerank_weights is not None:
        return bundle.model_weights(request.rerank_weights.normalised())
    if not personal:
        return None
    return bundle.weights if request.rerank else bundle.model_weights(BEHAVIOUR_ALONE)


def behaviour_of(bundle: Bundle, signals: Signals) -> list[float]:
    """The signal of behaviour: the model's own mixture of its parts."""
    parts = [
        np.float32(share) * getattr(signals, name)
        for name, share in bundle.behaviour_shares.items()
        if share
    ]
    mixed: list[float] = (parts[0] if len(parts) == 1 else sum(parts)).tolist()
    return mixed


def masked_scores(
    bundle: Bundle,
    scores: ranking.Scores,
    wanted: FilterParams | None,
    seen: NDArray[np.int32] | None,
) -> ranking.Scores:
    """A copy of the scores with -inf where a product may not be shown.

    Shown is what is offered, in stock, not excluded by the shop, as filtered, and not seen.
    """
    masked = scores.copy()
    if wanted is None:
        if len(bundle.hidden):
            masked[bundle.hidden] = NEVER
    else:
        # Who asks for what is out of stock gets it, whatever the shop hides otherwise.
        base = bundle.offered if wanted.in_stock is False else bundle.showable
        masked[~(base & bundle.shop.catalogue.matching(wanted))] = NEVER
    if seen is not None:
        masked[seen] = NEVER
    return masked


def pinned_columns(bundle: Bundle, masked: ranking.Scores, request: ListRequest) -> list[int]:
    """The pinned products that may be shown to this user, in the shop's order."""
    if len(bundle.pinned) == 0:
        return []
    room = min(request.topk, bundle.rules.max_pinned_in_list)
    return [int(column) for column in bundle.pinned if masked[column] > NEVER][:room]


def ranked_columns(
    bundle: Bundle,
    masked: ranking.Scores,
    request: ListRequest,
    first: Sequence[int] = (),
    seen: NDArray[np.int32] | None = None,
) -> list[int]:
    """At most `topk` columns: `first`, then the best ones, one per variant group.

    Forbidden columns are -inf in `masked`. A variant of a product that was seen counts as seen.
    """
    left = request.topk - len(first)
    if first:
        masked[list(first)] = NEVER
    one_per_group = request.one_per_variant_group
    if one_per_group is None:
        one_per_group = bundle.rules.one_per_variant_group
    if not (one_per_group and bundle.shop.catalogue.has_variants):
        return [*first, *ranking.best(masked, left).tolist()]
    groups = bundle.shop.catalogue.variant_group
    taken = set(groups[list(first)].tolist()) if first else set()
    if seen is not None:
        taken.update(groups[seen].tolist())
    return [*first, *ranking.diverse_top_k(masked, groups, left, taken)]
