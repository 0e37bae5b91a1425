"""Numbers and times as a reader of either language expects them, always with their unit."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from viecomrec.service.console.words import Language, translate

EMPTY = "-"
MINUTE, HOUR, DAY = 60, 3600, 86_400


class Formats:
    """One language and one time zone."""

    def __init__(self, language: Language, zone: ZoneInfo) -> None:
        self._language = language
        self._zone = zone

    def number(self, value: float | None, digits: int = 0) -> str:
        """1.234,5 in Vietnamese, 1,234.5 in English."""
        if value is None:
            return EMPTY
        text = f"{value:,.{digits}f}"
        if not text.strip("-0.,"):
            text = text.removeprefix("-")  # a rounded zero has no sign
        if self._language is Language.VI:
            return text.translate(str.maketrans(",.", ".,"))
        return text

    def share(self, value: float | None, digits: int = 1) -> str:
        return EMPTY if value is None else f"{self.number(100 * value, digits)} %"

    def vnd(self, price: float | None) -> str:
        """Prices are written the Vietnamese way in both languages."""
        return EMPTY if price is None else f"{price:,.0f}".replace(",", ".") + " ₫"

    def instant(self, at: datetime | str | None) -> str:
        """Day and time with the offset of the zone; text is ISO 8601, UTC without an offset."""
        if at is None:
            return EMPTY
        local = as_instant(at).astimezone(self._zone)
        pattern = "%d/%m/%Y %H:%M" if self._language is Language.VI else "%d %b %Y %H:%M"
        return f"{local.strftime(pattern)} ({_offset(local)})"

    def day(self, at: datetime | str | None) -> str:
        """A day on an axis; text is an ISO day as it is, an instant is told in the zone."""
        if at is None:
            return EMPTY
        is_day = isinstance(at, str) and len(at) == len("2026-01-31")
        local = datetime.fromisoformat(str(at)) if is_day else as_instant(at).astimezone(self._zone)
        return local.strftime("%d/%m/%Y" if self._language is Language.VI else "%d %b %Y")

    def local(self, text: str | None) -> str:
        """The guide's local times without offset, which are in the zone already."""
        if text is None:
            return EMPTY
        return self.instant(datetime.fromisoformat(text).replace(tzinfo=self._zone))

    @property
    def zone_name(self) -> str:
        return self._zone.key

    def clock(self, at: datetime, pattern: str) -> str:
        """A short mark on an axis, in the zone."""
        return at.astimezone(self._zone).strftime(pattern)

    def age(self, at: datetime | str | None, now: datetime) -> str:
        """How long ago, or in how long."""
        if at is None:
            return translate("never", self._language)
        seconds = (now - as_instant(at)).total_seconds()
        key = "ago" if seconds >= 0 else "in"
        return translate(key, self._language).format(self.duration(abs(seconds)))

    def duration(self, seconds: float | timedelta | None) -> str:
        """The two largest units that matter: 45 s, 12 min, 3 h, 5 days."""
        if seconds is None:
            return EMPTY
        if isinstance(seconds, timedelta):
            seconds = seconds.total_seconds()
        if seconds < MINUTE:
            return f"{self.number(seconds, 1 if seconds < 10 else 0)} s"  # noqa: PLR2004
        for unit, name in ((DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes")):
            if seconds >= unit:
                count = seconds / unit
                return f"{count:.0f} {translate(name, self._language)}"
        raise AssertionError  # pragma: no cover - a minute is the last unit


def _offset(local: datetime) -> str:
    """UTC+7, UTC-3:30, UTC."""
    text = local.strftime("%z")
    hours, minutes = int(text[1:3]), text[3:5]
    if text[1:5] == "0000":
        return "UTC"
    return f"UTC{text[0]}{hours}" + (f":{minutes}" if minutes != "00" else "")


def as_instant(at: datetime | str) -> datetime:
    """An aware instant; one without offset is UTC."""
    instant = datetime.fromisoformat(at) if isinstance(at, str) else at
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
