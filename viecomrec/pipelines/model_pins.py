"""Keep a model for ever, or let it go like any other."""

from viecomrec.adapters.registry import RegistryStore
from viecomrec.domain.results import PipelineResult, Status


def run(registry: RegistryStore, model_id: str, *, remove: bool) -> PipelineResult:
    """Pin or unpin a registered model; RegistryError names the known ones."""
    changed = registry.update(lambda one: one.unpin(model_id) if remove else one.pin(model_id))
    message = f"{model_id} may be cleaned up again" if remove else f"{model_id} is kept for ever"
    return PipelineResult(status=Status.SUCCESS, message=message, pinned=list(changed.pinned))
