"""Merged files, and the record of what lies in them."""

import json

import polars as pl
import pytest

from viecomrec.adapters import merged_events
from viecomrec.adapters.merged_events import MergedEvents
from viecomrec.domain.event_rows import rows_of_lines

N_FILES = 9


@pytest.fixture
def merged(tmp_path, monkeypatch):
    """Nine files; the record knows those that were there when it was written last."""
    monkeypatch.setattr(merged_events, "_MAX_UNKNOWN", 3)
    merged = MergedEvents(tmp_path / "merged")
    for number in range(N_FILES):
        merged.write(rows(number))
    return merged


def rows(number):
    events = [
        {"event_id": f"{number}-{n}", "user_id": f"u{n}", "product_id": "p", "at": "2025-01-01"}
        for n in range(4)
    ]
    return rows_of_lines(map(json.dumps, [*events, {"user_id": "no-id"}]), f"file-{number}.jsonl")


def index_of(merged):
    return merged._folder / "index.parquet"


def ids_of(merged, *wanted):
    return merged.with_ids(merged.names(), pl.Series(wanted, dtype=pl.String))["event_id"].to_list()


def without_index(merged):
    index_of(merged).unlink()


def damaged(merged):
    index_of(merged).write_bytes(b"PAR1 and nothing more")


def of_another_polars(merged):
    table = pl.read_parquet(index_of(merged)).with_columns(id_hash=pl.lit(0, dtype=pl.UInt64))
    table.write_parquet(index_of(merged), metadata={"polars": "0.1"})


@pytest.mark.parametrize("change", [None, without_index, damaged, of_another_polars])
def test_the_answers_are_the_same_with_and_without_the_record(merged, change):
    assert pl.read_parquet(index_of(merged))["name"].n_unique() >= N_FILES - 3
    if change is not None:
        change(merged)
    assert merged.sources() == {f"file-{number}.jsonl" for number in range(N_FILES)}
    assert ids_of(merged, "0-1", "8-3", "7-0", "unknown") == ["0-1", "7-0", "8-3"]
    assert ids_of(merged, "unknown") == []
    assert ids_of(merged) == []
    assert merged.with_ids(merged.names()[1:2], pl.Series(["0-1", "1-1"])).height == 1


def test_a_file_that_the_record_knows_is_opened_only_for_an_id_that_it_may_have(merged):
    known = merged._folder / merged.names()[0]
    known.write_bytes(b"not opened")
    assert len(merged.sources()) == N_FILES
    assert ids_of(merged, "1-1", "8-1") == ["1-1", "8-1"]
    with pytest.raises(pl.exceptions.PolarsError):
        ids_of(merged, "0-1")


def test_an_erasure_leaves_no_record_and_no_row(merged):
    assert merged.erase("u1") == N_FILES
    assert not index_of(merged).exists()
    assert ids_of(merged, "0-1", "0-2") == ["0-2"]
    for number in range(20, 24):
        merged.write(rows(number))
    assert ids_of(merged, "0-1", "0-2", "20-1") == ["0-2", "20-1"]
    assert set(pl.read_parquet(index_of(merged))["name"]) <= set(merged.names())


def test_a_file_that_an_erasure_emptied_is_known_too(tmp_path, monkeypatch):
    monkeypatch.setattr(merged_events, "_MAX_UNKNOWN", 3)
    merged = MergedEvents(tmp_path / "merged")
    only = '{"event_id": "0-1", "user_id": "u1", "product_id": "p", "at": "2025-01-01"}'
    merged.write(rows_of_lines([only], "theirs.jsonl"))
    assert merged.erase("u1") == 1
    for number in range(1, 4):
        merged.write(rows(number))
    assert set(pl.read_parquet(index_of(merged))["name"]) == set(merged.names()[:3])
    assert "theirs.jsonl" not in merged.sources()
    assert ids_of(merged, "0-1", "1-1") == ["1-1"]


def test_reading_writes_nothing(tmp_path):
    merged = MergedEvents(tmp_path / "merged")
    for number in range(20):
        merged.write(rows(number))
    index_of(merged).unlink()
    before = sorted(merged._folder.iterdir())
    merged.sources()
    ids_of(merged, "0-1")
    assert sorted(merged._folder.iterdir()) == before


def test_rows_that_name_no_source_are_of_none(tmp_path):
    merged = MergedEvents(tmp_path / "merged")
    merged.write(rows(0).with_columns(source=pl.lit(None, dtype=pl.String)))
    assert merged.sources() == set()
