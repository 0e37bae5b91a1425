"""The two ways to the content of a snapshot: read everything, or work a few events in."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from viecomrec.adapters.bucket_files import BucketReader
from viecomrec.adapters.erased_users import ErasedUsersFile
from viecomrec.adapters.merged_events import MergedEvents
from viecomrec.adapters.quarantine import QuarantineFiles
from viecomrec.adapters.row_spill import RowSpill, StoredShards, n_parts_for
from viecomrec.adapters.shop_files import ShopFiles
from viecomrec.adapters.snapshot_files import (
    Statistics,
    read_previous,
    write_snapshot,
    write_update,
)
from viecomrec.adapters.snapshots import Snapshot
from viecomrec.domain import columns as c
from viecomrec.domain import products as catalogue
from viecomrec.domain.buckets import bucket
from viecomrec.domain.checks import EVENT_ID_CONFLICT, QUARANTINE_SCHEMA, check_rows, quarantine
from viecomrec.domain.comment_quality import CommentScorer
from viecomrec.domain.erasure import ErasedUsers
from viecomrec.domain.incremental import IncrementalUpdate
from viecomrec.domain.interactions import (
    REVIEW_ID,
    ROW_COLUMNS,
    deliver_once,
    identify,
    resolve,
)
from viecomrec.domain.snapshot_content import (
    IndexSpace,
    SnapshotRules,
    index_rows,
    index_space,
    survey,
    weigh,
)
from viecomrec.domain.statistics import describe_rows
from viecomrec.pipelines.review_rows import read_reviews, scored

BYTES_OF_A_REVIEW = 200
"""Rather too few: a guess at the number of rows, which decides on the number of files alone."""


@dataclass(frozen=True)
class Built:
    """The next snapshot, ready to be written, and the rows it leaves out."""

    write: Callable[[Path, Mapping[str, Any]], Statistics]
    """Writes the files into a folder, once; the statistics get the given entries."""

    rows: dict[str, Any]
    """What became of the rows that were read."""

    quarantined: pl.DataFrame
    trainable: pl.Series
    """The trainable users; of an update those who were not before."""


@dataclass(frozen=True)
class Sources:
    """What a snapshot is built from."""

    shop: ShopFiles
    merged: MergedEvents
    quarantine: QuarantineFiles
    erased: ErasedUsersFile
    rules: SnapshotRules
    zone: str
    max_bad_share: float
    workspace: Path
    """Where rows lie that memory should not hold, while a snapshot is made."""

    max_rows: int
    """How many rows memory should hold."""


@dataclass(frozen=True)
class _Events:
    """Identified events, each delivery of an id but the first left out."""

    rows: pl.DataFrame
    quarantined: pl.DataFrame
    n_good: int
    """Good rows before an id that came again was left out."""


@dataclass
class Tally:
    """What is counted while shards are resolved."""

    n_distinct: int = 0
    """Good rows with an id that no earlier row had."""

    n_remembered: int = 0
    """Of those, rows of people who were not erased."""


@dataclass(frozen=True)
class Resolved:
    """One row per user, product and second, and how many came and went."""

    shards: Iterable[pl.DataFrame]
    """Whole buckets of users, ascending, in the canonical order; each is asked for once."""

    n_reviews: int
    """Rows of the export, good or bad."""

    n_good: int
    """Good rows of the export and of the events."""

    tally: Tally
    """Complete when the last shard was taken."""

    quarantined: pl.DataFrame
    """Bad rows of the export."""


ResolveRows = Callable[[Sources, pl.DataFrame, CommentScorer, Path], Resolved]
"""From the export and identified events, as they follow the export, to resolved rows. The folder
is for what memory should not hold."""


@contextmanager
def _rows_on_disk(workspace: Path) -> Iterator[Path]:
    """A folder that is gone at the end, and with it whatever a killed run left behind."""
    # Only one refresh runs at a time, so every such folder is dead.
    for left in workspace.glob(".rows.*.tmp"):
        shutil.rmtree(left, ignore_errors=True)
    folder = workspace / f".rows.{os.getpid()}.tmp"
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def full_build(
    sources: Sources,
    event_files: Sequence[str],
    scorer: CommentScorer,
    resolve_rows: ResolveRows,
) -> Iterator[Built]:
    """Read the export and every merged event; a pure function of both, the rules and the scorer.

    `resolve_rows` is who works on the rows. What memory should not hold lies on disk until the
    block ends. Raises InputError where the export cannot be used.
    """
    with _rows_on_disk(sources.workspace) as folder:
        raw_events = sources.merged.read(event_files)
        events = _identified(raw_events, scorer)
        found = resolve_rows(sources, events.rows.select(ROW_COLUMNS), scorer, folder)
        listed = catalogue.read_catalogue(sources.shop.products(), sources.shop.attributes())
        stored = StoredShards(folder)
        space, n_resolved = _surveyed(found.shards, stored, listed, sources.rules)
        n_repeated = events.n_good - events.rows.height
        counts = {
            "reviews": found.n_reviews,
            "events": raw_events.height,
            "duplicates": n_repeated + found.n_good - found.tally.n_distinct,
            "same_product_in_event": found.tally.n_remembered - n_resolved,
        }
        quarantined = _in_order([found.quarantined, events.quarantined])
        shards = (index_rows(rows, space, sources.rules) for rows in stored)
        yield Built(
            lambda to, described: write_snapshot(space, shards, described, to),
            describe_rows(counts, quarantined),
            quarantined,
            space.users[c.USER_ID],
        )


def _surveyed(
    shards: Iterable[pl.DataFrame],
    stored: StoredShards,
    listed: pl.DataFrame,
    rules: SnapshotRules,
) -> tuple[IndexSpace, int]:
    """Number the users and products of all shards, which are put aside; and count their rows."""
    surveys, products, n_resolved = [], [], 0
    for rows in shards:
        weighed = weigh(rows, rules)
        n_resolved += weighed.height
        surveys.append(survey(weighed, rules))
        products.append(weighed[c.PRODUCT_ID].unique())
        stored.add(weighed)
    known = catalogue.with_uncatalogued(listed, pl.concat(products))
    return index_space(surveys, known), n_resolved


def resolve_here(
    sources: Sources, events: pl.DataFrame, scorer: CommentScorer, folder: Path
) -> Resolved:
    """Work on all rows in this process, a shard of users at a time."""
    n_rows = events.height + sources.shop.n_bytes_of_reviews() // BYTES_OF_A_REVIEW
    n_parts = n_parts_for(n_rows, sources.max_rows)
    reading = read_reviews(
        sources.shop,
        scorer,
        lambda: RowSpill(folder, sources.max_rows, n_parts),
        events[c.EVENT_ID],
        zone=sources.zone,
        max_bad_share=sources.max_bad_share,
    )
    # The id of a review counts once, whoever else uses it.
    reading.spill.add(events.filter(~pl.col(c.EVENT_ID).is_in(list(reading.claimed_ids))))
    tally = Tally()
    return Resolved(
        shards=_resolved_shards(reading.spill, sources.erased.read(), tally),
        n_reviews=reading.n_rows,
        n_good=reading.n_good + events.height,
        tally=tally,
        quarantined=pl.concat(reading.quarantined),
    )


def _resolved_shards(spill: RowSpill, erased: ErasedUsers, tally: Tally) -> Iterator[pl.DataFrame]:
    for rows in spill.shards():
        distinct = rows.filter(rows[c.EVENT_ID].is_first_distinct())
        remembered = erased.without(distinct)
        tally.n_distinct += distinct.height
        tally.n_remembered += remembered.height
        yield resolve(remembered)


def build_incremental(
    sources: Sources,
    previous: Snapshot,
    old_files: Sequence[str],
    new_files: Sequence[str],
    scorer: CommentScorer,
) -> Built | str:
    """Work new event files into the snapshot in force, or say why only a full rebuild can."""
    quarantined_before = sources.quarantine.read(previous.version)
    if quarantined_before is None:
        return "the quarantine of the previous snapshot is missing"
    raw = sources.merged.read(new_files)
    delivered = _identified(
        pl.concat([_earlier_deliveries(sources.merged, old_files, raw), raw]), scorer
    )
    is_new_file = pl.col(c.SOURCE).is_in(raw[c.SOURCE].unique().implode())
    fresh = delivered.rows.filter(is_new_file)
    buckets = BucketReader(previous.folder)
    before = read_previous(previous, buckets, set(fresh.select(bucket()).to_series()))
    new = _not_of_the_export(fresh.join(before.rows, on=c.EVENT_ID, how="anti"), previous)
    remembered = sources.erased.read().without(new)
    update = IncrementalUpdate(before, remembered, sources.rules)
    obstacle = update.obstacle()
    if obstacle is not None:
        return obstacle
    quarantined = _in_order([quarantined_before, delivered.quarantined])
    n_good = (
        raw.height
        - delivered.quarantined.filter(is_new_file & (pl.col(c.RULE) != EVENT_ID_CONFLICT)).height
    )
    counts = previous.statistics["rows"]
    rows = {
        "reviews": counts["reviews"],
        "events": counts["events"] + raw.height,
        "duplicates": counts["duplicates"] + n_good - new.height,
        "same_product_in_event": counts["same_product_in_event"]
        + remembered.height
        - update.n_resolved,
    }
    return Built(
        lambda to, described: write_update(update, previous, buckets, described, to),
        describe_rows(rows, quarantined),
        quarantined,
        update.newly_trainable[c.USER_ID],
    )


def _not_of_the_export(rows: pl.DataFrame, previous: Snapshot) -> pl.DataFrame:
    """Without events that somebody sent under the id of a review of the export.

    Ids of reviews have a shape of their own, so that the whole table is hardly ever asked.
    """
    suspects = rows.filter(pl.col(c.EVENT_ID).str.contains(REVIEW_ID))
    if suspects.is_empty():
        return rows
    known = previous.event_ids(suspects[c.EVENT_ID])
    return rows.filter(~pl.col(c.EVENT_ID).is_in(known.implode()))


def _identified(raw: pl.DataFrame, scorer: CommentScorer) -> _Events:
    """Check, score and identify event rows in the order of merging."""
    good, bad = check_rows(raw, "iso", "UTC")
    identified = identify(scored(good, scorer))
    first, conflicting = deliver_once(identified)
    place = [c.SOURCE, c.ROW]
    conflicts = raw.join(conflicting, on=place, how="semi").with_columns(
        pl.lit(EVENT_ID_CONFLICT).alias(c.RULE)
    )
    quarantined = pl.concat([bad, quarantine(conflicts)])
    return _Events(first, quarantined, good.height)


def _earlier_deliveries(
    merged: MergedEvents, old_files: Sequence[str], raw: pl.DataFrame
) -> pl.DataFrame:
    """Rows of older files with an id that comes again in `raw`."""
    return merged.with_ids(old_files, raw[c.EVENT_ID].drop_nulls().unique())


def _in_order(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Quarantined rows in a fixed order, each once, whatever path they came by."""
    rows = pl.concat([part.select(QUARANTINE_SCHEMA.names()) for part in parts])
    return rows.unique([c.SOURCE, c.ROW, c.RULE], keep="first").sort(c.SOURCE, c.ROW, c.RULE)
