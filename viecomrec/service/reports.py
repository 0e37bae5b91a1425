"""The truth about a worker and its fellows, as answers."""

from viecomrec.domain.api_state import HealthAnswer, ModelInfo, StatsAnswer, WorkerInfo
from viecomrec.errors import ArtifactError
from viecomrec.service.live import require_golden_answers
from viecomrec.service.traffic import summary
from viecomrec.service.worker import Worker


def health(worker: Worker) -> HealthAnswer:
    """Healthy only if a golden request is answered with items now."""
    serving = worker.live.serving
    if serving.bundle is None:
        return HealthAnswer(status="empty", reason=serving.problem)
    model_id = serving.bundle.model_id
    try:
        n_items = require_golden_answers(serving.bundle)
    except ArtifactError as error:
        return HealthAnswer(status="empty", reason=str(error), model_id=model_id)
    return HealthAnswer(
        status="degraded" if serving.problem else "healthy",
        reason=serving.problem,
        model_id=model_id,
        golden_items=n_items,
    )


def model_info(worker: Worker) -> ModelInfo:
    """What is live here, and whether all workers agree."""
    serving, bundle = worker.live.serving, worker.live.serving.bundle
    workers = [
        WorkerInfo(
            pid=state["pid"],
            replica=state.get("replica"),
            model_id=state["model_id"],
            snapshot_version=state["snapshot_version"],
            status=state["status"],
        )
        for state in worker.states()
    ]
    live_model_id = bundle.model_id if bundle else None
    info = ModelInfo(
        status="empty" if bundle is None else "degraded" if serving.problem else "ok",
        reason=serving.problem,
        installation_id=worker.installation_id,
        desired=worker.live.desired(),
        workers=workers,
        behind=sorted(
            {one.replica or str(one.pid) for one in workers[1:] if one.model_id != live_model_id}
        ),
        workers_agree=len({(one.model_id, one.snapshot_version) for one in workers}) == 1,
    )
    if bundle is None:
        return info
    return info.model_copy(
        update={
            "model_id": bundle.model_id,
            "model_type": bundle.model_type,
            "snapshot_version": bundle.shop.snapshot_version,
            "embedding_version": bundle.shop.embedding_version,
            "loaded_at_utc": bundle.loaded_at.isoformat(),
            "n_users": bundle.user_ids.n_users,
            "n_items": len(bundle.shop.catalogue),
            "weights": dict(bundle.weights),
            "traffic": summary(worker.total_traffic()),
        }
    )


def stats(worker: Worker) -> StatsAnswer:
    bundle = worker.live.require_bundle()
    shop = bundle.shop
    return StatsAnswer(
        model_id=bundle.model_id,
        snapshot_version=shop.snapshot_version,
        n_products=len(shop.catalogue),
        n_offered=int(bundle.offered.sum()),
        n_users_with_history=len(shop.histories.users),
        n_trained_users=bundle.user_ids.n_users,
        n_events=len(shop.histories.items),
        n_fresh_events=len(worker.memory.fresh),
        has_text_vectors=shop.text_vectors is not None,
        requests=dict(sorted(worker.total_traffic().requests.items())),
    )
