"""Which models exist, which is chosen, which should be live and which is."""

import re
from collections.abc import Collection, Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from viecomrec.errors import RegistryError

SCHEMA_VERSION = 2
MODEL_ID = re.compile(r"(als|bpr)_(\d{8})_v([1-9]\d*)")

ModelType = Literal["als", "bpr"]


class ModelRecord(BaseModel):
    """One trained model; its files lie in `path`, relative to the folder of the registry."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    model_id: str
    model_type: ModelType
    path: str
    created_at_utc: str
    snapshot_version: str
    embedding_version: str | None = None
    metrics: dict[str, Any] = Field(default_factory=dict)
    above_popularity: bool | None = None
    """None where the model was not evaluated (`--skip-eval`)."""

    training_key: str | None = None
    """Names the data and the configuration; the same key need not be trained again."""

    fit_key: str | None = None
    """Names the recipe and the start besides: the same key gives the same bytes."""

    auto_selected: bool = False
    """Whether `--auto-select` compared it with the champion."""


class Registry(BaseModel):
    """`current_best` is chosen by evaluation, `desired` should be live, `deployed` is confirmed.

    `rollback_target` is the model that was deployed before `deployed`, whatever was trained
    in between.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    schema_version: int = SCHEMA_VERSION
    current_best: str | None = None
    desired: str | None = None
    deployed: str | None = None
    rollback_target: str | None = None
    pinned: tuple[str, ...] = ()
    """Models that a person wants kept: cleanup never deletes them."""

    models: dict[str, ModelRecord] = Field(default_factory=dict)
    updated_at_utc: str | None = None

    def record(self, model_id: str) -> ModelRecord:
        """The record of a model, or an error that names the known ones."""
        if model_id not in self.models:
            known = ", ".join(sorted(self.models)) or "none yet"
            raise RegistryError(f"Model {model_id!r} is not in the registry (known: {known}).")
        return self.models[model_id]

    def with_model(self, record: ModelRecord) -> "Registry":
        if record.model_id in self.models:
            raise RegistryError(f"Model {record.model_id!r} is in the registry already.")
        return self.model_copy(update={"models": {**self.models, record.model_id: record}})

    def with_compared(self, model_ids: Collection[str]) -> "Registry":
        """Remember of models that `--auto-select` has compared them with the champion."""
        compared = {
            one: self.record(one).model_copy(update={"auto_selected": True}) for one in model_ids
        }
        return self.model_copy(update={"models": {**self.models, **compared}})

    def promote(self, model_id: str) -> "Registry":
        """Make a model `current_best`; one that is not above popularity is never promoted."""
        if self.record(model_id).above_popularity is not True:
            raise RegistryError(f"Model {model_id!r} is not above the popularity baseline.")
        return self.model_copy(update={"current_best": model_id})

    def pin(self, model_id: str) -> "Registry":
        """Keep a model for ever, however old it grows."""
        pinned = dict.fromkeys((*self.pinned, self.record(model_id).model_id))
        return self.model_copy(update={"pinned": tuple(pinned)})

    def unpin(self, model_id: str) -> "Registry":
        """Let a model go like any other; it may be gone already."""
        left = tuple(one for one in self.pinned if one != model_id)
        return self.model_copy(update={"pinned": left})

    def desire(self, model_id: str) -> "Registry":
        """State what the service should load."""
        return self.model_copy(update={"desired": self.record(model_id).model_id})

    def confirm(self, model_id: str) -> "Registry":
        """Record that the service has confirmed a model; the one before is the way back."""
        model_id = self.record(model_id).model_id
        before = self.rollback_target if model_id == self.deployed else self.deployed
        return self.model_copy(
            update={"deployed": model_id, "desired": model_id, "rollback_target": before}
        )


def next_model_id(model_type: ModelType, day: str, taken: Iterable[str]) -> str:
    """The next free id of the day, `als_20250130_v1`, counting up within the day.

    `taken` holds every id ever seen, folders of failed runs included. `day` is YYYYMMDD.
    """
    versions = [
        int(match[3])
        for match in map(MODEL_ID.fullmatch, taken)
        if match and match[1] == model_type and match[2] == day
    ]
    return f"{model_type}_{day}_v{max(versions, default=0) + 1}"


def upgrade(content: dict[str, Any]) -> dict[str, Any]:
    """Registry content of an older schema in the present one; nothing of it is lost.

    Schema 1 had no pinned models. Raises ValueError where the version is none of ours.
    """
    version = content.get("schema_version")
    if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
        raise ValueError(f"schema version {version!r}")
    if version == 1:
        return {**content, "pinned": [], "schema_version": SCHEMA_VERSION}
    return content
