"""A value that was worked out a moment ago."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """Keeps one value for a while; two visitors at once work it out once."""

    def __init__(self, lasts: timedelta) -> None:
        self._lasts = lasts
        self._working = threading.Lock()
        self._kept: tuple[datetime, Value] | None = None

    def get(self, work_out: Callable[[], Value], now: datetime) -> Value:
        """The kept value, or a new one where it is too old or from the future."""
        with self._working:
            if self._kept is None or not timedelta(0) <= now - self._kept[0] < self._lasts:
                self._kept = (now, work_out())
            return self._kept[1]

    def forget(self) -> None:
        """After a change, so that the next visitor sees what came of it."""
        self._kept = None
