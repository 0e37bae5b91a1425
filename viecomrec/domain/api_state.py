"""What the service says of itself, how it is told to change, and how it refuses."""

from typing import Annotated, Literal

from pydantic import Field, StrictStr, StringConstraints

from viecomrec.domain.api import MAX_ID_LENGTH, Answer, Request


class ErrorAnswer(Answer):
    detail: str


class Problem(Answer):
    loc: list[str | int]
    msg: str
    type: str


class InvalidAnswer(Answer):
    """Which fields of the request make no sense."""

    detail: list[Problem] | str


class ReloadRequest(Request):
    model_id: Annotated[StrictStr, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH)]


class ReloadResponse(Answer):
    status: Literal["success"]
    model_id: str
    snapshot_version: str
    loaded_at_utc: str
    message: str


class Traffic(Answer):
    """Answers of /recommend by the model now live, all workers together."""

    n_requests: int = 0
    n_errors: int = 0
    n_empty: int = 0
    latency_ms_p50: float | None = None
    latency_ms_p95: float | None = None


class WorkerInfo(Answer):
    pid: int
    replica: str | None = None
    """The service that the worker belongs to, where there are several."""
    model_id: str | None
    snapshot_version: str | None
    status: str


class ModelInfo(Answer):
    status: Literal["ok", "degraded", "empty"]
    reason: str | None = None
    """Why the service is degraded or empty, and what to run."""

    model_id: str | None = None
    model_type: str | None = None
    snapshot_version: str | None = None
    embedding_version: str | None = None
    installation_id: str
    loaded_at_utc: str | None = None
    desired: str | None = None
    n_users: int = 0
    n_items: int = 0
    weights: dict[str, float] = Field(default_factory=dict)
    """The blend in force."""

    traffic: Traffic = Traffic()
    workers: list[WorkerInfo] = Field(default_factory=list)
    workers_agree: bool = True
    behind: list[str] = Field(default_factory=list)
    """The replicas, or process ids, that serve another model than this one."""


class HealthAnswer(Answer):
    status: Literal["healthy", "degraded", "empty"]
    reason: str | None = None
    model_id: str | None = None
    golden_items: int = 0
    """How many items the golden request was answered with just now."""


class ReadyAnswer(Answer):
    ready: bool
    reason: str | None = None


class StatsAnswer(Answer):
    """What the service holds in memory."""

    model_id: str
    snapshot_version: str
    n_products: int
    n_offered: int
    n_users_with_history: int
    n_trained_users: int
    n_events: int
    n_fresh_events: int
    has_text_vectors: bool
    requests: dict[str, int]
