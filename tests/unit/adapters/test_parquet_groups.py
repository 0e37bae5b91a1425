import io

import polars as pl
import pytest

from viecomrec.adapters import parquet_groups as groups
from viecomrec.adapters.thrift_compact import Walk

TABLE = pl.DataFrame(
    {
        "name": [f"người {n}" if n % 7 else None for n in range(500)],
        "kind": ["review", "view"] * 250,
        "n": range(500),
        "share": pl.Series([n / 3 for n in range(500)], dtype=pl.Float32),
        "is_even": [n % 2 == 0 for n in range(500)],
        "at": pl.Series(range(500), dtype=pl.Datetime("us", "UTC")),
    }
)


def assembled(parts):
    encoder = groups.GroupEncoder()
    encoded = [encoder.encode(part) for part in parts]
    sizes = [len(pages) for pages, _ in encoded]
    frame = groups.file_frame(TABLE.schema)
    end = groups.footer(frame, [entry for _, entry in encoded], sizes)
    return groups.MAGIC + b"".join(pages for pages, _ in encoded) + end


@pytest.mark.parametrize("n_rows", [1, 30, 500])
def test_groups_one_after_the_other_are_a_file_that_polars_reads(n_rows):
    parts = [TABLE.slice(start, n_rows) for start in range(0, 500, n_rows)]
    assert pl.read_parquet(io.BytesIO(assembled(parts))).equals(TABLE)


def test_groups_are_a_file_that_another_reader_reads():
    pyarrow = pytest.importorskip("pyarrow.parquet")
    file = pyarrow.ParquetFile(io.BytesIO(assembled([TABLE.head(20), TABLE.slice(20)])))
    assert file.num_row_groups == 2
    assert pl.from_arrow(file.read()).equals(TABLE)
    assert pl.from_arrow(file.read_row_group(1)).equals(TABLE.slice(20))


def test_each_of_many_groups_has_its_own_number():
    """As many as a snapshot has buckets; their numbers need two digits from the 64th on."""
    found = []
    walk = Walk(groups._footer(assembled([TABLE.slice(n, 1) for n in range(300)])))
    group = {groups._GROUP_NUMBER: lambda: found.append(walk.number() // 2)}
    walk.struct({groups._ROW_GROUPS: lambda: walk.elements(lambda: walk.struct(group))})
    assert found == list(range(300))


def test_a_file_without_groups_is_an_empty_table():
    empty = pl.read_parquet(io.BytesIO(assembled([])))
    assert (empty.schema, empty.height) == (TABLE.schema, 0)


def test_a_group_is_found_by_what_it_says_and_by_nothing_around_it():
    encoder = groups.GroupEncoder()
    first, second, third = (encoder.encode(TABLE.slice(100 * n, 100)) for n in range(3))
    end = groups.footer(
        groups.file_frame(TABLE.schema), [first[1], third[1]], [len(first[0]), len(third[0])]
    )
    file = pl.read_parquet(io.BytesIO(groups.MAGIC + first[0] + third[0] + end))
    assert file.equals(pl.concat([TABLE.slice(0, 100), TABLE.slice(200, 100)]))
    assert second[0] != third[0]


def test_equal_rows_give_equal_bytes_however_they_lie_in_memory():
    halves = pl.concat([TABLE.head(250), TABLE.tail(250)], rechunk=False)
    assert assembled([halves]) == assembled([TABLE.clone().rechunk()])


def test_what_was_encoded_before_changes_no_byte():
    """Groups with and without dictionaries, with and without nulls have other footers."""
    unlike = [TABLE.head(1), TABLE.slice(1, 5), TABLE, TABLE.with_columns(name=pl.lit("một"))]
    encoder = groups.GroupEncoder()
    for part in [*unlike, *reversed(unlike)]:
        pages, entry = encoder.encode(part)
        alone_pages, alone = groups.GroupEncoder().encode(part)
        assert (pages, entry.text) == (alone_pages, alone.text)
        assert entry.fields.tolist() == alone.fields.tolist()


def test_groups_far_behind_are_found():
    """The third group lies behind two megabytes, where an offset has more digits."""
    wide = pl.DataFrame({"text": [str(n) * 200 for n in range(3000)], "n": range(3000)})
    parts = [wide, wide.reverse(), wide.head(5)]
    encoder = groups.GroupEncoder()
    encoded = [encoder.encode(part) for part in parts]
    pages = [pages + bytes(1 << 21) for pages, _ in encoded]
    end = groups.footer(
        groups.file_frame(wide.schema), [entry for _, entry in encoded], [len(one) for one in pages]
    )
    file = pl.read_parquet(io.BytesIO(groups.MAGIC + b"".join(pages) + end))
    assert file.equals(pl.concat(parts))
