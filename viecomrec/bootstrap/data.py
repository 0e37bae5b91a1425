"""What data refresh, comment scoring, ingest and erasure need."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from viecomrec.bootstrap.stores import Stores

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from viecomrec.pipelines.comment_scoring import CommentScoring
    from viecomrec.pipelines.data_refresh import RefreshTools
    from viecomrec.pipelines.event_ingest import IngestTools
    from viecomrec.pipelines.refresh_build import Sources
    from viecomrec.pipelines.spark_rows import SparkEngine
    from viecomrec.pipelines.user_erasure import ErasureTools


@dataclass(frozen=True)
class Data(Stores):
    """What data refresh, comment scoring, ingest and erasure need."""

    def refresh_tools(self, engine: str = "embedded") -> "RefreshTools":
        """`engine` works on the rows of a full refresh: embedded (this process) or spark."""
        from viecomrec.pipelines.data_refresh import RefreshTools

        return RefreshTools(
            engine=engine,
            resolve_rows=self._spark_engine().resolve_rows if engine == "spark" else None,
            sources=self._refresh_sources(),
            staged=self._staged_files(),
            snapshots=self.snapshots,
            scoring=self.comment_scoring(),
            incremental_limit=self.settings.refresh.incremental_limit,
            now=self.now,
        )

    def _spark_engine(self) -> "SparkEngine":
        """Spark for rows. Raises ConfigurationError where it, or Java, is not installed."""
        import os

        from viecomrec.adapters.spark import require_spark
        from viecomrec.bootstrap import stored_scorer
        from viecomrec.pipelines.spark_rows import SparkEngine

        require_spark(os.environ)
        return SparkEngine(
            open_session=self._spark_session,
            scratch=self.paths.engine_scratch,
            load_scorer=partial(stored_scorer, str(self.paths.root)),
        )

    def _spark_session(self, scratch: Path) -> "AbstractContextManager[SparkSession]":
        from viecomrec.adapters.spark import SparkOptions, spark_session

        wanted = self.settings.spark
        options = SparkOptions(wanted.master, wanted.driver_memory, tuple(wanted.settings.items()))
        return spark_session(options, scratch)

    def comment_scoring(self) -> "CommentScoring":
        from viecomrec.adapters.numeric_formats import NumericFormatStore
        from viecomrec.adapters.score_cache import ScoreCache
        from viecomrec.adapters.scorers import ScorerStore
        from viecomrec.pipelines.comment_scoring import CommentScoring
        from viecomrec.pipelines.scorer_choice import choose_scorer

        return CommentScoring(
            choice=choose_scorer(self.settings.comments, self.language_models),
            wanted=self.settings.comments,
            formats=NumericFormatStore(self.paths.numeric_formats_file),
            cache=ScoreCache(self.paths.comment_scores),
            self_trained=ScorerStore(
                self.paths.scorers, self.paths.scorer_pointer, self.now, self.kept_scorers()
            ),
        )

    def erasure_tools(self) -> "ErasureTools":
        from viecomrec.adapters.score_cache import ScoreCache
        from viecomrec.pipelines.user_erasure import ErasureTools

        sources = self._refresh_sources()
        return ErasureTools(
            erased=self.erased_users,
            sources=sources,
            source=sources.shop.source,
            staging=self.paths.staging,
            cache=ScoreCache(self.paths.comment_scores),
            models=self.models,
            logs=self.paths.logs,
            now=self.now,
            erase_shared=self._erase_shared,
        )

    @property
    def event_zone(self) -> str:
        """The zone of a time without an offset, the same at every door that takes events in."""
        return self._refresh_sources().zone

    def ingest_tools(self) -> "IngestTools":
        from viecomrec.pipelines.event_ingest import IngestTools

        return IngestTools(
            staging=self.staging,
            zone=self.event_zone,
            max_bad_share=self.settings.refresh.max_bad_share,
        )

    def _refresh_sources(self) -> "Sources":
        from viecomrec.adapters.data_source import read_data_source
        from viecomrec.adapters.file_hashes import FileHashes
        from viecomrec.adapters.merged_events import MergedEvents
        from viecomrec.adapters.quarantine import QuarantineFiles
        from viecomrec.adapters.shop_files import ShopFiles
        from viecomrec.domain.confidence import ConfidenceRule
        from viecomrec.domain.snapshot_content import SnapshotRules
        from viecomrec.pipelines.refresh_build import Sources

        wanted = self.settings.refresh
        source = read_data_source(self.paths.data_source_file)
        zone = source.time_zone or str(self.zone)
        confidence = ConfidenceRule(
            positive_rating=wanted.positive_rating,
            unrated_base=wanted.unrated_base,
            unrated_quality=wanted.unrated_quality,
            kind_weights=wanted.kind_weights,
        )
        return Sources(
            shop=ShopFiles(self.paths.published_data, source, FileHashes(self.paths.file_hashes)),
            merged=MergedEvents(self.paths.merged_events),
            quarantine=QuarantineFiles(self.paths.quarantine),
            erased=self.erased_users,
            rules=SnapshotRules(
                confidence, wanted.min_distinct_products, wanted.validation_percent, zone
            ),
            zone=zone,
            max_bad_share=wanted.max_bad_share,
            workspace=self.paths.snapshots,
            max_rows=wanted.rows_in_memory,
        )
