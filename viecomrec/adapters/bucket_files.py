"""`interactions.parquet` and `user_metadata.pkl`, written bucket after bucket of users.

What lies where is on record beside them, so that an update copies the buckets that nothing
happened in and never decodes them.
"""

import io
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import polars as pl

from viecomrec.adapters import parquet_groups as parquet
from viecomrec.adapters import pickled_tables as pickles
from viecomrec.adapters.parquet_groups import GroupEntry
from viecomrec.domain import snapshots as layout
from viecomrec.domain.buckets import bounds
from viecomrec.domain.incremental import TouchedBucket
from viecomrec.domain.snapshot_content import INDEXED_SCHEMA
from viecomrec.domain.users import user_metadata


@dataclass(frozen=True)
class Place:
    """Where a bucket lies: the first byte in either file and how many are its own."""

    entry: GroupEntry
    pages_at: int
    n_page_bytes: int
    metadata_at: int
    n_metadata_bytes: int

    @property
    def pages_end(self) -> int:
        return self.pages_at + self.n_page_bytes

    @property
    def metadata_end(self) -> int:
        return self.metadata_at + self.n_metadata_bytes


@dataclass(frozen=True)
class Section:
    """A bucket ready to be written."""

    entry: GroupEntry
    pages: bytes
    metadata: bytes


@dataclass(frozen=True)
class Stretch:
    """Neighbouring buckets as they lie in the files."""

    places: Mapping[int, Place]
    pages: bytes
    metadata: bytes


def encode_buckets(interactions: pl.DataFrame) -> Iterator[tuple[int, Section]]:
    """Every bucket of whole users in the canonical order."""
    users = user_metadata(interactions)
    entries, ends = pickles.metadata_entries(users)
    rows_of = bounds(interactions)
    encoder = parquet.GroupEncoder()
    for (number, start, end), (_, first, last) in zip(rows_of, bounds(users), strict=True):
        pages, entry = encoder.encode(interactions.slice(start, end - start))
        metadata = entries[ends[first - 1] if first else 0 : ends[last - 1]]
        yield number, Section(entry, pages, metadata)


def encode_touched(
    buckets: Iterable[TouchedBucket], own: pl.DataFrame, previous: "BucketReader"
) -> Iterator[tuple[int, Section]]:
    """Every touched bucket; `own` are the interactions of the affected users alone."""
    entries, ends = pickles.metadata_entries(user_metadata(own))
    starts = iter(zip([0, *ends], ends, strict=False))
    encoder = parquet.GroupEncoder()
    for touched in buckets:
        pages, entry = encoder.encode(touched.rows)
        own_entries = [entries[start:end] for start, end in islice(starts, len(touched.users))]
        changed = zip(touched.users, own_entries, touched.followers, strict=True)
        metadata = pickles.with_entries(previous.metadata(touched.number), changed)
        yield touched.number, Section(entry, pages, metadata)


class BucketWriter:
    """Writes both files into a folder; buckets come in ascending order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._table = (folder / layout.INTERACTIONS).open("wb")
        self._metadata = (folder / layout.USER_METADATA).open("wb")
        self._places: dict[int, Place] = {}

    def __enter__(self) -> Self:
        self._table.write(parquet.MAGIC)
        self._metadata.write(pickles.metadata_start())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._table, self._metadata:
            if error is None:
                self._finish()

    def add(self, number: int, section: Section) -> None:
        self._places[number] = Place(
            section.entry,
            self._table.tell(),
            len(section.pages),
            self._metadata.tell(),
            len(section.metadata),
        )
        self._table.write(section.pages)
        self._metadata.write(section.metadata)

    def take_over(self, reader: "BucketReader", start: int, end: int) -> None:
        """Copy the buckets from number `start` up to `end`, which is left out, as they lie."""
        taken = reader.stretch(start, end)
        if not taken.places:
            return
        first = next(iter(taken.places.values()))
        page_shift = self._table.tell() - first.pages_at
        metadata_shift = self._metadata.tell() - first.metadata_at
        for number, place in taken.places.items():
            self._places[number] = Place(
                place.entry,
                place.pages_at + page_shift,
                place.n_page_bytes,
                place.metadata_at + metadata_shift,
                place.n_metadata_bytes,
            )
        self._table.write(taken.pages)
        self._metadata.write(taken.metadata)

    def _finish(self) -> None:
        places = list(self._places.values())
        entries, sizes = [place.entry for place in places], [place.n_page_bytes for place in places]
        self._table.write(parquet.footer(parquet.file_frame(INDEXED_SCHEMA), entries, sizes))
        self._metadata.write(pickles.METADATA_END)
        _write_places(self._places, self._folder / layout.BUCKETS)


class BucketReader:
    """Reads single buckets of a snapshot's files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places = _read_places(folder / layout.BUCKETS)

    def interactions(self, numbers: Collection[int]) -> pl.DataFrame:
        """The rows of some buckets in the canonical order; other buckets are not read."""
        places = [self._places[number] for number in sorted(numbers) if number in self._places]
        entries, sizes = [place.entry for place in places], [place.n_page_bytes for place in places]
        end = parquet.footer(parquet.file_frame(INDEXED_SCHEMA), entries, sizes)
        with (self._folder / layout.INTERACTIONS).open("rb") as table:
            pages = [_read(table, place.pages_at, place.pages_end) for place in places]
        return pl.read_parquet(io.BytesIO(b"".join([parquet.MAGIC, *pages, end])))

    def metadata(self, number: int) -> bytes:
        """The entries of a bucket; none where nobody lies in it."""
        place = self._places.get(number)
        if place is None:
            return b""
        with (self._folder / layout.USER_METADATA).open("rb", buffering=0) as metadata:
            return _read(metadata, place.metadata_at, place.metadata_end)

    def stretch(self, start: int, end: int) -> Stretch:
        """The buckets from number `start` up to `end`, which is left out."""
        known = self._places
        places = {number: known[number] for number in range(start, end) if number in known}
        if not places:
            return Stretch({}, b"", b"")
        found = list(places.values())
        first, last = found[0], found[-1]
        with (
            (self._folder / layout.INTERACTIONS).open("rb") as table,
            (self._folder / layout.USER_METADATA).open("rb") as metadata,
        ):
            pages = _read(table, first.pages_at, last.pages_end)
            entries = _read(metadata, first.metadata_at, last.metadata_end)
        return Stretch(places, pages, entries)


def _read(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)


def _write_places(places: Mapping[int, Place], path: Path) -> None:
    entries = [place.entry for place in places.values()]
    numbers = [
        (
            number,
            place.entry.n_rows,
            len(place.entry.text),
            len(place.entry.fields),
            place.pages_at,
            place.n_page_bytes,
            place.metadata_at,
            place.n_metadata_bytes,
        )
        for number, place in places.items()
    ]
    np.savez(
        path,
        places=np.array(numbers, dtype=np.int64).reshape(-1, 8),
        texts=np.frombuffer(b"".join(entry.text for entry in entries), dtype=np.uint8),
        fields=np.concatenate([np.zeros(0, dtype=np.int32), *(one.fields for one in entries)]),
    )


def _read_places(path: Path) -> dict[int, Place]:
    with np.load(path, allow_pickle=False) as arrays:
        texts, fields = arrays["texts"].tobytes(), arrays["fields"]
        rows = arrays["places"].tolist()
    places, text_at, field_at = {}, 0, 0
    for number, n_rows, n_text, n_fields, *where in rows:
        entry = GroupEntry(
            texts[text_at : text_at + n_text], fields[field_at : field_at + n_fields], n_rows
        )
        places[number] = Place(entry, *where)
        text_at, field_at = text_at + n_text, field_at + n_fields
    return places
