"""Lists for users: one, or many at once."""

from fastapi import APIRouter
from fastapi.responses import Response

from viecomrec.domain.api import (
    BatchRecommendRequest,
    BatchRecommendResponse,
    RecommendRequest,
    RecommendResponse,
)
from viecomrec.domain.api_state import ErrorAnswer, InvalidAnswer
from viecomrec.service.batches import recommend_many
from viecomrec.service.recommender import recommend
from viecomrec.service.responses import JsonBytes, Responses
from viecomrec.service.worker import Worker

REFUSALS: Responses = {
    422: {"model": InvalidAnswer},
    503: {"model": ErrorAnswer, "description": "No model yet; says what to run"},
}


def user_routes(worker: Worker) -> APIRouter:
    routes = APIRouter(tags=["recommendations"], responses=REFUSALS)

    # The front door answers this address itself; this is the same answer, with its description.
    @routes.post("/recommend", response_model=RecommendResponse)
    async def recommend_products(request: RecommendRequest) -> Response:
        """The best products for one user, with the signals and the reason of each."""
        bundle = worker.live.require_bundle()
        return JsonBytes(recommend(bundle, str(request.user_id), request).content)

    @routes.post("/batch_recommend", response_model=BatchRecommendResponse)
    def recommend_to_many(request: BatchRecommendRequest) -> Response:
        """The same lists for up to 1,000 users."""
        return JsonBytes(recommend_many(worker.live.require_bundle(), request))

    return routes
