"""What embeddings and training need."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from viecomrec.bootstrap.data import Data

if TYPE_CHECKING:
    from viecomrec.models.spark_als import FitItems
    from viecomrec.pipelines.bert_embeddings import EmbeddingTools
    from viecomrec.pipelines.language_models import ModelTools
    from viecomrec.pipelines.training_parts import TrainingTools


@dataclass(frozen=True)
class Learning(Data):
    """What embeddings and training need."""

    def model_tools(self) -> "ModelTools":
        from viecomrec.adapters.model_hub import ModelHub
        from viecomrec.domain.language_models import PHOBERT, VISOBERT_SENTIMENT
        from viecomrec.pipelines.language_models import ModelTools

        return ModelTools(
            folders=self.language_models,
            hub=ModelHub(self.settings.language_models.hub),
            embeddings=self.embeddings,
            revisions={
                PHOBERT.model_id: self.settings.embeddings.revision,
                VISOBERT_SENTIMENT.model_id: self.settings.comments.revision,
            },
            now=self.now,
        )

    def embedding_tools(self) -> "EmbeddingTools":
        from viecomrec.adapters.numeric_formats import NumericFormatStore
        from viecomrec.adapters.progress import progress
        from viecomrec.adapters.text_vectors import TextVectorCache
        from viecomrec.pipelines.bert_embeddings import EmbeddingTools
        from viecomrec.pipelines.encoder_choice import choose_encoder

        wanted = self.settings.embeddings
        formats = NumericFormatStore(self.paths.numeric_formats_file)
        return EmbeddingTools(
            store=self.embeddings,
            choice=choose_encoder(wanted, self.language_models, formats),
            formats=formats,
            open_cache=lambda key: TextVectorCache(self.paths.text_vectors, key),
            progress=progress,
            postprocess=wanted.postprocess,
            fresh_days=wanted.fresh_days,
            now=self.now,
            zone=self.zone,
        )

    def training_tools(self, engine: str = "embedded") -> "TrainingTools":
        """`engine` solves ALS: embedded (this process) or spark."""
        from viecomrec.adapters.checkpoints import CheckpointStore
        from viecomrec.models.threads import thread_count
        from viecomrec.pipelines.training_parts import TrainingTools

        training = self.settings.training
        return TrainingTools(
            snapshots=self.snapshots,
            embeddings=self.embeddings,
            models=self.models,
            registry=self.registry,
            checkpoints=CheckpointStore(self.paths.checkpoints),
            config=training.model_dump(include={"als", "bpr", "early_stopping"}),
            seed=training.seed,
            threads=thread_count(training.threads),
            now=self.now,
            zone=self.zone,
            open_spark=self._spark_for_items() if engine == "spark" else None,
        )

    def _spark_for_items(self) -> "Callable[[], AbstractContextManager[FitItems]]":
        """A Spark that solves ALS. Raises ConfigurationError where it or Java is missing."""
        import os

        from viecomrec.adapters.spark import require_spark
        from viecomrec.models.spark_als import fit_items

        require_spark(os.environ)

        @contextmanager
        def opened() -> "Iterator[FitItems]":
            self.paths.engine_scratch.mkdir(parents=True, exist_ok=True)
            with (
                TemporaryDirectory(dir=self.paths.engine_scratch, prefix="spark-") as folder,
                self._spark_session(Path(folder)) as spark,
            ):
                yield partial(fit_items, spark)

        return opened
