"""The files of one shop's export, read through its mapping."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import polars as pl

from viecomrec.adapters.data_source import DataSource
from viecomrec.adapters.file_hashes import FileHashes
from viecomrec.adapters.raw_files import RawTable, open_table
from viecomrec.domain.contracts import ATTRIBUTES, PRODUCTS, REVIEWS, Contract
from viecomrec.errors import InputError

CONTRACTS = (REVIEWS, PRODUCTS, ATTRIBUTES)

Result = TypeVar("Result")
State = TypeVar("State")


@dataclass(frozen=True)
class ShopFiles:
    """The export in `published_data`, found as `source` says."""

    published_data: Path
    source: DataSource
    hashes: FileHashes

    def path(self, contract: Contract) -> Path:
        return self.source.path(contract, self.published_data)

    def fingerprints(self, *, remember: bool) -> dict[str, str]:
        """SHA-256 of each file by what it holds; an optional file that is absent is left out.

        Nothing is written unless `remember`.
        """
        return {
            contract.what: self.hashes.sha256(self.path(contract), remember=remember)
            for contract in CONTRACTS
            if self._is_there(contract)
        }

    def map_reviews(self, handle: Callable[[pl.DataFrame], Result]) -> list[Result]:
        """Give `handle` the reviews in batches; raises InputError if the file changes meanwhile."""
        return self.read_reviews(lambda table: table.map_batches(handle))

    def read_reviews(self, read: Callable[[RawTable], Result]) -> Result:
        """Let `read` do with the reviews what it wants; InputError if they change meanwhile."""
        return self._read_unchanged(REVIEWS, read)

    def fold_reviews(
        self, begin: Callable[[], State], take_in: Callable[[State, pl.DataFrame], object]
    ) -> State:
        """Take the reviews into a state batch by batch; raises InputError as `map_reviews`."""
        return self._read_unchanged(REVIEWS, lambda table: table.fold(begin, take_in))

    def n_bytes_of_reviews(self) -> int:
        """The size of the file of reviews as it lies there, 0 where it is missing."""
        path = self.path(REVIEWS)
        return path.stat().st_size if path.is_file() else 0

    def products(self) -> pl.DataFrame:
        """The catalogue. Raises InputError where it is empty: a shop has products."""
        products = self._read_unchanged(PRODUCTS, RawTable.read)
        if products.is_empty():
            raise InputError(
                f"{self.path(PRODUCTS)} has a header and no product. Export it again; the previous "
                "snapshot stays in force."
            )
        return products

    def attributes(self) -> pl.DataFrame | None:
        if not self._is_there(ATTRIBUTES):
            return None
        return self._read_unchanged(ATTRIBUTES, RawTable.read)

    def _is_there(self, contract: Contract) -> bool:
        """Whether the file exists; raises InputError where a file that must be there is not."""
        is_named = self.source.table(contract).file is not None
        if self.path(contract).is_file():
            return True
        if contract.required or is_named:
            self._open(contract)
        return False

    def _open(self, contract: Contract) -> RawTable:
        table = self.source.table(contract)
        return open_table(
            self.path(contract),
            contract,
            table.columns,
            encoding=table.encoding,
            separator=table.separator,
        )

    def _read_unchanged(self, contract: Contract, read: Callable[[RawTable], Result]) -> Result:
        path = self.path(contract)
        table = self._open(contract)
        before = _state(path)
        result = read(table)
        if _state(path) != before:
            raise InputError(
                f"{path} changed while it was read. Run the refresh again when the export is "
                "finished; write new exports under another name and rename them at the end."
            )
        return result


def _state(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
