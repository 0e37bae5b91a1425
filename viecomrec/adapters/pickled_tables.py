"""The guide's pickles put together column by column: a dict for each user would cost ten times.

Opcodes: `pickletools`. Every reader of pickles of builtins reads them.
"""

from collections.abc import Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from viecomrec.domain import columns as c

METADATA_KEYS = ("n_events", "segment", "last_at")
METADATA_END = b"u."
_ENTRY_END = b"+00:00u"
"""The end of the instant in UTC, which stands last, and of the user's dict."""


def metadata_start() -> bytes:
    """What stands before the users: the names of the fields, remembered once, and an empty dict."""
    names = b"".join(
        b"X" + len(name).to_bytes(4, "little") + name.encode() + b"q" + bytes([number]) + b"0"
        for number, name in enumerate(METADATA_KEYS)
    )
    return b"\x80\x02" + names + b"}("


def metadata_entries(users: pl.DataFrame) -> tuple[bytes, NDArray[np.int64]]:
    """The entries {user_id: {n_events, segment, last_at}} and the byte after each of them."""
    n_events, segment, last_at = (pl.lit(f"h{chr(number)}") for number in range(3))
    named = [n_events, pl.format("I{}\n", "n_events"), segment, _unicode(pl.col("segment"))]
    named += [last_at, _unicode(pl.col("last_at"))]
    entry = pl.concat_str(_unicode(pl.col(c.USER_ID)), pl.lit("}("), *named, pl.lit("u"))
    entries = users.select(entry.alias("entry"))
    ends = entries.select(pl.col("entry").str.len_bytes().cast(pl.Int64).cum_sum()).to_series()
    text: str = entries.select(pl.col("entry").str.join("")).item()
    return text.encode(), ends.to_numpy()


def with_entries(entries: bytes, changed: Iterable[tuple[str, bytes, str | None]]) -> bytes:
    """A stretch of entries with others put in: (user id, entry, follower) of each, ascending.

    The follower is the first user of `entries` who is not smaller: the same one, whose entry is
    replaced, or the one before whom the entry goes; None for the end.
    """
    parts, position = [], 0
    for user_id, entry, follower in changed:
        start = len(entries) if follower is None else entries.index(_key(follower), position)
        parts += [entries[position:start], entry]
        position = start
        if follower == user_id:
            position = entries.index(_ENTRY_END, start + len(_key(user_id))) + len(_ENTRY_END)
    return b"".join([*parts, entries[position:]])


def _key(user_id: str) -> bytes:
    """How the entry of a user begins; no id holds the zeros, which are control characters."""
    text = user_id.encode()
    return b"X" + len(text).to_bytes(4, "little") + text + b"}("


def _unicode(texts: pl.Expr) -> pl.Expr:
    """BINUNICODE: `X`, the length in four bytes, the text; ids are shorter than 128 bytes."""
    lengths = pl.lit(pl.Series([chr(length) for length in range(128)]))
    length = lengths.gather(texts.str.len_bytes())
    return pl.concat_str(pl.lit("X"), length, pl.lit("\0\0\0"), texts)


def pickled_positives(binary: csr_array) -> bytes:
    """{row: set of columns} of the users with a positive training pair."""
    counts = np.diff(binary.indptr)
    rows = np.flatnonzero(counts)
    counts = counts[rows]
    # A row: J and four bytes, an empty set, a mark, J and four bytes a column, the end of the set.
    sizes = 5 + 2 + 5 * counts + 1
    ends = np.cumsum(sizes)
    content = np.full(int(ends[-1]) if len(ends) else 0, ord("J"), dtype=np.uint8)
    _place(content, ends - sizes, rows)
    content[ends - sizes + 5], content[ends - sizes + 6] = 0x8F, ord("(")
    first = np.repeat(ends - 1 - 5 * counts, counts)
    within = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    _place(content, first + 5 * within, binary.indices)
    content[ends - 1] = 0x90
    return b"\x80\x04}(" + content.tobytes() + b"u."


def _place(
    content: NDArray[np.uint8], at: NDArray[np.int64], numbers: NDArray[np.signedinteger]
) -> None:
    """Write four bytes, least significant first, after the opcode at each of the places."""
    digits = numbers.astype("<i4").view(np.uint8).reshape(-1, 4)
    for digit in range(4):
        content[at + 1 + digit] = digits[:, digit]
