"""Row groups of a Parquet file as pieces that can be taken over byte by byte.

A Parquet file is its row groups one after the other, and a footer that says where each lies. Polars
encodes each group as a file of its own; the common footer is put together here, with every offset
moved. Format: https://parquet.apache.org/docs/file-format/metadata/, in Thrift's compact protocol.

Numbers that depend on where a group lies have a fixed width in the footer, filled up with digits of
zero as the protocol allows: so all of them are written at once, however many groups there are.
"""

import io
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby

import numpy as np
import polars as pl
from numpy.typing import NDArray

from viecomrec.adapters.thrift_compact import Walk, list_of_structs, read_varint, varint

MAGIC = b"PAR1"

OFFSET_BYTES, NUMBER_BYTES = 6, 3
"""Room for two terabytes, and for any 16-bit number of a group."""

_N_ROWS, _ROW_GROUPS = 3, 4
_COLUMNS, _GROUP_OFFSET, _GROUP_NUMBER = 1, 5, 7
_GROUP_SIZES = (2, 3, 6)
_CHUNK_OFFSET, _CHUNK_DATA, _PAGE_INDEX = 2, 3, 4
_INDEX_PLACES = (5, 6, 7)
_DATA_SIZES, _PAGE_OFFSETS, _ENCODINGS = (5, 6, 7), (9, 10, 11), 13
_N_PAGES = 3

_VARINT = rb"[\x80-\xff]*+."


@dataclass(frozen=True, eq=False)
class GroupEntry:
    """What the footer says of one group, as if the group stood first in the file."""

    text: bytes
    fields: NDArray[np.int32]
    """Where in `text` the offsets stand, and last of all where the number of the group stands."""

    n_rows: int


@dataclass(frozen=True)
class FileFrame:
    """What stands in the footer around the groups, the same for every file of one schema."""

    before: bytes
    after: bytes


class GroupEncoder:
    """Encodes groups of one schema; equal rows give equal bytes."""

    def __init__(self) -> None:
        self._layouts: list[_Layout] = []

    def encode(self, rows: pl.DataFrame) -> tuple[bytes, GroupEntry]:
        """The pages of a group of these rows, and its entry."""
        content = _encoded(rows)
        parts, layout = self._parts(_footer(content))
        pieces, fields, n_bytes, end_of_pages = [], [], 0, _footer_start(content)
        for role, part in zip(layout.roles, parts, strict=True):
            piece = part
            if role is _Role.PAGE_INDEX:  # lies behind the pages
                end_of_pages = min(end_of_pages, read_varint(part) // 2)
                continue
            if role is _Role.OFFSET:
                fields.append(n_bytes)
                piece = _padded(read_varint(part) - 2 * len(MAGIC), OFFSET_BYTES)
            elif role is _Role.NUMBER:
                number_at = n_bytes
                piece = _padded(0, NUMBER_BYTES)
            pieces.append(piece)
            n_bytes += len(piece)
        at = np.array([*fields, number_at], dtype=np.int32)
        return content[len(MAGIC) : end_of_pages], GroupEntry(b"".join(pieces), at, rows.height)

    def _parts(self, footer: bytes) -> tuple[Sequence[bytes], "_Layout"]:
        for layout in self._layouts:
            if found := layout.pattern.match(footer):
                return found.groups(), layout
        # A column with a dictionary has other fields than one without.
        self._layouts.append(_layout_of(footer))
        return self._parts(footer)


def file_frame(schema: pl.Schema) -> FileFrame:
    """The footer of a table without rows, cut where the groups of another one go."""
    walk = Walk(_footer(_encoded(schema.to_frame())))
    cuts: list[int] = []

    def cut_around() -> None:
        cuts.append(walk.field_start)
        walk.skip()
        cuts.append(walk.position)

    walk.struct({_N_ROWS: cut_around, _ROW_GROUPS: cut_around})
    return FileFrame(walk.content[: cuts[0]], walk.content[cuts[-1] :])


def footer(frame: FileFrame, entries: Sequence[GroupEntry], sizes: Sequence[int]) -> bytes:
    """The end of a file that holds groups of `sizes` bytes one after the other."""
    n_rows = varint(2 * sum(entry.n_rows for entry in entries))
    groups = _groups(entries, sizes) if entries else b""
    head = (frame.before, b"\x16", n_rows, b"\x19", list_of_structs(len(entries)))
    content = b"".join([*head, groups, frame.after])
    return content + len(content).to_bytes(4, "little") + MAGIC


def _groups(entries: Sequence[GroupEntry], sizes: Sequence[int]) -> bytes:
    """The entries one after the other, each with its own offsets and number."""
    text = np.frombuffer(bytearray().join(entry.text for entry in entries), dtype=np.uint8)
    begins = _starts([len(entry.text) for entry in entries])
    lies_at = len(MAGIC) + _starts(sizes)
    offsets = [entry.fields[:-1] + begin for entry, begin in zip(entries, begins, strict=True)]
    numbers = [entry.fields[-1] + begin for entry, begin in zip(entries, begins, strict=True)]
    of_group = np.repeat(np.arange(len(entries)), [len(some) for some in offsets])
    at = np.concatenate(offsets)
    _write(text, at, _read(text, at) + 2 * lies_at[of_group], OFFSET_BYTES)
    _write(text, np.array(numbers), 2 * np.arange(len(entries)), NUMBER_BYTES)
    return text.tobytes()


def _starts(sizes: Sequence[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)


def _read(text: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.int64]:
    value = np.zeros(len(at), dtype=np.int64)
    for digit in range(OFFSET_BYTES):
        value |= (text[at + digit].astype(np.int64) & 0x7F) << 7 * digit
    return value


def _write(
    text: NDArray[np.uint8], at: NDArray[np.int64], values: NDArray[np.int64], n_digits: int
) -> None:
    for digit in range(n_digits):
        has_more = 0x80 if digit < n_digits - 1 else 0
        text[at + digit] = values >> 7 * digit & 0x7F | has_more


def _padded(value: int, n_digits: int) -> bytes:
    digits = varint(value)
    missing = n_digits - len(digits)
    if not missing:
        return digits
    return digits[:-1] + bytes([digits[-1] | 0x80]) + b"\x80" * (missing - 1) + b"\0"


def _encoded(rows: pl.DataFrame) -> bytes:
    content = io.BytesIO()
    rows.rechunk().write_parquet(
        content,
        compression="zstd",
        compression_level=1,
        statistics=False,
        row_group_size=max(rows.height, 1),
    )
    return content.getvalue()


def _footer_start(content: bytes) -> int:
    return len(content) - 8 - int.from_bytes(content[-8:-4], "little")


def _footer(content: bytes) -> bytes:
    return content[_footer_start(content) : -8]


class _Role(Enum):
    """What a part of a footer is to us."""

    KEPT = "kept"
    LEFT_OUT = "left out"
    OFFSET = "offset"
    NUMBER = "number of the group"
    PAGE_INDEX = "offset of the index of pages"


@dataclass(frozen=True)
class _Layout:
    """Footers of one group that differ in sizes and places alone."""

    pattern: re.Pattern[bytes]
    roles: Sequence[_Role]
    """Of each group of the pattern."""


def _layout_of(content: bytes) -> _Layout:
    """The layout of a footer, told by walking through it once.

    The index of pages is left out: it holds more offsets, and nobody needs it for small groups.
    """
    roles, pattern = [], b""
    for role, parts in groupby(_Reader(content).parts(), key=lambda part: part[0]):
        together = b"".join(text for _, text in parts)
        if role is _Role.LEFT_OUT:
            pattern += together
        else:
            pattern += b"(" + together + b")"
            roles.append(role)
    return _Layout(re.compile(pattern, re.DOTALL), roles)


class _Reader:
    """Cuts the footer of a file with one group where numbers and roles begin and end."""

    def __init__(self, content: bytes) -> None:
        self._walk = Walk(content)
        self._cuts: list[tuple[int, int, _Role | None]] = []

    def parts(self) -> Iterator[tuple[_Role, bytes]]:
        """Each part as a pattern, with its role; what follows the group is not among them."""
        walk = self._walk
        groups = {_ROW_GROUPS: lambda: walk.elements(self._read_group)}
        walk.struct(self._each((_N_ROWS,), None) | groups)
        at, around = 0, _Role.LEFT_OUT
        for start, end, role in self._cuts:
            if start > at:
                yield around, re.escape(walk.content[at:start])
            if start == end:
                around = role or around
            else:
                yield role or around, _VARINT
            at = end

    def _read_group(self) -> None:
        walk = self._walk
        self._turn(walk.position, _Role.KEPT)
        walk.struct(
            {
                _COLUMNS: lambda: walk.elements(self._read_column),
                **self._each(_GROUP_SIZES, None),
                **self._each((_GROUP_OFFSET,), _Role.OFFSET),
                **self._each((_GROUP_NUMBER,), _Role.NUMBER),
            }
        )
        self._turn(walk.position, _Role.LEFT_OUT)

    def _read_column(self) -> None:
        walk = self._walk

        def leave_out() -> None:
            self._turn(walk.field_start, _Role.LEFT_OUT)
            self._read_number(_Role.PAGE_INDEX)

        walk.struct(
            {
                _CHUNK_DATA: self._read_data,
                _PAGE_INDEX: leave_out,
                **self._each((_CHUNK_OFFSET,), _Role.OFFSET),
                **self._each(_INDEX_PLACES, None),
            }
        )
        self._turn(walk.position - 1, _Role.KEPT)  # from the end of the struct on

    def _read_data(self) -> None:
        walk = self._walk
        n_pages = self._each((_N_PAGES,), None)
        walk.struct(
            {
                _ENCODINGS: lambda: walk.elements(lambda: walk.struct(n_pages)),
                **self._each(_DATA_SIZES, None),
                **self._each(_PAGE_OFFSETS, _Role.OFFSET),
            }
        )

    def _each(self, fields: Collection[int], role: _Role | None) -> dict[int, Callable[[], object]]:
        """Fields that hold a number; of no role of its own where it is neither offset nor place."""
        return dict.fromkeys(fields, lambda: self._read_number(role))

    def _read_number(self, role: _Role | None) -> None:
        start = self._walk.position
        self._walk.number()
        self._cuts.append((start, self._walk.position, role))

    def _turn(self, at: int, around: _Role) -> None:
        """From here on what has no role of its own has this one."""
        self._cuts.append((at, at, around))
