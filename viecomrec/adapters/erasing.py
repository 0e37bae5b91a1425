"""Taking one person out of files of every kind; each file is replaced in one step."""

import codecs
import gzip
import io
import json
import os
import re
import sqlite3
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

import polars as pl

from viecomrec.adapters import atomic_files
from viecomrec.adapters.raw_files import RawTable, csv_rows, open_table
from viecomrec.adapters.staging import (
    is_segment,
    new_segment_path,
    segment_lock,
    segments,
)
from viecomrec.domain import columns as c
from viecomrec.domain import dates
from viecomrec.domain.contracts import EVENTS
from viecomrec.domain.erasure import UpTo
from viecomrec.domain.event_rows import rows_of_lines
from viecomrec.errors import InputError

ERASED = "[erased]"
SHORT_DIGITS = 6
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
GZIP_MARK = b"\x1f\x8b"
_BINARY = getattr(os, "O_BINARY", 0)


def erase_from_table(
    path: Path, table: RawTable, encoding: str, user: str, until: UpTo | None = None
) -> int:
    """Drop the records of a user from a CSV file; all others keep their bytes. Returns how many.

    With `until` the later ones stay; here and below.
    """
    path = path.resolve()  # a link stays one; the person is in what it points to
    atomic_files.remove_leftovers_of(path)
    before = _state(path)
    dropped = _records_of_user(path, table, encoding, user, until)
    if dropped:
        with atomic_files.new_file(path) as temporary:
            with _text_of(path, encoding) as text, _text_to(temporary, path, encoding) as kept:
                numbered = enumerate(_records(text))
                kept.writelines(record for number, record in numbered if number not in dropped)
            _require_unchanged(path, before)
            atomic_files.sync_file(temporary)  # before it may become read-only
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
    return len(dropped)


def erase_from_lines(path: Path, user: str, until: UpTo | None = None) -> int:
    """Drop the JSON lines that name the user; the position of readers may change."""
    # Texts may hold other line separators than the one that ends a line of JSON.
    lines = _LINE.findall(path.read_bytes().decode("utf-8"))
    kept = _without_lines(lines, user, until)
    if len(kept) < len(lines):
        atomic_files.write_text(path, "".join(kept))
    return len(lines) - len(kept)


def erase_from_staging(folder: Path, user: str, until: UpTo | None = None) -> int:
    """Drop the staged events of a user, in segments, claimed files and dropped files."""
    dropped = sum(_erase_from_segment(segment, user, until) for segment in segments(folder))
    for path in sorted(folder.glob("*")):
        if not path.is_file() or path.name.startswith(".") or is_segment(path.name):
            continue
        name = path.name.lower()
        is_lines = any(ending in name for ending in (".jsonl", ".ndjson", ".json"))
        erase = erase_from_lines if is_lines else _from_dropped_table
        dropped += erase(path, user, until)
    return dropped


def erase_from_log(path: Path, user: str) -> int:
    """Write stars over the id where a log names the user; returns the changed lines.

    In place and of the same length: whoever has the log open goes on writing to it.
    """
    word = _mention(user)
    changed = 0
    with path.open("rb+") as file:
        position = 0
        for line in iter(file.readline, b""):
            text = line.decode("utf-8", errors="surrogateescape")
            starred = _starred(text, word, is_json=".jsonl" in path.name)
            if starred != text:
                file.seek(position)
                file.write(starred.encode("utf-8", errors="surrogateescape"))
                changed += 1
            position += len(line)
            file.seek(position)
        file.flush()
        os.fsync(file.fileno())
    return changed


def _starred(text: str, word: re.Pattern[str], *, is_json: bool) -> str:
    """The text with every mention overwritten, as long in bytes as before, and still JSON."""
    starred = word.sub(lambda found: _over(found, "*"), text)
    if is_json and starred != text and not _is_json(starred):
        return word.sub(lambda found: _over(found, "1"), text)  # the id stood there as a number
    return starred


def _over(found: re.Match[str], mark: str) -> str:
    return found[1] + mark * len(found[0].removeprefix(found[1]).encode())


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def erase_from_json(path: Path, user: str) -> int:
    """Put `[erased]` where a JSON file names the user."""
    text = path.read_text(encoding="utf-8")
    if _mention(user).search(text) is None:
        return 0
    word = _mention(user)
    atomic_files.write_json(path, _mapped(json.loads(text), lambda one: _masked(one, word)))
    return 1


def erase_from_database(path: Path, user: str) -> int:
    """Put `[erased]` where a text of an SQLite database names the user."""
    word = _mention(user)
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        connection.execute("PRAGMA secure_delete = ON")
        connection.create_function("masked", 1, lambda text: _masked_value(text, word))
        connection.execute("BEGIN IMMEDIATE")
        changed = sum(
            connection.execute(
                f'UPDATE "{table}" SET "{column}" = masked("{column}") '  # noqa: S608 - own schema
                f'WHERE "{column}" IS NOT masked("{column}")'
            ).rowcount
            for table, column in _text_columns(connection)
        )
        connection.execute("COMMIT")
    finally:
        connection.close()
    return changed


def _text_columns(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    return [
        (table, column[1])
        for (table,) in tables
        for column in connection.execute(f'PRAGMA table_info("{table}")').fetchall()
    ]


def _mention(user: str) -> re.Pattern[str]:
    """The id as a whole word. A short number is a name only behind the word user."""
    word = rf"{re.escape(user)}(?![\w-])"
    if user.isdigit() and len(user) < SHORT_DIGITS:
        return re.compile(rf"(\busers?(?:_id)?\W{{1,4}}){word}", re.IGNORECASE)
    return re.compile(rf"()(?<![\w-]){word}")


def masked(text: str, user: str) -> str:
    """The text with `[erased]` where it names the user."""
    return _masked(text, _mention(user))


def _masked(text: str, word: re.Pattern[str]) -> str:
    return word.sub(rf"\g<1>{ERASED}", text)


def _masked_value(value: Any, word: re.Pattern[str]) -> Any:
    return _masked(value, word) if isinstance(value, str) else value


def rename_in_models(root: Path, user: str, pseudonym: str) -> int:
    """Let every stored model call the user by a pseudonym; its factors stay nobody's.

    An interruption between the two files of a model is repaired by the next call.
    """
    changed = 0
    for path in root.glob("*/*/ids.json"):
        ids = json.loads(path.read_text(encoding="utf-8"))
        if user in ids["user_ids"]:
            ids["user_ids"] = [pseudonym if one == user else one for one in ids["user_ids"]]
            atomic_files.write_json(path, ids)
            changed += 1
        if pseudonym in ids["user_ids"]:
            _restate_hash(path)
    return changed


def _restate_hash(ids_file: Path) -> None:
    manifest_file = ids_file.with_name("manifest.json")
    manifest = json.loads(manifest_file.read_text(encoding="utf-8"))
    found = atomic_files.sha256(ids_file)
    if manifest["sha256"].get(ids_file.name) != found:
        manifest["sha256"][ids_file.name] = found
        atomic_files.write_json(manifest_file, manifest)


def _erase_from_segment(segment: Path, user: str, until: UpTo | None) -> int:
    """What is left goes on under a new name, so that no reader stands in the middle of it."""
    with segment_lock(segment):
        if not segment.exists():
            return 0
        lines = _LINE.findall(segment.read_bytes().decode("utf-8"))
        kept = _without_lines(lines, user, until)
        if len(kept) < len(lines):
            atomic_files.write_text(new_segment_path(segment.parent), "".join(kept))
            segment.unlink()
    return len(lines) - len(kept)


def _without_lines(lines: Sequence[str], user: str, until: UpTo | None) -> list[str]:
    theirs = [number for number, line in enumerate(lines) if _names(line, user)]
    rows = rows_of_lines(lines if theirs and until is not None else [], "")
    dates = dict(rows.select(pl.col(c.ROW) - 1, c.AT).iter_rows())
    dropped = set(_not_spared(theirs, [dates.get(n) for n in range(len(lines))], until))
    return [line for number, line in enumerate(lines) if number not in dropped]


def _records_of_user(
    path: Path, table: RawTable, encoding: str, user: str, until: UpTo | None
) -> set[int]:
    """Which records of a CSV file are a user's; the header is number 0."""
    with _text_of(path, encoding) as text:
        records = enumerate(_records(text))
        _, header = next(records)
        names = _fields(header.removeprefix("\ufeff"), table.separator)
        user_at, date_at = (names.index(table.columns[name]) for name in (c.USER_ID, c.AT))
        # Only an id with a quote in it is written otherwise than it is.
        may_be = (one for one in records if user in one[1] or '"' in user)
        theirs: dict[int, str | None] = {}
        for number, record in may_be:
            fields = _fields(record, table.separator)
            if len(fields) > user_at and fields[user_at].strip() == user:
                theirs[number] = fields[date_at] if len(fields) > date_at else None
    if until is None or not theirs:
        return set(theirs)
    counts = table.map_batches(lambda batch: dates.count_formats(batch[c.AT]))
    date_format = dates.most_common(sum(counts, Counter()))
    spared = until.spares_in(pl.Series(theirs.values(), dtype=pl.String), date_format)
    return {number for number, is_spared in zip(theirs, spared, strict=True) if not is_spared}


def _text_of(path: Path, encoding: str) -> TextIO:
    """The text of a file that may be compressed; lines end with LF alone, and stay as they are."""
    if _is_compressed(path):
        return gzip.open(path, "rt", encoding=encoding, newline="\n")
    return path.open(encoding=encoding, newline="\n")


@contextmanager
def _text_to(path: Path, like: Path, encoding: str) -> Iterator[TextIO]:
    """A new file of its owner alone, compressed as another is; equal texts give equal bytes."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
    with os.fdopen(descriptor, "wb") as file, ExitStack() as opened:
        packed = gzip.GzipFile("", "wb", fileobj=file, mtime=0) if _is_compressed(like) else file
        opened.enter_context(packed)
        yield opened.enter_context(io.TextIOWrapper(packed, encoding=encoding, newline="\n"))


def _is_compressed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == GZIP_MARK


def _state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _require_unchanged(path: Path, before: tuple[int, int, int]) -> None:
    if _state(path) != before:
        raise InputError(
            f"{path} changed while it was read. Erase again when the export is finished; write "
            "new exports under another name and rename them at the end."
        )


def _not_spared(
    theirs: Sequence[int], dates: Sequence[str | None], until: UpTo | None
) -> Sequence[int]:
    """Those of a user's rows that go, by all dates of the column."""
    if until is None or not theirs:
        return theirs
    column = pl.Series(dates, dtype=pl.String)
    spared = until.spares(column.gather(list(theirs)), column)
    return [number for number, is_spared in zip(theirs, spared, strict=True) if not is_spared]


def _records(lines: Iterable[str]) -> Iterator[str]:
    """The records of a CSV file with their line ends; a quoted field may span lines."""
    pending: list[str] = []
    n_quotes = 0
    for line in lines:
        pending.append(line)
        n_quotes += line.count('"')
        if n_quotes % 2 == 0:
            yield "".join(pending)
            pending.clear()
    if pending:
        yield "".join(pending)


def _fields(record: str, separator: str) -> list[str]:
    # A CR inside a text without quotes is a character to Polars and an error to Python.
    return next(csv_rows([record.rstrip("\r\n").replace("\r", " ")], separator), [])


def _names(line: str, user: str) -> bool:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return user in line
    if not isinstance(event, dict):
        return user in line
    return any(
        str(value).strip() == user
        for name, value in event.items()
        if name.lower() in {"user_id", "userid", "customer_id"}
    )


def _from_dropped_table(path: Path, user: str, until: UpTo | None) -> int:
    table = open_table(path, EVENTS, {})
    return erase_from_table(path, table, encoding_of(path), user, until)


def encoding_of(path: Path) -> str:
    """utf-16 where the (unpacked) file has its mark, else utf-8."""
    with path.open("rb") as file:
        head = file.read(2)
    if head == GZIP_MARK:
        with gzip.open(path) as file:
            head = file.read(2)
    return "utf-16" if head in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE} else "utf-8"


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_mapped(one, change) for one in value]
    if isinstance(value, dict):
        return {change(name): _mapped(one, change) for name, one in value.items()}
    return value
