"""The rows of a full refresh through Spark: our own rules, partition by partition.

Spark moves, sorts into partitions and spills; what a row means is decided by the same functions
as in one process. Blocks of the export are read, checked, scored and identified where they are;
rows come together by event id, so that each counts once, and then by user, so that every rule
about a user sees all of that user's rows.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import structlog

from viecomrec.adapters.raw_files import FIRST_ROW, Block, RawTable
from viecomrec.adapters.row_spill import RowSpill
from viecomrec.adapters.shards import BlockReport, ShardFolder
from viecomrec.domain import columns as c
from viecomrec.domain import dates
from viecomrec.domain.checks import QUARANTINE_SCHEMA, check_rows, require_few_bad
from viecomrec.domain.comment_quality import CommentScorer
from viecomrec.domain.contracts import REVIEWS
from viecomrec.domain.erasure import ErasedUsers
from viecomrec.domain.interactions import ROW_COLUMNS, identify, in_order, resolve
from viecomrec.pipelines.refresh_build import Resolved, Sources, Tally, resolve_here
from viecomrec.pipelines.review_rows import scored

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

Batches = Iterator["pa.RecordBatch"]

PLACE = "place"
"""The order of the export, events after it: of rows with one id the first counts."""

ROWS_OF_A_BLOCK = 2**32
EVENTS_FROM = 2**62
BLOCKS_OF_A_TASK = 2
BYTES_OF_A_PARTITION = 64 * 2**20
"""Of the export; its rows are about 250,000 and fit into a worker's memory many times."""

WIRE = (
    "place long, event_id string, user_id string, product_id string, at long, kind string, "
    "rating float, comment_quality float, text_id long"
)
"""Rows as Spark knows them: no unsigned numbers, instants as microseconds."""

COUNTS = "shard long, n_good long, n_distinct long, n_remembered long"

log = structlog.get_logger()


@dataclass(frozen=True)
class SparkEngine:
    """How to open Spark, a folder that its workers share, and how a worker gets the scorer."""

    open_session: Callable[[Path], AbstractContextManager["SparkSession"]]
    scratch: Path
    load_scorer: Callable[[], CommentScorer]
    """Called in each worker process, so it must not carry anything of this one."""

    def resolve_rows(
        self, sources: Sources, events: pl.DataFrame, scorer: CommentScorer, rows_folder: Path
    ) -> Resolved:
        """As `resolve_here`; an export with a broken layout is read again there."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.scratch, prefix="spark-") as name:
            folder = Path(name)
            found = sources.shop.read_reviews(
                lambda table: self._resolved(
                    table.on_disk(folder), sources, events, folder, rows_folder
                )
            )
        if found is None:
            log.warning("the layout of the export is broken; it is read again without Spark")
            return resolve_here(sources, events, scorer, rows_folder)
        return found

    def _resolved(
        self,
        table: RawTable,
        sources: Sources,
        events: pl.DataFrame,
        folder: Path,
        rows_folder: Path,
    ) -> Resolved | None:
        blocks = list(table.blocks())
        date_format = _date_format(table, blocks)
        if date_format is None:
            return None
        source = sources.shop.path(REVIEWS).name
        shards = ShardFolder(folder)
        reader = BlockReader(
            table, blocks, source, sources.zone, date_format, self.load_scorer, shards
        )
        resolver = ShardResolver(sources.erased.read(), shards)
        n_partitions = 1 + sum(block.n_bytes for block in blocks) // BYTES_OF_A_PARTITION
        with self.open_session(folder) as spark:
            n_partitions = max(n_partitions, spark.sparkContext.defaultParallelism)
            counts = _count_resolved(spark, reader, resolver, events, n_partitions)
        reports = [shards.read_report(number) for number in range(len(blocks))]
        if any(report.is_broken for report in reports):
            return None
        n_reviews, quarantined = _all_bad(reports)
        require_few_bad(n_reviews, quarantined, sources.max_bad_share, source)
        # Spark's partitions are no buckets of ours, and all rows together may be too many.
        spill = RowSpill(rows_folder, sources.max_rows)
        for number in counts["shard"]:
            spill.add(shards.read_shard(number))
        return Resolved(
            shards=(in_order(rows) for rows in spill.shards()),
            n_reviews=n_reviews,
            n_good=int(counts["n_good"].sum()),
            tally=Tally(int(counts["n_distinct"].sum()), int(counts["n_remembered"].sum())),
            quarantined=quarantined,
        )


def _count_resolved(
    spark: "SparkSession",
    reader: "BlockReader",
    resolver: "ShardResolver",
    events: pl.DataFrame,
    n_partitions: int,
) -> pl.DataFrame:
    """Do the work; one row of counts for each shard that was written."""

    # Spark asks for plain functions of one argument.
    def read(batches: Batches) -> Batches:
        return reader.read(batches)

    def resolve_shard(batches: Batches) -> Batches:
        return resolver.resolve(batches)

    n_blocks = len(reader.blocks)
    n_tasks = max(1, n_blocks // BLOCKS_OF_A_TASK)
    numbers = spark.range(0, n_blocks, 1, n_tasks)
    rows: DataFrame = numbers.mapInArrow(read, WIRE)
    if events.height:
        after = pl.int_range(pl.len(), dtype=pl.Int64) + EVENTS_FROM
        placed = events.with_columns(after.alias(PLACE))
        rows = rows.unionByName(spark.createDataFrame(_to_arrow(placed), WIRE))
    once = rows.repartition(n_partitions, c.EVENT_ID).mapInArrow(_first_of_each, f"{WIRE}, n long")
    counts = once.repartition(n_partitions, c.USER_ID).mapInArrow(resolve_shard, COUNTS)
    found = pl.DataFrame(
        [row.asDict() for row in counts.collect()],
        schema=dict.fromkeys(("shard", "n_good", "n_distinct", "n_remembered"), pl.Int64),
    )
    return found.sort("shard")


@dataclass(frozen=True)
class BlockReader:
    """From the numbers of blocks to identified rows, in a worker process."""

    table: RawTable
    blocks: Sequence[Block]
    source: str
    zone: str
    date_format: str
    load_scorer: Callable[[], CommentScorer]
    shards: ShardFolder

    def read(self, batches: Batches) -> Batches:
        scorer = self.load_scorer()
        for batch in batches:
            for number in batch.column("id").to_pylist():
                yield from _to_arrow(self._rows(number, scorer)).to_batches()

    def _rows(self, number: int, scorer: CommentScorer) -> pl.DataFrame:
        block = self.table.read_block(self.blocks[number])
        if block is None:
            self.shards.report(number, BlockReport(0, 0, is_broken=True, bad=None))
            return _EMPTY
        named = block.rows.with_columns(pl.lit(self.source).alias(c.SOURCE))
        good, bad = check_rows(named, self.date_format, self.zone)
        self.shards.report(
            number, BlockReport(named.height, block.n_numbers, is_broken=False, bad=bad)
        )
        place = pl.lit(number * ROWS_OF_A_BLOCK) + pl.col(c.ROW)
        return identify(scored(good, scorer)).with_columns(place.alias(PLACE))


@dataclass(frozen=True)
class ShardResolver:
    """From the rows of whole users to resolved ones in a file, in a worker process."""

    erased: ErasedUsers
    shards: ShardFolder

    def resolve(self, batches: Batches) -> Batches:
        import pyarrow as pa
        from pyspark import TaskContext

        context = TaskContext.get()
        number = 0 if context is None else context.partitionId()
        rows = _from_arrow(batches)
        remembered = self.erased.without(rows)
        self.shards.write_shard(number, resolve(remembered.select(ROW_COLUMNS)))
        counts = [number, int(rows["n"].sum()), rows.height, remembered.height]
        names = ["shard", "n_good", "n_distinct", "n_remembered"]
        yield pa.RecordBatch.from_pydict({k: [v] for k, v in zip(names, counts, strict=True)})


def _first_of_each(batches: Batches) -> Batches:
    """Of the rows with one id the first, and how many there were."""
    rows = _from_arrow(batches).sort(PLACE)
    n = rows.select(pl.len().over(c.EVENT_ID).cast(pl.Int64).alias("n"))
    first = rows.hstack(n).unique(c.EVENT_ID, keep="first", maintain_order=True)
    yield from _to_arrow(first, "n").to_batches()


def _date_format(table: RawTable, blocks: Sequence[Block]) -> str | None:
    """The format that the first batch with rows decides; None where its layout is broken."""
    for block in blocks:
        batch = table.read_block(block)
        if batch is None:
            return None
        if batch.rows.height:
            return dates.decide_format(batch.rows[c.AT])
    return "iso"


def _all_bad(reports: Sequence[BlockReport]) -> tuple[int, pl.DataFrame]:
    """The number of all rows, and the bad ones numbered as in the file."""
    n_before, parts = 0, [QUARANTINE_SCHEMA.to_frame()]
    for report in reports:
        if report.bad is not None:
            parts.append(report.bad.with_columns(pl.col(c.ROW) + FIRST_ROW + n_before))
        n_before += report.n_numbers
    return sum(report.n_rows for report in reports), pl.concat(parts)


_EMPTY = pl.DataFrame(
    schema={
        PLACE: pl.Int64,
        c.EVENT_ID: pl.String,
        c.USER_ID: pl.String,
        c.PRODUCT_ID: pl.String,
        c.AT: dates.UTC_MICROSECONDS,
        c.KIND: pl.String,
        c.RATING: pl.Float32,
        c.COMMENT_QUALITY: pl.Float32,
        c.TEXT_ID: pl.UInt64,
    }
)


def _to_arrow(rows: pl.DataFrame, *more: str) -> "pa.Table":
    import pyarrow as pa

    table = rows.select(
        pl.col(PLACE).cast(pl.Int64),
        c.EVENT_ID,
        c.USER_ID,
        c.PRODUCT_ID,
        pl.col(c.AT).dt.epoch("us"),
        c.KIND,
        c.RATING,
        c.COMMENT_QUALITY,
        pl.col(c.TEXT_ID).reinterpret(signed=True),
        *more,
    ).to_arrow()
    fields: list[Any] = [
        pa.field(field.name, pa.string() if _is_text(field.type) else field.type)
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _from_arrow(batches: Batches) -> pl.DataFrame:
    import pyarrow as pa

    parts = list(batches)
    if not parts:
        return _EMPTY.with_columns(pl.lit(0, dtype=pl.Int64).alias("n")).clear()
    rows = pl.from_arrow(pa.Table.from_batches(parts))
    if not isinstance(rows, pl.DataFrame):
        raise TypeError(type(rows))
    return rows.with_columns(
        pl.from_epoch(c.AT, "us").dt.replace_time_zone("UTC"),
        pl.col(c.TEXT_ID).reinterpret(signed=False),
    )
