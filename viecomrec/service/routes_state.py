"""What the service says of itself, and the one order it takes: reload."""

from fastapi import APIRouter, Depends, Response

from viecomrec.domain.api_state import (
    ErrorAnswer,
    HealthAnswer,
    InvalidAnswer,
    ModelInfo,
    ReadyAnswer,
    ReloadRequest,
    ReloadResponse,
    StatsAnswer,
)
from viecomrec.service import reports
from viecomrec.service.metrics import exposition
from viecomrec.service.security import TokenGuard
from viecomrec.service.worker import Worker

UNAVAILABLE = 503


def state_routes(worker: Worker, guard: TokenGuard) -> APIRouter:
    routes = APIRouter(tags=["state"])

    @routes.get("/health", responses={UNAVAILABLE: {"model": HealthAnswer}})
    def health(response: Response) -> HealthAnswer:
        """Healthy only if a golden request is answered with items now."""
        answer = reports.health(worker)
        if answer.status == "empty":
            response.status_code = UNAVAILABLE
        return answer

    @routes.get("/ready", responses={UNAVAILABLE: {"model": ReadyAnswer}})
    def ready(response: Response) -> ReadyAnswer:
        """Whether this worker can answer at all."""
        problem = worker.live.serving.problem
        is_ready = worker.live.serving.bundle is not None
        if not is_ready:
            response.status_code = UNAVAILABLE
        return ReadyAnswer(ready=is_ready, reason=problem)

    @routes.get("/model_info")
    def model_info() -> ModelInfo:
        """Which model answers, of which snapshot and installation, in each worker."""
        return reports.model_info(worker)

    @routes.get("/stats", responses={UNAVAILABLE: {"model": ErrorAnswer}})
    def stats() -> StatsAnswer:
        """What the service holds in memory and what it was asked."""
        return reports.stats(worker)

    @routes.get("/metrics", response_class=Response)
    def metrics() -> Response:
        """For Prometheus; all workers together."""
        content, media_type = exposition(worker)
        return Response(content, media_type=media_type)

    @routes.post(
        "/reload_model",
        dependencies=[Depends(guard.require)],
        responses={
            **{status: {"model": ErrorAnswer} for status in (401, 404, 409)},
            422: {"model": InvalidAnswer},
        },
    )
    def reload_model(request: ReloadRequest) -> ReloadResponse:
        """Load and check a model beside the one that answers, then swap, in all workers."""
        bundle = worker.live.reload(request.model_id)
        return ReloadResponse(
            status="success",
            model_id=bundle.model_id,
            snapshot_version=bundle.shop.snapshot_version,
            loaded_at_utc=bundle.loaded_at.isoformat(),
            message=f"Model {bundle.model_id} is live",
        )

    return routes
