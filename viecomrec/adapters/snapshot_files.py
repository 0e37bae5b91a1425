"""How the content of a snapshot becomes files; equal content gives equal bytes."""

import json
import os
import shutil
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from scipy.sparse import csr_array, csr_matrix, save_npz

from viecomrec.adapters.bucket_files import (
    BucketReader,
    BucketWriter,
    encode_buckets,
    encode_touched,
)
from viecomrec.adapters.id_mappings import lengthen_mappings, read_summary, write_mappings
from viecomrec.adapters.pickled_tables import pickled_positives
from viecomrec.adapters.snapshots import Snapshot
from viecomrec.domain import columns as c
from viecomrec.domain import snapshots as layout
from viecomrec.domain import totals as t
from viecomrec.domain.buckets import N_BUCKETS
from viecomrec.domain.incremental import (
    IncrementalUpdate,
    PreviousContent,
    replaced_rows,
    replaced_targets,
)
from viecomrec.domain.matrices import TrainingMatrices, build_matrices
from viecomrec.domain.snapshot_content import IndexedRows, IndexSpace
from viecomrec.domain.statistics import Span, describe, read_span, span_of

Statistics = dict[str, Any]


def write_snapshot(
    space: IndexSpace, shards: Iterable[IndexedRows], described: Mapping[str, Any], folder: Path
) -> Statistics:
    """Write a whole snapshot, shard by shard; returns its statistics, `described` among them."""
    targets, cells, totals = [], [], [space.evidence]
    span: Span = (None, None)
    with BucketWriter(folder) as writer:
        for shard in shards:
            for number, section in encode_buckets(shard.interactions):
                writer.add(number, section)
            targets.append(shard.held_out)
            cells.append(shard.cells)
            totals.append(shard.totals)
            span = span_of(shard.interactions, span)
    n_users, products = space.users.height, space.products
    _write_matrices(build_matrices(pl.concat(cells), n_users, products.height), folder)
    write_mappings(space.users, products[c.PRODUCT_ID], folder / layout.MAPPINGS)
    _write_table(products, folder / layout.PRODUCTS)
    held_out = pl.concat(targets).sort(c.USER_INDEX, c.ITEM_INDEX)
    return _write_numbers(t.combine(totals), products, held_out, span, described, folder)


def write_update(
    update: IncrementalUpdate,
    previous: Snapshot,
    buckets: BucketReader,
    described: Mapping[str, Any],
    folder: Path,
) -> Statistics:
    """Write the next snapshot: untouched buckets and the products are taken over as they lie."""
    before = previous.folder
    _write_buckets(update, buckets, folder)
    own, new_users = update.own, update.newly_trainable
    lengthen_mappings(before / layout.MAPPINGS, new_users, folder / layout.MAPPINGS)
    matrices = previous.matrices()
    n_users = matrices.n_users + new_users.height
    _write_matrices(replaced_rows(matrices, own.cells, update.users, n_users), folder)
    _link(before / layout.PRODUCTS, folder / layout.PRODUCTS)
    held_out = replaced_targets(previous.held_out_targets(), update.users, own.held_out)
    span = span_of(own.interactions, read_span(previous.statistics))
    return _write_numbers(update.totals, update.products, held_out, span, described, folder)


def read_previous(
    snapshot: Snapshot, buckets: BucketReader, numbers: Collection[int]
) -> PreviousContent:
    """What an update of users in these buckets needs, and nothing of the other buckets."""
    folder = snapshot.folder
    summary = read_summary(folder / layout.MAPPINGS)
    return PreviousContent(
        rows=buckets.interactions(numbers),
        products=pl.read_parquet(
            folder / layout.PRODUCTS, columns=[c.PRODUCT_ID, c.VARIANT_GROUP, c.IN_CATALOGUE]
        ),
        totals=pl.read_parquet(folder / layout.TOTALS),
        n_users=summary.n_users,
        newest_user=summary.newest,
    )


def _write_buckets(update: IncrementalUpdate, previous: BucketReader, folder: Path) -> None:
    touched = encode_touched(update.touched_buckets(), update.own.interactions, previous)
    with BucketWriter(folder) as writer:
        after = 0
        for number, section in touched:
            writer.take_over(previous, after, number)
            writer.add(number, section)
            after = number + 1
        writer.take_over(previous, after, N_BUCKETS)


def _write_matrices(matrices: TrainingMatrices, folder: Path) -> None:
    _write_matrix(matrices.confidence, folder / layout.CONFIDENCE_MATRIX)
    _write_matrix(matrices.binary, folder / layout.BINARY_MATRIX)
    (folder / layout.USER_POSITIVES).write_bytes(pickled_positives(matrices.binary))


def _write_numbers(
    totals: pl.DataFrame,
    products: pl.DataFrame,
    held_out: pl.DataFrame,
    span: Span,
    described: Mapping[str, Any],
    folder: Path,
) -> Statistics:
    _write_table(held_out, folder / layout.HELD_OUT)
    _write_table(totals, folder / layout.TOTALS)
    statistics = {**describe(totals, products, held_out, span), **described}
    (folder / layout.STATISTICS).write_bytes(_one_line_each(statistics))
    return statistics


def _one_line_each(values: Mapping[str, Any]) -> bytes:
    """JSON with a line for each value: readable, and four times quicker than indenting all."""
    lines = [
        f"  {json.dumps(name)}: {json.dumps(value, ensure_ascii=False, allow_nan=False)}"
        for name, value in values.items()
    ]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _write_table(table: pl.DataFrame, path: Path) -> None:
    table.write_parquet(path, compression="zstd", compression_level=1, statistics=False)


def _write_matrix(matrix: csr_array, path: Path) -> None:
    # The plain matrix class, so that every version of scipy and `implicit` read it.
    save_npz(path, csr_matrix(matrix), compressed=False)


def _link(target: Path, link: Path) -> None:
    """The same file under another name: snapshots are never written to."""
    try:
        os.link(target, link)
    except OSError:  # a file system without hard links
        shutil.copy2(target, link)
