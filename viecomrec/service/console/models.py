"""Models: who is champion, by how much, what was live when; deploy and roll back."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from viecomrec.domain.registry import ModelRecord, Registry
from viecomrec.domain.results import PipelineResult
from viecomrec.errors import ArtifactError
from viecomrec.pipelines import model_deployment
from viecomrec.pipelines.model_deployment import DeploymentRequest
from viecomrec.service.console.frame import Form, Visit, field
from viecomrec.service.console.own_service import own_service

N_MODELS, N_DEPLOYMENTS = 20, 50
GROUPS = (
    ("by_activity", "test_by_activity", "n_users"),
    ("by_warmth", "test_by_warmth", "n_targets"),
)
"""The word of each division, its key in metrics.json, and what it counts."""

LEAD = "validation_ndcg@10_above_popularity"


def show_models(here: Visit) -> Response:
    installation = here.console.worker.installation
    registry = installation.registry.read()
    live = here.console.worker.live.serving.bundle
    return here.render(
        "models.html",
        models=[_card(here, registry, one) for one in _ordered(registry)],
        registry=registry,
        live_id=live.model_id if live else None,
        journal=list(reversed(installation.deployment_journal.read()))[:N_DEPLOYMENTS],
    )


def confirm(here: Visit) -> Response:
    """Says what will happen before anything does."""
    registry = here.console.worker.installation.registry.read()
    is_rollback = here.query("rollback") == "yes"
    wanted = registry.rollback_target if is_rollback else here.query("model_id")
    live = here.console.worker.live.serving.bundle
    return here.render(
        "models_confirm.html",
        record=registry.record(wanted or ""),
        is_rollback=is_rollback,
        live_id=live.model_id if live else None,
    )


def deploy(here: Visit, form: Form) -> Response:
    """The deployment pipeline itself, on record, proved against this very service."""
    is_rollback = field(form, "rollback") == "yes"
    request = DeploymentRequest(
        model_id=None if is_rollback else field(form, "model_id"), rollback=is_rollback
    )
    installation = here.console.worker.installation

    def work() -> PipelineResult:
        tools = replace(installation.deployment_tools(), service=own_service(here))
        return model_deployment.run(request, tools)

    config = {"model_id": request.model_id, "rollback": is_rollback, "asked_by": "console"}
    result = installation.run("model_deployment", work, config)
    here.console.health.forget()
    return here.render(
        "message.html",
        200 if result.exit_code == 0 else 409,
        title=here.t(result.status.value),
        message=here.say(result.message),
    )


def _ordered(registry: Registry) -> list[ModelRecord]:
    """What is live and what is chosen first, then the newest."""

    def place(record: ModelRecord) -> tuple[bool, bool, str]:
        model_id = record.model_id
        return (
            model_id == registry.deployed,
            model_id == registry.current_best,
            record.created_at_utc,
        )

    return sorted(registry.models.values(), key=place, reverse=True)[:N_MODELS]


def _card(here: Visit, registry: Registry, record: ModelRecord) -> dict[str, Any]:
    metrics = _metrics(here, record)
    lead = metrics.get(LEAD)
    return {
        "record": record,
        "headline": record.metrics,
        "lead": lead if isinstance(lead, Mapping) else None,
        "groups": groups_of(metrics),
        "roles": [
            role
            for role, model_id in (
                ("champion", registry.current_best),
                ("live", registry.deployed),
                ("wanted", registry.desired if registry.desired != registry.deployed else None),
                ("way_back", registry.rollback_target),
            )
            if model_id == record.model_id
        ],
    }


def _metrics(here: Visit, record: ModelRecord) -> dict[str, Any]:
    """All figures of a model; none where its folder is gone, which the health check reports."""
    try:
        return here.console.worker.installation.models.metrics(record)
    except ArtifactError:
        return {}


def groups_of(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Recall@10 on test by how much a customer bought and by how often a product was bought.

    Each: the word of the kind, its bounds, how many were measured, the figure. Empty for a model
    that was not evaluated.
    """
    return [
        {"kind": kind, "bounds": bounds, "n": part[n_key], "recall": part["recall@10"]}
        for kind, key, n_key in GROUPS
        for bounds, part in metrics.get(key, {}).items()
    ]
