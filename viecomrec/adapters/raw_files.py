"""A shop's files as tables of text: whatever the separator, the encoding and the compression."""

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

import polars as pl
from polars.exceptions import ComputeError

from viecomrec.domain.columns import IS_MALFORMED, ROW
from viecomrec.domain.contracts import Contract, find_columns
from viecomrec.errors import InputError

BLOCK_BYTES = 4 * 1024 * 1024
FORGIVEN_ROWS = 100_000
FIRST_ROW = 2
"""Rows are numbered as a spreadsheet shows them: the header is row 1."""

_SEPARATORS = (",", ";", "\t", "|")
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF8_MARK = "\ufeff"
_HEAD_BYTES = 65_536
_LONGEST_FIELD = 2**31 - 1
_MORE = "\x1f"
"""A column behind the last one: whoever has a value there has more fields than the header."""

_FOREIGN = {
    b"PK\x03\x04": "an Excel workbook or a ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file",
}
"""How files begin that are often put in the place of a CSV file."""

Result = TypeVar("Result")
State = TypeVar("State")


@dataclass(frozen=True)
class Block:
    """A part of a file that holds whole records."""

    start: int
    n_bytes: int


@dataclass(frozen=True)
class BlockRows:
    """The rows of a block, numbered from 0; blank lines have a number too, but are no rows."""

    rows: pl.DataFrame
    n_numbers: int


@dataclass(frozen=True)
class RawTable:
    """A file that has a header with every required column; `columns` maps ours to the file's.

    A line without any field is no row, though it has a number, as in a spreadsheet.
    """

    path: Path
    source: Path | bytes
    separator: str
    columns: Mapping[str, str]
    contract: Contract

    def fold(
        self, begin: Callable[[], State], take_in: Callable[[State, pl.DataFrame], object]
    ) -> State:
        """Give a state of its own every batch, as `map_batches` does, and return it.

        `begin` makes another state where the file has to be read again.
        """
        state = begin()
        try:
            for batch in self._batches():
                take_in(state, batch)
        except ComputeError:
            self._require_utf8()
            state = begin()
            for batch in self._forgiving_batches():
                take_in(state, batch)
        return state

    def map_batches(self, handle: Callable[[pl.DataFrame], Result]) -> list[Result]:
        """Give `handle` every row in batches of text columns under our names, plus `row`.

        A column that the file lacks is null. `is_malformed` is True for a row that does not have
        the header's columns; its values are what could be read. Where the layout turns out to be
        broken, the file is read again by a slower, forgiving reader, from the first batch on.
        Raises InputError where the text is not UTF-8, with line and byte.
        """
        return self.fold(list[Result], lambda results, batch: results.append(handle(batch)))

    def read(self) -> pl.DataFrame:
        return pl.concat(self.map_batches(lambda batch: batch))

    def blocks(self) -> Iterator[Block]:
        """Where the batches of `map_batches` lie, the header left out."""
        with self._stream() as stream:
            start = len(stream.readline())
            for content in _whole_records(stream) if _has_more(stream) else (b"",):
                yield Block(start, len(content))
                start += len(content)

    def read_block(self, block: Block) -> BlockRows | None:
        """The batch of one block; None where its layout is broken."""
        with self._stream() as stream:
            header = stream.readline()
            stream.seek(block.start)
            content = stream.read(block.n_bytes)
        try:
            return self._parsed(header, content, 0)
        except ComputeError:
            return None

    def on_disk(self, folder: Path) -> "RawTable":
        """The same table with its content in a file, where other processes can read parts of it."""
        if isinstance(self.source, Path):
            return self
        file = folder / f"{self.path.name}.unpacked"
        file.write_bytes(self.source)
        return replace(self, source=file)

    def _batches(self) -> Iterator[pl.DataFrame]:
        # Polars' own scan reads ahead as far as the file goes; blocks bound the memory.
        with self._stream() as stream:
            header = stream.readline()
            next_row = FIRST_ROW
            # A file with a header alone is a table too: one batch without rows.
            for block in _whole_records(stream) if _has_more(stream) else (b"",):
                batch = self._parsed(header, block, next_row)
                next_row += batch.n_numbers
                yield batch.rows

    def _parsed(self, header: bytes, block: bytes, first_row: int) -> BlockRows:
        # Where columns are left out, Polars cuts off without a word what a row has too much.
        longer = header.rstrip(b"\r\n") + f"{self.separator}{_MORE}\n".encode()
        rows = pl.read_csv(
            longer + block,
            separator=self.separator,
            infer_schema=False,
            columns=[*dict.fromkeys(self.columns.values()), _MORE],
            row_index_name=ROW,
            row_index_offset=first_row,
        )
        named = rows.select(
            pl.col(ROW).cast(pl.Int64),
            *(pl.col(theirs).alias(ours) for ours, theirs in self.columns.items()),
            pl.col(_MORE).is_not_null().alias(IS_MALFORMED),
        )
        return BlockRows(self._without_blank(named, block, first_row), named.height)

    def _without_blank(self, rows: pl.DataFrame, block: bytes, first_row: int) -> pl.DataFrame:
        n_filled = pl.sum_horizontal(pl.col(ours).is_not_null() for ours in self.columns)
        # White space alone is read as the first field. The lines are looked at where that may be.
        may_be_blank = rows.select(n_filled <= 1).to_series()
        if not may_be_blank.any():
            return rows
        numbers = pl.Series([first_row + n for n in _blank_records(block)], dtype=pl.Int64)
        return rows.filter(~(may_be_blank & rows[ROW].is_in(numbers.implode())))

    def _stream(self) -> BinaryIO:
        if isinstance(self.source, Path):
            return self.source.open("rb")
        return io.BytesIO(self.source)

    def _forgiving_batches(self) -> Iterator[pl.DataFrame]:
        with io.TextIOWrapper(self._stream(), encoding="utf-8", newline="") as text:
            rows = csv_rows(text, self.separator)
            header = [name.removeprefix(_UTF8_MARK) for name in next(rows)]
            all_lines = enumerate(rows, start=FIRST_ROW)
            numbered = ((number, row) for number, row in all_lines if not _is_blank(row))
            # A file with a header alone is a table too: one batch without rows.
            yield self._forgiven(header, islice(numbered, FORGIVEN_ROWS))
            while (batch := self._forgiven(header, islice(numbered, FORGIVEN_ROWS))).height:
                yield batch

    def _forgiven(
        self, header: Sequence[str], numbered: Iterator[tuple[int, list[str]]]
    ) -> pl.DataFrame:
        positions = {ours: header.index(theirs) for ours, theirs in self.columns.items()}
        records = []
        for number, row in numbered:
            values = {
                ours: (row[at] or None) if at < len(row) else None for ours, at in positions.items()
            }
            records.append({ROW: number, **values, IS_MALFORMED: len(row) != len(header)})
        schema = {ROW: pl.Int64, **dict.fromkeys(positions, pl.String), IS_MALFORMED: pl.Boolean}
        return pl.DataFrame(records, schema=schema)

    def _require_utf8(self) -> None:
        content = self.source if isinstance(self.source, bytes) else self.source.read_bytes()
        try:
            content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _not_utf8(self.path, content, error.start, self.contract) from error


def _has_more(stream: BinaryIO) -> bool:
    position = stream.tell()
    has_more = bool(stream.read(1))
    stream.seek(position)
    return has_more


def _whole_records(stream: BinaryIO) -> Iterator[bytes]:
    """Blocks of about BLOCK_BYTES that end where a record ends, not at a quoted line end."""
    rest = b""
    while block := stream.read(BLOCK_BYTES):
        content = rest + block
        end = _last_record_end(content)
        if end:
            yield content[:end]
        rest = content[end:]
    if rest:
        yield rest


def _last_record_end(content: bytes) -> int:
    """The byte after the last line end outside quotes; 0 where there is none."""
    n_quotes = content.count(b'"')
    end = len(content)
    while (line_end := content.rfind(b"\n", 0, end)) >= 0:
        n_quotes -= content.count(b'"', line_end, end)
        if n_quotes % 2 == 0:
            return line_end + 1
        end = line_end
    return 0


def _blank_records(content: bytes) -> Iterator[int]:
    """Which records, counted from 0, are lines without a field; a quoted text may span lines."""
    number = n_quotes = 0
    for line in content.split(b"\n"):
        is_new = n_quotes % 2 == 0
        if is_new and not line.strip(b" \r"):
            yield number
        n_quotes += line.count(b'"')
        number += n_quotes % 2 == 0


def _is_blank(fields: Sequence[str]) -> bool:
    return not fields or (len(fields) == 1 and fields[0] != "" and not fields[0].strip(" "))


def open_table(
    path: Path,
    contract: Contract,
    named: Mapping[str, str],
    *,
    encoding: str | None = None,
    separator: str | None = None,
) -> RawTable:
    """Open a CSV file and find its columns; raises InputError that says what to do."""
    source = _source(path, contract, encoding)
    head = source[:_HEAD_BYTES] if isinstance(source, bytes) else _head(source)
    _require_text(path, head)
    first_line = head.split(b"\n", 1)[0]
    try:
        text = first_line.decode("utf-8").removeprefix(_UTF8_MARK).strip("\r")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, head, error.start, contract) from error
    if not text.strip():
        raise InputError(
            f"{path} is empty: it needs a header line and one row for each of its "
            f"{contract.what}. Export it again."
        )
    separator = separator or max(_SEPARATORS, key=text.count)
    header = _header(text, separator)
    columns = find_columns(header, contract, named, str(path))
    return RawTable(path, source, separator, columns, contract)


def _require_text(path: Path, head: bytes) -> None:
    """Raise InputError where the file is of another kind than its reader believes."""
    for mark, kind in _FOREIGN.items():
        if head.startswith(mark):
            raise InputError(f"{path} is {kind}, not a CSV file. Save its table as 'CSV UTF-8'.")
    first_line, line_end, _ = head.partition(b"\n")
    if b"\0" in first_line:
        raise InputError(
            f"{path}, line 1: the header holds zero bytes, as UTF-16 without its mark does. Export "
            "the file as 'CSV UTF-8'."
        )
    if not line_end and b"\r" in head.rstrip(b"\r"):
        raise InputError(
            f"{path}: its lines end with CR alone, as on old Macs. Save it with the line ends of "
            "Windows or Unix."
        )
    if not line_end and len(head) == _HEAD_BYTES:
        raise InputError(
            f"{path}, line 1: more than {_HEAD_BYTES} bytes without a line end, so this is no "
            "table with a header. Export it again as 'CSV UTF-8'."
        )


def _header(text: str, separator: str) -> Sequence[str]:
    return next(csv_rows([text], separator))


def csv_rows(lines: Iterable[str], separator: str) -> Iterator[list[str]]:
    """The fields of each record, however long they are."""
    csv.field_size_limit(_LONGEST_FIELD)  # Python's own bound is 131,072 characters
    return csv.reader(lines, delimiter=separator)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except PermissionError as error:
        raise not_allowed(path) from error


def not_allowed(path: Path) -> InputError:
    return InputError(f"{path} may not be read. Give the user of this program the right to.")


def _source(path: Path, contract: Contract, encoding: str | None) -> Path | bytes:
    """The file itself where it can be scanned in place, else its content as UTF-8."""
    if not path.is_file():
        raise InputError(
            f"{path} is missing: the file of the {contract.what}. Put it there, or name yours in "
            f"config/data_source.json under {contract.what}.file."
        )
    head = _head(path)
    is_compressed = head.startswith(b"\x1f\x8b")
    if not is_compressed and not head.startswith(_UTF16_MARKS) and encoding is None:
        return path
    content = _decompressed(path) if is_compressed else path.read_bytes()
    if content.startswith(_UTF16_MARKS):
        return _decoded(path, content, "utf-16")
    return content if encoding is None else _decoded(path, content, encoding)


def _decompressed(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read()
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(f"{path} cannot be unpacked ({error}). Copy the file again.") from error


def _decoded(path: Path, content: bytes, encoding: str) -> bytes:
    try:
        return content.decode(encoding).removeprefix(_UTF8_MARK).encode("utf-8")
    except LookupError as error:
        raise InputError(
            f"{path}: the encoding {encoding!r} in config/data_source.json does not exist. "
            "Use a name such as cp1258, utf-16 or utf-8."
        ) from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: byte {error.start} is not {encoding}. Correct the encoding in "
            "config/data_source.json, or export the file as UTF-8."
        ) from error


def _not_utf8(path: Path, content: bytes, position: int, contract: Contract) -> InputError:
    line = content.count(b"\n", 0, position) + 1
    if not contract.is_mapped:
        return InputError(
            f"{path}, line {line}: byte {position} (0x{content[position]:02x}) is not UTF-8. "
            "Export the file as 'CSV UTF-8'."
        )
    return InputError(
        f"{path}, line {line}: byte {position} (0x{content[position]:02x}) is not UTF-8. Export "
        "the file as 'CSV UTF-8', or state its encoding in config/data_source.json (an old "
        'Vietnamese Excel writes "encoding": "cp1258").'
    )
