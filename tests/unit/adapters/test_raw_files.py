"""Files as real shops write them."""

import gzip
import os

import pytest

from viecomrec.adapters import raw_files
from viecomrec.adapters.file_hashes import FileHashes
from viecomrec.adapters.raw_files import open_table
from viecomrec.domain.contracts import ATTRIBUTES, EVENTS, REVIEWS
from viecomrec.errors import InputError

HEADER = "user_id,product_id,rating,cmt_date,comment"
LINE = "u1,p1,5,2025-03-01 10:00:00,tuyệt vời"
ROW = ("u1", "p1", "5", "2025-03-01 10:00:00", "tuyệt vời")


def read(tmp_path, content, **options):
    path = tmp_path / "reviews.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    table = open_table(path, REVIEWS, {}, **options).read()
    return table.select("user_id", "product_id", "rating", "at", "comment").rows()


@pytest.mark.parametrize(
    "content",
    [
        f"{HEADER}\n{LINE}\n",
        f"{HEADER}\n{LINE}",
        f"{HEADER}\r\n{LINE}\r\n",
        f"\ufeff{HEADER}\n{LINE}\n",
        f"{HEADER}\n{LINE}\n".replace(",", ";"),
        f"{HEADER}\n{LINE}\n".replace(",", "\t"),
        f"{HEADER}\n{LINE}\n".encode("utf-16"),
        f"{HEADER}\n{LINE}\n".replace(",", ";").encode("utf-16"),
        gzip.compress(f"{HEADER}\n{LINE}\n".encode()),
        f"id,{HEADER}\n7,{LINE}\n",
        f",{HEADER}\n0,{LINE}\n",
    ],
    ids=["lf", "no-final-newline", "crlf", "bom", "semicolon", "tab", "utf16", "utf16-semicolon",
         "gzip", "extra-column", "unnamed-index"],
)  # fmt: skip
def test_the_same_table_comes_from_every_dialect(tmp_path, content):
    assert read(tmp_path, content) == [ROW]


def test_cp1258_is_read_where_the_mapping_says_so(tmp_path):
    decomposed = "tuyê\u0323t vơ\u0300i"
    content = f"{HEADER}\nu1,p1,5,2025-03-01 10:00:00,{decomposed}\n".encode("cp1258")
    assert read(tmp_path, content, encoding="cp1258")[0][4] == decomposed
    with pytest.raises(InputError, match=r"line 2: byte \d+ .* is not UTF-8.*cp1258"):
        read(tmp_path, content)


def test_a_header_that_is_not_utf8_is_refused_at_line_one(tmp_path):
    with pytest.raises(InputError, match="line 1"):
        read(tmp_path, "người,ngày\n".encode("cp1258", errors="ignore") + b"\xff")


def test_an_encoding_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(InputError, match="'cp9999' in config"):
        read(tmp_path, f"{HEADER}\n{LINE}\n", encoding="cp9999")


def test_a_file_that_is_not_in_the_stated_encoding_is_refused_with_the_line(tmp_path):
    with pytest.raises(InputError, match="line 2: byte"):
        read(tmp_path, f"{HEADER}\n{LINE}\n", encoding="ascii")


def test_a_comment_may_hold_quotes_and_newlines(tmp_path):
    content = f'{HEADER}\nu1,p1,5,2025-03-01,"nói ""tốt""\nrồi, mua"\n'
    assert read(tmp_path, content)[0][4] == 'nói "tốt"\nrồi, mua'


def test_a_comment_of_one_megabyte_and_nul_bytes_are_read(tmp_path):
    long = "tốt " * 250_000
    content = f"{HEADER}\nu1,p1,5,2025-03-01,{long}\nu2,p1,5,2025-03-01,a\x00b\n"
    rows = read(tmp_path, content)
    assert len(rows[0][4]) == 1_000_000
    assert rows[1][4] == "a\x00b"


def test_a_row_with_too_many_fields_is_marked_and_the_others_stay(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text(f"{HEADER}\n{LINE}\n{LINE},x,y\n{LINE}\n", encoding="utf-8")
    table = open_table(path, REVIEWS, {}).read()
    assert table["row"].to_list() == [2, 3, 4]
    assert table["is_malformed"].to_list() == [False, True, False]


def test_a_row_with_too_many_fields_is_marked_where_columns_are_left_out_too(tmp_path):
    """Exports have columns that nobody asks for; then Polars cut the text off without a word."""
    path = tmp_path / "reviews.csv"
    plain, cut = "u1,p1,5,2025-03-01,x,tốt", "u2,p1,5,2025-03-01,x,tốt, rất tốt"
    header = "user_id,product_id,rating,cmt_date,variation,comment"
    path.write_text(f"{header}\n{plain}\n{cut}\n{cut}, mua nữa\n{plain}\n", encoding="utf-8")
    table = open_table(path, REVIEWS, {})
    assert table.read()["is_malformed"].to_list() == [False, True, True, False]
    block = table.read_block(next(table.blocks()))
    assert block.rows["is_malformed"].to_list() == [False, True, True, False]


def test_a_row_that_ends_with_a_separator_or_lacks_the_last_fields_is_no_broken_one(tmp_path):
    """Spreadsheets leave out or add empty cells at the end."""
    path = tmp_path / "reviews.csv"
    path.write_text(
        "user_id,product_id,rating,cmt_date,variation,comment\n"
        "u1,p1,5,2025-03-01,x,tốt,\nu1,p1,5,2025-03-01\n",
        encoding="utf-8",
    )
    table = open_table(path, REVIEWS, {}).read()
    assert table["is_malformed"].to_list() == [False, False]
    assert table["comment"].to_list() == ["tốt", None]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04\x14\x00" + bytes(400), "is an Excel workbook or a ZIP archive, not a CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1" + bytes(400), "is an old Excel workbook"),
        (b"PAR1" + bytes(400) + b"PAR1", "is a Parquet file"),
        (f"{HEADER}\n{LINE}\n".encode("utf-16-le"), "line 1: the header holds zero bytes"),
        (f"{HEADER}\n{LINE}\n".encode("utf-16-be"), "line 1: the header holds zero bytes"),
        (f"{HEADER}\n{LINE}\n".replace("\n", "\r").encode(), "lines end with CR alone"),
        ((HEADER + f"\r{LINE}" * 3000).encode(), "lines end with CR alone"),
        (b"[" + "ề".encode() * 30_000, "more than 65536 bytes without a line end"),
    ],
    ids=["xlsx", "xls", "parquet", "utf16le", "utf16be", "cr", "long-cr", "one-line"],
)  # fmt: skip
def test_a_file_of_another_kind_is_named_for_what_it_is(tmp_path, content, said):
    with pytest.raises(InputError, match=said):
        read(tmp_path, content)


def test_utf16_without_its_mark_is_read_where_the_mapping_says_so(tmp_path):
    content = f"{HEADER}\n{LINE}\n".encode("utf-16-le")
    assert read(tmp_path, content, encoding="utf-16-le") == [ROW]


def test_a_file_of_events_is_never_sent_to_a_mapping_that_knows_no_events(tmp_path):
    path = tmp_path / "events.csv"
    path.write_bytes(b"user_id,product_id,at\nt\xf5,p,2025-01-01\n")
    with pytest.raises(InputError, match=r"line 2: byte \d+ .* is not UTF-8\.") as found:
        open_table(path, EVENTS, {}).read()
    assert "data_source" not in str(found.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_file_that_may_not_be_read_is_named(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text(f"{HEADER}\n{LINE}\n", encoding="utf-8")
    path.chmod(0)
    with pytest.raises(InputError, match=r"reviews\.csv may not be read"):
        open_table(path, REVIEWS, {})
    with pytest.raises(InputError, match=r"reviews\.csv may not be read"):
        FileHashes(tmp_path / "hashes.json").sha256(path, remember=False)


def test_an_archive_with_broken_content_is_refused(tmp_path):
    """A flipped bit is an error of zlib, not of gzip."""
    content = bytearray(gzip.compress(os.urandom(2000)))
    content[10] |= 0b110  # a kind of block that does not exist
    with pytest.raises(InputError, match="cannot be unpacked"):
        read(tmp_path, bytes(content))


def test_a_quote_that_is_never_closed_is_marked(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text(f'{HEADER}\n{LINE}\nu,"p,5,2025\n{LINE}\n', encoding="utf-8")
    table = open_table(path, REVIEWS, {}).read()
    assert table["is_malformed"].to_list() == [False, True]


def test_a_broken_row_is_marked_beside_a_comment_of_one_megabyte(tmp_path):
    """Python's CSV reader has a bound of 131,072 characters of its own."""
    rows = f'u1,p1,5,2025-03-01,{"tốt " * 250_000}\n{LINE},x,y\nu,"p,5,2025\n'
    path = tmp_path / "reviews.csv"
    path.write_text(f"{HEADER}\n{rows}", encoding="utf-8")
    assert open_table(path, REVIEWS, {}).read()["is_malformed"].to_list() == [False, True, True]


def test_a_truncated_archive_is_refused(tmp_path):
    content = gzip.compress(f"{HEADER}\n{LINE}\n".encode() * 100)[:-20]
    with pytest.raises(InputError, match="cannot be unpacked"):
        read(tmp_path, content)


def test_a_header_alone_is_a_table_without_rows(tmp_path):
    assert read(tmp_path, f"{HEADER}\n") == []
    assert read(tmp_path, f"{HEADER}\r") == []


BLANKS = f'{HEADER}\n\n{LINE}\n\r\n{LINE[:-9]}"hai\n\ndòng"\n  \n{LINE}\n\n'


@pytest.mark.parametrize("more", ["", "u,p,5,2025-03-01,a,b,c\n", 'u,"p,5,2025\n'])
def test_a_blank_line_is_no_row_yet_rows_keep_the_numbers_of_a_spreadsheet(tmp_path, more):
    """Also where the layout is broken, which another reader reads."""
    path = tmp_path / "reviews.csv"
    path.write_text(BLANKS + more, encoding="utf-8", newline="")
    table = open_table(path, REVIEWS, {}).read().head(3)
    assert table["row"].to_list() == [3, 5, 7]
    assert table["comment"].to_list() == ["tuyệt vời", "hai\n\ndòng", "tuyệt vời"]


def test_a_blank_line_is_none_whatever_the_blocks(tmp_path, monkeypatch):
    path = tmp_path / "reviews.csv"
    path.write_text(BLANKS, encoding="utf-8", newline="")
    monkeypatch.setattr(raw_files.RawTable, "_forgiving_batches", None)
    for size in (1, 7, 50, 4096):
        monkeypatch.setattr(raw_files, "BLOCK_BYTES", size)
        table = open_table(path, REVIEWS, {})
        assert table.read()["row"].to_list() == [3, 5, 7]
        blocks = [table.read_block(block) for block in table.blocks()]
        assert sum(block.n_numbers for block in blocks) == 7
        assert sum(block.rows.height for block in blocks) == 3


def test_many_blank_lines_do_not_end_a_broken_file(tmp_path, monkeypatch):
    monkeypatch.setattr(raw_files, "FORGIVEN_ROWS", 2)
    path = tmp_path / "reviews.csv"
    path.write_text(f'{HEADER}\n\n\n\n{LINE}\nu,"p,5,2025\n', encoding="utf-8")
    assert open_table(path, REVIEWS, {}).read()["row"].to_list() == [5, 6]


@pytest.mark.parametrize("line", [",,,,", '""', '"\n\n"', "u1", ",,,,tốt"])
def test_a_line_with_any_field_is_a_row(tmp_path, line):
    assert len(read(tmp_path, f"{HEADER}\n{line}\n{LINE}\n")) == 2


def test_a_quote_inside_a_text_never_costs_a_row(tmp_path):
    """Whatever is then thought to be a blank line, a row with fields stays one."""
    stray = LINE.replace("tuyệt vời", 'ống 5" tốt')
    rows = read(tmp_path, f"{HEADER}\n{stray}\n{LINE}\n{stray}\n{LINE}\n\n\n{LINE}\n{LINE}\n")
    assert len([row for row in rows if row[0] == "u1"]) == 6


def test_a_file_of_one_column_has_no_blank_rows(tmp_path):
    path = tmp_path / "attributes.csv"
    path.write_text("product_id\np1\n\np2\n", encoding="utf-8")
    assert open_table(path, ATTRIBUTES, {}).read()["product_id"].to_list() == ["p1", "p2"]


def test_blocks_end_where_records_end_whatever_their_size(tmp_path, monkeypatch):
    rows = [f'u{n},p1,5,2025-03-01,"dòng {n}\n""trích"", {n}"\r\n' for n in range(50)]
    path = tmp_path / "reviews.csv"
    path.write_bytes((HEADER + "\r\n" + "".join(rows)).encode())
    whole = open_table(path, REVIEWS, {}).read()
    assert whole["row"].to_list() == list(range(2, 52))
    assert whole["comment"][7] == 'dòng 7\n"trích", 7'
    # The forgiving reader would hide a block that ends inside a record.
    monkeypatch.setattr(raw_files.RawTable, "_forgiving_batches", None)
    for size in (7, 64, 333):
        monkeypatch.setattr(raw_files, "BLOCK_BYTES", size)
        assert open_table(path, REVIEWS, {}).read().equals(whole)
