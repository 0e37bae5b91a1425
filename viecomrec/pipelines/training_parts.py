"""What a training is asked for, what it may touch, and what comes out of each fit."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from viecomrec.adapters.checkpoints import CheckpointStore
from viecomrec.adapters.embeddings import EmbeddingStore
from viecomrec.adapters.registry import ModelStore, RegistryStore
from viecomrec.adapters.snapshots import SnapshotStore
from viecomrec.domain.registry import ModelType
from viecomrec.errors import ConfigurationError
from viecomrec.models.blend_weights import ChosenBlend
from viecomrec.models.evaluation import Evaluation
from viecomrec.models.search import Trial
from viecomrec.models.spark_als import FitItems
from viecomrec.models.trainer import TrainedModel

MODEL_TYPES: dict[str, tuple[ModelType, ...]] = {
    "als": ("als",),
    "bpr": ("bpr",),
    "both": ("als", "bpr"),
}


SPARK = "spark"


@dataclass(frozen=True)
class TrainingRequest:
    """The guide's flags."""

    model: str = "both"
    auto_select: bool = False
    warmstart: bool = False
    skip_eval: bool = False
    force: bool = False
    engine: str = "embedded"
    """Who solves ALS: this process, or spark."""

    @property
    def model_types(self) -> tuple[ModelType, ...]:
        return MODEL_TYPES[self.model]

    def check(self) -> None:
        """Raise before anything is read where flags contradict one another."""
        if self.auto_select and self.skip_eval:
            raise ConfigurationError(
                "--auto-select chooses by evaluation, --skip-eval leaves it out: use one of them."
            )
        if self.engine == SPARK and self.model != "als":
            raise ConfigurationError(
                "--engine spark trains ALS only: add --model als, or train BPR without --engine."
            )
        if self.engine == SPARK and self.warmstart:
            raise ConfigurationError(
                "Spark's ALS cannot start from a previous model: leave out --warmstart."
            )


@dataclass(frozen=True)
class TrainingTools:
    """What a training reads and changes. `config` has the guide's keys als, bpr, early_stopping."""

    snapshots: SnapshotStore
    embeddings: EmbeddingStore
    models: ModelStore
    registry: RegistryStore
    checkpoints: CheckpointStore
    config: dict[str, dict[str, Any]]
    seed: int
    threads: int
    now: Callable[[], datetime]
    zone: tzinfo
    open_spark: Callable[[], AbstractContextManager[FitItems]] | None = None
    """A Spark that solves for item factors until it is closed; where --engine spark asks for it."""

    checkpoint_every: int = 5
    """Iterations between two checkpoints; each costs a write to the disk."""

    def __post_init__(self) -> None:
        if self.config["als"]["use_gpu"]:
            raise ConfigurationError(
                "training.als.use_gpu is true, but this version trains on the CPU: set it to false."
            )


@dataclass(frozen=True)
class Measured:
    """What the held-out users say of a model, and of popularity beside it."""

    validation: Evaluation
    test: Evaluation


@dataclass(frozen=True)
class Candidate:
    """A fitted recipe; `trials` are what the search tried where it found this recipe.

    `blended` is what users get; `factors` are U and V alone. Both are None without evaluation,
    and so is `blend`.
    """

    model: TrainedModel
    is_defender: bool = False
    """Fitted only because the champion was made so; kept only if it stays the champion."""

    blended: Measured | None = None
    factors: Measured | None = None
    blend: ChosenBlend | None = None
    trials: list[Trial] = field(default_factory=list)
    cold_items: dict[str, Any] | None = None
    time_cut: dict[str, Any] | None = None
