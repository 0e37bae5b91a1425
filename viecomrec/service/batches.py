"""Lists for many users at once: one product of matrices instead of one per user."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from viecomrec.domain.api import BatchRecommendRequest
from viecomrec.service.bundle import Bundle
from viecomrec.service.fast_lane import is_plain, plain_lists
from viecomrec.service.lists import weights_for
from viecomrec.service.recommender import Asker, finish, identify, recommend_for

USERS_AT_ONCE = 128
"""Bounds the memory of the scores."""


def recommend_many(bundle: Bundle, request: BatchRecommendRequest) -> bytes:
    """The answer to each user, as `domain.api.BatchRecommendResponse`."""
    results: list[bytes] = []
    for start in range(0, len(request.user_ids), USERS_AT_ONCE):
        users = [str(user) for user in request.user_ids[start : start + USERS_AT_ONCE]]
        results += _lists(bundle, users, request)
    return b'{"model_id":%b,"results":[%b]}' % (bundle.model_id_json, b",".join(results))


def _lists(bundle: Bundle, users: Sequence[str], request: BatchRecommendRequest) -> list[bytes]:
    lane = bundle.fast_lane
    if lane is None or not is_plain(request):
        return _results(bundle, [identify(bundle, user) for user in users], request)
    plain = plain_lists(bundle, lane, users, request.topk)
    left = [user for user, one in zip(users, plain, strict=True) if one is None]
    others = iter(_results(bundle, [identify(bundle, user) for user in left], request))
    return [next(others) if one is None else one.content for one in plain]


def _results(
    bundle: Bundle, askers: Sequence[Asker], request: BatchRecommendRequest
) -> list[bytes]:
    weights = weights_for(bundle, request, personal=True)
    known = [asker for asker in askers if asker.vector is not None]
    if weights is None or not known:
        return [recommend_for(bundle, asker, request).content for asker in askers]
    rows = iter(_final_scores(bundle, known, weights))
    return [
        finish(
            bundle, asker, bundle.scores_of(asker.vector, asker.history), next(rows), request
        ).content
        if asker.vector is not None
        else recommend_for(bundle, asker, request).content
        for asker in askers
    ]


def _final_scores(
    bundle: Bundle, askers: Sequence[Asker], weights: Mapping[str, float]
) -> NDArray[np.float32]:
    """One row of final scores for each asker that has a vector."""
    group_of = bundle.shop.catalogue.variant_group
    histories = [asker.history.resolved(group_of) for asker in askers]
    vectors = np.stack([asker.vector for asker in askers if asker.vector is not None])
    scores = bundle.scorer.batch_scores(
        vectors, [(group_of[one.items], one.confidences) for one in histories], weights
    )
    return scores[:, group_of] if bundle.shop.catalogue.has_variants else scores
