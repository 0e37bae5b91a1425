"""What a shop reports while it runs: one event is one user, one product, one instant."""

import hashlib
from datetime import UTC, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from viecomrec.domain.contracts import MAX_ID_BYTES, YEAR_RANGE
from viecomrec.errors import InputError

MAX_COMMENT_CHARACTERS = 100_000


class EventKind(StrEnum):
    REVIEW = "review"
    PURCHASE = "purchase"
    CART = "cart"
    VIEW = "view"


class Event(BaseModel):
    """An event that passed the door: `at` is UTC, the id is never empty."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    event_id: str = Field("", max_length=MAX_ID_BYTES)
    user_id: str = Field(min_length=1)
    product_id: str = Field(min_length=1)
    kind: EventKind = EventKind.REVIEW
    rating: float | None = Field(None, ge=1, le=5, allow_inf_nan=False)
    at: datetime
    comment: str | None = Field(None, max_length=MAX_COMMENT_CHARACTERS)

    @field_validator("user_id", "product_id", "event_id")
    @classmethod
    def _short_and_printable(cls, value: str) -> str:
        if len(value.encode()) > MAX_ID_BYTES or any(ord(letter) < 32 for letter in value):  # noqa: PLR2004 - below 32 are the control characters
            raise ValueError(f"an id has at most {MAX_ID_BYTES} bytes and no control characters")
        return value

    @field_validator("at")
    @classmethod
    def _plausible(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError("a time needs an offset, such as 2026-11-24T20:15:00+07:00")
        if not YEAR_RANGE[0] <= value.year <= YEAR_RANGE[1]:
            raise ValueError(f"the year {value.year} is not plausible")
        return value.astimezone(UTC)

    @model_validator(mode="after")
    def _complete(self) -> "Event":
        if self.kind is EventKind.REVIEW and self.rating is None:
            raise ValueError("a review needs a rating from 1 to 5")
        if not self.event_id:
            object.__setattr__(self, "event_id", self._content_id())
        return self

    def _content_id(self) -> str:
        rating = "" if self.rating is None else f"{self.rating:g}"
        parts = (
            self.user_id,
            self.product_id,
            self.kind,
            rating,
            self.at.isoformat(),
            self.comment or "",
        )
        return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=10).hexdigest()

    def as_line(self) -> str:
        """The event as one line of JSON, ready for the staging log."""
        return self.model_dump_json(exclude_none=True)


def read_event(fields: dict[str, object], zone: ZoneInfo) -> Event:
    """Check one event at the door; a time without an offset is a local time of `zone`.

    Raises InputError that names each wrong field.
    """
    try:
        return Event.model_validate({**fields, "at": _instant(fields.get("at"), zone)})
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'event'}: {one['msg']}" for one in error.errors()
        )
        raise InputError(f"The event is refused: {problems}") from error


def _instant(value: object, zone: ZoneInfo) -> object:
    """`value` as an aware instant where it is ISO 8601 text; anything else is left to the check."""
    if not isinstance(value, str):
        raise InputError(f"The event is refused: at must be ISO 8601 text, not {value!r}")
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        raise InputError(
            f"The event is refused: at is {value!r}; write it as 2026-11-24T20:15:00+07:00"
        ) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=zone)
