"""`config/data_source.json`: where another shop's export lies and what its columns are called."""

import json
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from viecomrec.domain.contracts import Contract
from viecomrec.errors import ConfigurationError


class TableSource(BaseModel):
    """One file of the export; what is left out is found by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str | None = None
    """Path from data/published_data/, or an absolute one. `.gz` files are read as they are."""

    columns: dict[str, str] = Field(default_factory=dict)
    """Our name of a column -> the name in the file."""

    encoding: str | None = None
    """Needed only where the file is neither UTF-8 nor UTF-16 with its mark, such as cp1258."""

    separator: str | None = Field(None, min_length=1, max_length=1)


class DataSource(BaseModel):
    """The export of one shop; the defaults are the files of the ViEcomRec data set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_zone: str | None = None
    """Zone of the times without an offset; without it TZ counts, and UTC without that."""

    reviews: TableSource = TableSource()
    products: TableSource = TableSource()
    attributes: TableSource = TableSource()
    shops: TableSource = TableSource()

    @field_validator("time_zone")
    @classmethod
    def _exists(cls, name: str | None) -> str | None:
        try:
            return name if name is None else ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(
                f"the time zone {name!r} does not exist; use a name such as Asia/Ho_Chi_Minh"
            ) from error

    def table(self, contract: Contract) -> TableSource:
        source: TableSource = getattr(self, contract.what)
        return source

    def path(self, contract: Contract, published_data: Path) -> Path:
        return published_data / (self.table(contract).file or contract.default_file)


def read_data_source(file: Path) -> DataSource:
    """Read the mapping; the defaults where there is no file. Raises ConfigurationError."""
    if not file.is_file():
        return DataSource()
    try:
        return DataSource.model_validate(json.loads(file.read_text(encoding="utf-8-sig")))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()
        )
        raise ConfigurationError(f"{file}: {problems}") from error
    except ValueError as error:
        raise ConfigurationError(f"{file} is not valid JSON: {error}") from error
