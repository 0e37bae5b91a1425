"""Everything that a snapshot holds, computed from resolved interactions and products alone.

Rows come in shards of whole users. A first look at every shard says which users get a row and
which products are variants; a second one indexes and splits each shard by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from viecomrec.domain import columns as c
from viecomrec.domain import totals as t
from viecomrec.domain.confidence import ConfidenceRule
from viecomrec.domain.interactions import INTERACTION_SCHEMA, training_cells
from viecomrec.domain.split import split
from viecomrec.domain.users import in_row_order, trainable_users
from viecomrec.domain.variants import variant_evidence, variant_groups

INDEXED_SCHEMA = pl.Schema(
    {
        **INTERACTION_SCHEMA,
        c.CONFIDENCE: pl.Float32(),
        c.IS_POSITIVE: pl.Boolean(),
        c.USER_INDEX: pl.Int32(),
        c.ITEM_INDEX: pl.Int32(),
        c.PART: pl.String(),
    }
)
"""An interaction as a snapshot holds it."""


@dataclass(frozen=True)
class SnapshotRules:
    """The numbers that decide what a snapshot of given rows looks like."""

    confidence: ConfidenceRule
    min_distinct_products: int
    validation_percent: int
    zone: str
    """The zone whose days the statistics count."""


@dataclass(frozen=True)
class Survey:
    """What the first look at a shard finds."""

    evidence: pl.DataFrame
    """Totals that tell variants."""

    trainable: pl.DataFrame
    """user_id and trainable_at of the trainable users."""


@dataclass(frozen=True)
class IndexSpace:
    """The rows and columns of the matrices, fixed for all shards of a snapshot."""

    users: pl.DataFrame
    """user_id, trainable_at and user_index of the trainable users, in the order of their rows."""

    products: pl.DataFrame
    """The catalogue with its variant groups; row r is item index r."""

    evidence: pl.DataFrame
    """Totals that tell variants."""


@dataclass(frozen=True)
class IndexedRows:
    """A shard as the files hold it: interactions with parts, targets, training pairs, totals."""

    interactions: pl.DataFrame
    held_out: pl.DataFrame
    cells: pl.DataFrame
    totals: pl.DataFrame


def weigh(resolved: pl.DataFrame, rules: SnapshotRules) -> pl.DataFrame:
    """Resolved rows with confidence and is_positive."""
    return resolved.with_columns(rules.confidence.confidence(), rules.confidence.is_positive())


def survey(weighed: pl.DataFrame, rules: SnapshotRules) -> Survey:
    """The first look at a shard of weighed rows."""
    users = trainable_users(weighed, rules.min_distinct_products)
    return Survey(variant_evidence(weighed), users.select(c.USER_ID, c.TRAINABLE_AT))


def index_space(surveys: Sequence[Survey], products: pl.DataFrame) -> IndexSpace:
    """Give trainable users and products their numbers, and products their variant groups."""
    evidence = t.combine([one.evidence for one in surveys])
    groups = variant_groups(evidence, products[c.PRODUCT_ID]).alias(c.VARIANT_GROUP)
    users = in_row_order(pl.concat([one.trainable for one in surveys]))
    return IndexSpace(users, products.with_columns(groups), evidence)


def index_rows(weighed: pl.DataFrame, space: IndexSpace, rules: SnapshotRules) -> IndexedRows:
    """The second look: a pure function of the shard, the index space and the rules."""
    rows = indexed(weighed, space.users, space.products)
    groups = space.products.select(c.PRODUCT_ID, c.VARIANT_GROUP)
    parts, held_out = split(rows, groups, rules.validation_percent)
    interactions = rows.hstack(parts).select(INDEXED_SCHEMA.names())
    return IndexedRows(
        interactions, held_out, training_cells(interactions), t.count(interactions, rules.zone)
    )


def indexed(
    interactions: pl.DataFrame, users: pl.DataFrame, products: pl.DataFrame
) -> pl.DataFrame:
    """Add user_index (null for users who are not in `users`) and item_index."""
    # Only the ids are joined: joining whole rows would copy every text.
    user_index = interactions.select(c.USER_ID).join(
        users.select(c.USER_ID, c.USER_INDEX), on=c.USER_ID, how="left", maintain_order="left"
    )
    items = products.select(c.PRODUCT_ID).with_row_index(c.ITEM_INDEX)
    item_index = interactions.select(c.PRODUCT_ID).join(
        items.with_columns(pl.col(c.ITEM_INDEX).cast(pl.Int32)),
        on=c.PRODUCT_ID,
        how="left",
        maintain_order="left",
    )
    return interactions.with_columns(user_index[c.USER_INDEX], item_index[c.ITEM_INDEX])
