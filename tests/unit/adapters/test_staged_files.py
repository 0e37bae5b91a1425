"""Files in the staging folder: what is taken, what is left alone, what is refused."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from viecomrec.adapters.staged_files import StagedFiles, read_rows
from viecomrec.errors import InputError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ORDERS = (
    "interaction_id,user_id,product_id,rating,timestamp,interaction_type\n"
    "1,u,p,,2025-01-01,purchase\n"
)


def dropped(folder, name, content, age=60.0):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    moment = (NOW - timedelta(seconds=age)).timestamp()
    os.utime(path, (moment, moment))
    return path


def test_a_settled_csv_or_json_lines_file_is_taken(tmp_path):
    dropped(tmp_path, "don_hang.csv", ORDERS)
    dropped(
        tmp_path, "them.jsonl", '{"user_id": 7, "product_id": 8, "rating": 5, "at": "2025-01-01"}'
    )
    first, second = StagedFiles(tmp_path).claim(NOW)
    orders, lines = (read_rows(claim.path, claim.source) for claim in (first, second))
    assert orders.select("event_id", "user_id", "kind", "rating", "at").row(0) == (
        "1",
        "u",
        "purchase",
        None,
        "2025-01-01",
    )
    assert lines.select("user_id", "product_id", "rating").row(0) == ("7", "8", "5")
    assert not list(tmp_path.glob("*.csv"))


def test_a_file_that_is_still_being_copied_is_left_for_the_next_run(tmp_path):
    path = dropped(tmp_path, "orders.csv", ORDERS, age=1)
    assert StagedFiles(tmp_path).claim(NOW) == []
    assert path.exists()


def test_a_dropped_file_that_looks_like_a_segment_is_taken_whole_and_each_time(tmp_path):
    line = '{"user_id": 7, "product_id": 8, "rating": 5, "at": "2025-01-01"}'
    staged, sources = StagedFiles(tmp_path), set()
    for _ in range(2):
        dropped(tmp_path, "events-export.jsonl", f"{line}\n{line}\n{line}")
        claims = staged.claim(NOW)
        sources |= {claim.source for claim in claims}
        assert sum(read_rows(claim.path, claim.source).height for claim in claims) == 3
        staged.remove(claims)
    assert len(sources) == 2


def test_the_same_name_dropped_again_is_another_source(tmp_path):
    staged = StagedFiles(tmp_path)
    dropped(tmp_path, "orders.csv", ORDERS)
    staged.claim(NOW)
    dropped(tmp_path, "orders.csv", ORDERS)
    assert len({claim.source for claim in staged.claim(NOW)}) == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("orders.csv", "a,b\n1,2\n", "column 'user_id' is missing"),
        ("orders.csv", "", "is empty"),
        ("orders.jsonl", b"{}\n\xff\n", "line 2: not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_stays(tmp_path, name, content, message):
    path = dropped(tmp_path, name, content)
    with pytest.raises(InputError, match=message):
        StagedFiles(tmp_path).claim(NOW)
    assert path.exists()


def test_a_file_of_another_kind_is_left_alone_and_named(tmp_path):
    path = dropped(tmp_path, "Thumbs.db", b"x")
    staged = StagedFiles(tmp_path)
    assert staged.claim(NOW) == []
    assert staged.strangers() == ["Thumbs.db"]
    assert path.exists()


def test_looking_at_what_waits_changes_nothing(tmp_path):
    path = dropped(tmp_path, "orders.csv", ORDERS)
    assert [claim.path for claim in StagedFiles(tmp_path).waiting(NOW)] == [path]
    assert path.exists()


def test_a_folder_that_does_not_exist_holds_nothing(tmp_path):
    assert StagedFiles(tmp_path / "absent").claim(NOW) == []
