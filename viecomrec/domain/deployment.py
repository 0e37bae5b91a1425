"""What a deployment is: which model, which states, what counts as proof, what was live when."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from viecomrec.domain.registry import Registry
from viecomrec.errors import RegistryError

UNKNOWN_USER = "viecomrec-golden-unknown-user"
"""Nobody's id: the golden request that must be answered without a history."""


class DeploymentState(StrEnum):
    PENDING = "pending"
    VERIFYING = "verifying"
    DEPLOYED = "deployed"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"


NEXT_STATES: Mapping[DeploymentState | None, frozenset[DeploymentState]] = {
    None: frozenset({DeploymentState.PENDING, DeploymentState.VERIFYING, DeploymentState.FAILED}),
    DeploymentState.PENDING: frozenset(),
    DeploymentState.VERIFYING: frozenset(
        {DeploymentState.DEPLOYED, DeploymentState.FAILED, DeploymentState.ROLLED_BACK}
    ),
    DeploymentState.DEPLOYED: frozenset({DeploymentState.FAILED, DeploymentState.ROLLED_BACK}),
    DeploymentState.FAILED: frozenset(),
    DeploymentState.ROLLED_BACK: frozenset(),
}
"""A pending deployment ends with its run; the next run is a deployment of its own."""


class Asked(StrEnum):
    """How the model was chosen."""

    BEST = "current_best"
    BY_NAME = "model_id"
    ROLLBACK = "rollback"
    WATCH = "watch"


class TrafficSeen(BaseModel):
    """Answers of one model since it was loaded, as `/model_info` counts them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    n_requests: int = 0
    n_errors: int = 0
    n_empty: int = 0
    latency_ms_p50: float | None = None
    latency_ms_p95: float | None = None


class DeploymentRecord(BaseModel):
    """One line of the journal. `live_model_id` is what the service was seen to serve, if known."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    schema_version: int = 1
    deployment_id: str
    timestamp: str
    timestamp_utc: datetime
    state: DeploymentState
    model_id: str
    previous_model_id: str | None
    live_model_id: str | None
    asked: Asked
    passed_over: str | None = None
    """The model that a person set aside with this choice; it waits for a name."""

    traffic_before: TrafficSeen | None = None
    """How the model before was doing: what the new one is compared with."""

    reason: str | None = None


class LiveModel(BaseModel):
    """What `/model_info` says, as far as a deployment needs it."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())

    model_id: str | None
    installation_id: str
    status: str
    snapshot_version: str | None = None
    loaded_at_utc: str | None = None
    traffic: TrafficSeen | None = None
    workers_agree: bool = True
    """Whether every worker process serves this model by now."""

    behind: tuple[str, ...] = ()
    """The replicas that serve another model."""


@dataclass(frozen=True)
class Choice:
    """The model to deploy; None where there is nothing to do, and why."""

    model_id: str | None
    asked: Asked
    note: str | None = None


def choose_target(
    registry: Registry,
    model_id: str | None,
    *,
    rollback: bool,
    history: Sequence[DeploymentRecord],
) -> Choice:
    """Choose by name, by rollback, else what a person left pending, else `current_best`.

    A `current_best` that was taken back or passed over by hand is not deployed again by
    itself; by name it may be. Raises RegistryError for an unknown name, a missing way back,
    or a `current_best` that was never shown to be above the popularity baseline.
    """
    if model_id is not None:
        return Choice(registry.record(model_id).model_id, Asked.BY_NAME)
    if rollback:
        return Choice(_rollback_target(registry), Asked.ROLLBACK)
    return _left_pending(registry, history) or _choose_best(registry, blocked_models(history))


def _left_pending(registry: Registry, history: Sequence[DeploymentRecord]) -> Choice | None:
    """What a person asked for while the service was offline; that order comes first."""
    last = history[-1] if history else None
    if last is None or last.state is not DeploymentState.PENDING or last.asked is Asked.BEST:
        return None
    if last.model_id not in registry.models:
        return None
    return Choice(last.model_id, last.asked)


def _choose_best(registry: Registry, blocked: Mapping[str, str]) -> Choice:
    best = registry.current_best
    if best is None:
        note = "No model is chosen yet. Train one: python -m automation.model_training"
        return Choice(None, Asked.BEST, note)
    if best in blocked:
        note = (
            f"{best} is not deployed by itself ({blocked[best]}). To deploy it all the same: "
            f"python -m automation.model_deployment --model-id {best}"
        )
        return Choice(registry.deployed, Asked.BEST, note)
    if registry.record(best).above_popularity is not True:
        raise RegistryError(
            f"current_best {best!r} is not above the popularity baseline; it is not deployed. "
            "Train again, or name a model with --model-id."
        )
    return Choice(best, Asked.BEST)


def _rollback_target(registry: Registry) -> str:
    if registry.rollback_target is None:
        raise RegistryError("There is no earlier deployment to return to.")
    return registry.record(registry.rollback_target).model_id


def way_back(registry: Registry, live_model_id: str | None, target: str) -> str | None:
    """The registered model to return to when `target` fails: the live one, else the deployed."""
    for model_id in (live_model_id, registry.deployed, registry.rollback_target):
        if model_id is not None and model_id != target and model_id in registry.models:
            return model_id
    return None


def with_desired(registry: Registry, model_id: str | None) -> Registry:
    """State what the service should load; None where nothing trustworthy is left."""
    return registry.model_copy(update={"desired": model_id})


def is_settled(registry: Registry, live: LiveModel, target: str) -> bool:
    """Whether the target is live, confirmed and wanted: nothing is left to do."""
    return live.model_id == registry.deployed == registry.desired == target


def require_transition(before: DeploymentState | None, after: DeploymentState) -> None:
    if after not in NEXT_STATES[before]:
        raise ValueError(f"a deployment never goes from {before} to {after}")


def blocked_models(records: Iterable[DeploymentRecord]) -> dict[str, str]:
    """Models that were taken back or passed over, and not deployed since, with the reason."""
    blocked: dict[str, str] = {}
    for record in records:
        if record.state is DeploymentState.ROLLED_BACK:
            blocked[record.model_id] = f"rolled back: {record.reason}"
        elif record.state is DeploymentState.DEPLOYED:
            blocked.pop(record.model_id, None)
            if record.passed_over is not None:
                blocked[record.passed_over] = f"{record.model_id} was chosen by hand"
    return blocked


def passed_over(registry: Registry, choice: Choice) -> str | None:
    """The model that a person sets aside by this choice."""
    instead = {Asked.ROLLBACK: registry.deployed, Asked.BY_NAME: registry.current_best}
    other = instead.get(choice.asked)
    return other if other != choice.model_id else None


def live_at(records: Iterable[DeploymentRecord], at: datetime) -> DeploymentRecord | None:
    """The last record at or before `at` (aware) that knows what the service served."""
    known = [one for one in records if one.live_model_id and one.timestamp_utc <= at]
    # Of two records of one instant the later line counts: max keeps the first that it meets.
    return max(reversed(known), key=lambda one: one.timestamp_utc, default=None)


def golden_users(user_ids: Sequence[str]) -> tuple[str, ...]:
    """Known users to ask for: the first, the middle and the last row of the model."""
    if not user_ids:
        return ()
    rows = (0, len(user_ids) // 2, len(user_ids) - 1)
    return tuple(dict.fromkeys(user_ids[row] for row in rows))


def golden_problem(
    answer: Mapping[str, Any], model_id: str, product_ids: frozenset[str], *, is_known: bool
) -> str | None:
    """What is wrong with an answer of `/recommend`, or None.

    The answer must come from the model, hold distinct products of the model with finite
    scores, and be personal for a known user.
    """
    if answer.get("model_id") != model_id:
        return f"answered by model {answer.get('model_id')!r}"
    items = answer.get("items")
    if not isinstance(items, list) or not items:
        return "an empty list"
    if not all(isinstance(item, dict) for item in items):
        return "items of an unknown form"
    return _items_problem(items, product_ids) or _fallback_problem(answer, is_known=is_known)


def _items_problem(items: list[dict[str, Any]], product_ids: frozenset[str]) -> str | None:
    offered = [item.get("product_id") for item in items]
    if len(set(offered)) != len(offered):
        return "the same product twice"
    strangers = [product for product in offered if product not in product_ids]
    if strangers:
        return f"product {strangers[0]!r}, which the model does not know"
    if not all(_is_finite(item.get("score")) for item in items):
        return "a score that is not a finite number"
    return None


def _fallback_problem(answer: Mapping[str, Any], *, is_known: bool) -> str | None:
    if is_known and answer.get("is_fallback") is not False:
        return f"a fallback for a known user ({answer.get('fallback_reason')})"
    return None


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
