"""A few new events worked into a snapshot, so that the result equals a full rebuild.

Only the users of the new events are computed again, and only the buckets that they lie in are
written again; everything else is carried over. Where that would not give what a full rebuild
gives, `obstacle` says so and the caller rebuilds.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import groupby
from operator import itemgetter

import numpy as np
import polars as pl
from scipy.sparse import coo_array, csr_array

from viecomrec.domain import columns as c
from viecomrec.domain import totals as t
from viecomrec.domain.buckets import bounds, bucket
from viecomrec.domain.interactions import INTERACTION_SCHEMA, ROW_COLUMNS, in_order, resolve
from viecomrec.domain.matrices import TrainingMatrices, build_matrices
from viecomrec.domain.snapshot_content import (
    IndexedRows,
    IndexSpace,
    SnapshotRules,
    index_rows,
    weigh,
)
from viecomrec.domain.users import trainable_users
from viecomrec.domain.variants import variant_evidence, variant_groups

FALLBACK_MESSAGE = "Falling back to full pipeline: Matrix dimension mismatch"
"""The guide's message."""


@dataclass(frozen=True)
class PreviousContent:
    """What an update needs of the snapshot in force, as it was written."""

    rows: pl.DataFrame
    """The interactions of the buckets that the new rows fall into."""

    products: pl.DataFrame
    totals: pl.DataFrame
    n_users: int
    newest_user: tuple[datetime, str] | None
    """When the user of the last matrix row became trainable, and the user's id."""


@dataclass(frozen=True)
class _Affected:
    """What the users of the new events look like before and after."""

    before: pl.DataFrame
    """Their rows in the previous snapshot."""

    after: pl.DataFrame
    """All their rows, resolved and weighed."""

    trainable: pl.DataFrame
    """user_id and trainable_at of the trainable ones, in row order."""


@dataclass(frozen=True)
class TouchedBucket:
    """A bucket as the next snapshot holds it."""

    number: int
    rows: pl.DataFrame
    """Its interactions in the canonical order."""

    users: Sequence[str]
    """The affected users among those of the bucket, ascending."""

    followers: Sequence[str | None]
    """Of each of them the first user of the bucket, as it was, who is not smaller."""


class IncrementalUpdate:
    """The update of one snapshot by identified new rows whose event ids it does not hold."""

    def __init__(self, previous: PreviousContent, new: pl.DataFrame, rules: SnapshotRules) -> None:
        self._previous = previous
        self._new = resolve(new.select(ROW_COLUMNS))
        self._rules = rules
        self._affected = self._find_affected()

    def obstacle(self) -> str | None:
        """Why only a full rebuild gives the right result; None where the update does."""
        unknown = self._new.join(self._previous.products, on=c.PRODUCT_ID, how="anti")
        if unknown.height:
            return f"new products: {', '.join(sorted(set(unknown[c.PRODUCT_ID]))[:3])}"
        known_rows = [c.GROUP_ID, c.PRODUCT_ID]
        if self._new.join(self._affected.before, on=known_rows, how="semi").height:
            return "an event repeats a product of a known event"
        if self._moves_rows():
            return "late events change the order of the trainable users"
        products = self._previous.products
        groups = variant_groups(self._with_new_evidence, products[c.PRODUCT_ID])
        if not groups.equals(products[c.VARIANT_GROUP]):
            return "the groups of product variants change"
        return None

    @property
    def products(self) -> pl.DataFrame:
        """The products, which an update never changes."""
        return self._previous.products

    @property
    def n_resolved(self) -> int:
        """How many rows the new ones come down to: one per user, product and second."""
        return self._new.height

    @cached_property
    def newly_trainable(self) -> pl.DataFrame:
        """user_id and trainable_at of the users who get a row of their own, in row order."""
        known = self._affected.before.filter(pl.col(c.USER_INDEX).is_not_null())
        return self._affected.trainable.join(known, on=c.USER_ID, how="anti", maintain_order="left")

    @cached_property
    def users(self) -> pl.DataFrame:
        """user_id and user_index of the affected users who are trainable now."""
        known = self._affected.before.select(c.USER_ID, c.USER_INDEX).drop_nulls().unique()
        first = self._previous.n_users
        new = self.newly_trainable.select(
            c.USER_ID, (first + pl.int_range(pl.len())).cast(pl.Int32).alias(c.USER_INDEX)
        )
        return pl.concat([known, new])

    @cached_property
    def own(self) -> IndexedRows:
        """The affected users as the next snapshot holds them; ask only without an obstacle."""
        space = IndexSpace(self.users, self._previous.products, self._with_new_evidence)
        return index_rows(self._affected.after, space, self._rules)

    @cached_property
    def totals(self) -> pl.DataFrame:
        """The totals of the next snapshot."""
        before = t.count(self._affected.before, self._rules.zone)
        return t.combine([self._with_new_evidence, self.own.totals], [before])

    def touched_buckets(self) -> Iterator["TouchedBucket"]:
        """Every bucket that the affected users lie in, ascending."""
        before, own = self._previous.rows, self.own.interactions
        known = {number: before.slice(start, end - start) for number, start, end in bounds(before)}
        nothing, at = before.clear(), 0
        for number, users in groupby(_runs_of_users(own), key=itemgetter(0)):
            runs = [(user, length) for _, user, length in users]
            n_rows = sum(length for _, length in runs)
            yield _touched(number, known.get(number, nothing), own.slice(at, n_rows), runs)
            at += n_rows

    @property
    def _affected_users(self) -> pl.Series:
        return self._new[c.USER_ID].unique()

    @cached_property
    def _with_new_evidence(self) -> pl.DataFrame:
        """The previous totals with what now tells variants."""
        return t.combine(
            [self._previous.totals, variant_evidence(self._affected.after)],
            [variant_evidence(self._affected.before)],
        )

    def _find_affected(self) -> _Affected:
        users = self._affected_users
        before = self._previous.rows.filter(pl.col(c.USER_ID).is_in(users.implode()))
        rows = pl.concat([before.select(INTERACTION_SCHEMA.names()), self._new])
        after = weigh(in_order(rows), self._rules)
        trainable = trainable_users(after, self._rules.min_distinct_products)
        return _Affected(before, after, trainable.drop(c.USER_INDEX))

    def _moves_rows(self) -> bool:
        """Whether a known user's instant changed, or a new one's lies before the last row's."""
        minimum = self._rules.min_distinct_products
        known = trainable_users(self._affected.before, minimum).select(c.USER_ID, c.TRAINABLE_AT)
        both = known.join(self._affected.trainable, on=c.USER_ID, suffix="_after")
        if both.filter(pl.col(c.TRAINABLE_AT) != pl.col(f"{c.TRAINABLE_AT}_after")).height:
            return True
        appended = self.newly_trainable
        if appended.is_empty() or self._previous.newest_user is None:
            return False
        first_id, first_at = appended.select(c.USER_ID, c.TRAINABLE_AT).row(0)
        return bool((first_at, first_id) < self._previous.newest_user)


def _touched(
    number: int, before: pl.DataFrame, own: pl.DataFrame, runs: Sequence[tuple[str, int]]
) -> TouchedBucket:
    """Put the rows of each user of `own` into a bucket, in the place of what the user had.

    Both tables are in the canonical order, and `runs` has the users of `own` with their numbers
    of rows: so a user replaces a slice.
    """
    ids = before[c.USER_ID].to_list()
    slices: list[pl.DataFrame] = []
    followers: list[str | None] = []
    position, own_position = 0, 0
    for user, length in runs:
        first = bisect_left(ids, user)
        slices += [before.slice(position, first - position), own.slice(own_position, length)]
        followers.append(ids[first] if first < len(ids) else None)
        position = bisect_right(ids, user)
        own_position += length
    rows = pl.concat([*slices, before.slice(position)])
    return TouchedBucket(number, rows, [user for user, _ in runs], followers)


def _runs_of_users(rows: pl.DataFrame) -> Iterator[tuple[int, str, int]]:
    """Bucket, id and number of rows of each user of rows in the canonical order."""
    runs = rows.select(bucket(), c.USER_ID).with_columns(_run=pl.col(c.USER_ID).rle_id())
    users = runs.group_by("_run", maintain_order=True).agg(
        pl.col(c.BUCKET).first(), pl.col(c.USER_ID).first(), pl.len()
    )
    return users.select(c.BUCKET, c.USER_ID, "len").iter_rows()


def replaced_targets(
    held_out: pl.DataFrame, users: pl.DataFrame, targets: pl.DataFrame
) -> pl.DataFrame:
    """The held-out targets with those of `users` replaced."""
    others = held_out.join(users, on=c.USER_INDEX, how="anti")
    return pl.concat([others, targets]).sort(c.USER_INDEX, c.ITEM_INDEX)


def replaced_rows(
    previous: TrainingMatrices, cells: pl.DataFrame, users: pl.DataFrame, n_users: int
) -> TrainingMatrices:
    """The matrices with the rows of `users` made of `cells` and the new ones appended."""
    fresh = build_matrices(cells, n_users, previous.n_items)
    is_kept = np.ones(n_users, dtype=bool)
    is_kept[users[c.USER_INDEX].to_numpy()] = False
    return TrainingMatrices(
        confidence=_overlaid(previous.confidence, fresh.confidence, is_kept),
        binary=_overlaid(previous.binary, fresh.binary, is_kept),
    )


def _overlaid(old: csr_array, fresh: csr_array, is_kept: np.ndarray) -> csr_array:
    """`old` where `is_kept`, `fresh` elsewhere; `fresh` is empty where `is_kept`."""
    cells = old.tocoo()
    kept = is_kept[cells.row]
    new = fresh.tocoo()
    matrix = coo_array(
        (
            np.concatenate([cells.data[kept], new.data]),
            (
                np.concatenate([cells.row[kept], new.row]),
                np.concatenate([cells.col[kept], new.col]),
            ),
        ),
        shape=fresh.shape,
    ).tocsr()
    matrix.sort_indices()
    return matrix
