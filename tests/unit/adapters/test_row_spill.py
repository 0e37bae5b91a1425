from itertools import pairwise

import polars as pl
import pytest

from viecomrec.adapters.row_spill import RowSpill, StoredShards, n_parts_for
from viecomrec.domain.buckets import bucket
from viecomrec.errors import SnapshotError

BATCHES = [
    pl.DataFrame({"user_id": [f"u{n % 40}" for n in range(start, start + 50)], "n": range(50)})
    for start in (0, 7, 11)
]


def shards_of(folder, max_rows, n_parts=64):
    spill = RowSpill(folder, max_rows, n_parts)
    for batch in BATCHES:
        spill.add(batch)
    return list(spill.shards())


def test_up_to_the_bound_nothing_is_written(tmp_path):
    assert len(shards_of(tmp_path, 150)) == 1
    assert not list(tmp_path.rglob("*.arrow"))


@pytest.mark.parametrize("n_parts", [8, 64])
@pytest.mark.parametrize("max_rows", [1, 20, 60, 149])
def test_beyond_it_every_row_comes_back_once_with_all_rows_of_its_user(tmp_path, max_rows, n_parts):
    shards = shards_of(tmp_path, max_rows, n_parts)
    assert len(shards) > 1
    users = [set(shard["user_id"]) for shard in shards]
    assert sum(map(len, users)) == 40
    everything = pl.concat(BATCHES).sort("user_id", maintain_order=True)
    assert pl.concat(shards).sort("user_id", maintain_order=True).equals(everything)
    buckets = [shard.select(bucket()).to_series() for shard in shards]
    assert all(a.max() < b.min() for a, b in pairwise(buckets))
    assert not list(tmp_path.rglob("*.arrow"))


def test_a_small_shop_has_few_files_and_a_part_is_half_of_what_memory_may_hold():
    assert n_parts_for(1, 100) == n_parts_for(400, 100) == 8
    assert n_parts_for(401, 100) == 16
    assert n_parts_for(10**9, 100) == 64


@pytest.mark.parametrize("n", [1, 2, 3])
def test_stored_shards_come_back_in_order_and_leave_nothing(tmp_path, n):
    stored = StoredShards(tmp_path)
    for batch in BATCHES[:n]:
        stored.add(batch)
    for found, batch in zip(stored, BATCHES[:n], strict=True):
        assert found.equals(batch)
    assert not list(tmp_path.rglob("*.arrow"))


def test_where_the_disk_takes_no_rows_the_message_says_what_to_do(tmp_path):
    (tmp_path / "no folder").write_text("in the way")
    with pytest.raises(SnapshotError, match=r"previous snapshot stays in force.*rows_in_memory"):
        shards_of(tmp_path / "no folder", 20)
