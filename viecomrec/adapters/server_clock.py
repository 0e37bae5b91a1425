"""The time of the database server, so that the clocks of hosts that differ decide the same."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from viecomrec.domain.health_surroundings import CLOCK_TOLERANCE
from viecomrec.errors import LedgerError

if TYPE_CHECKING:
    from viecomrec.adapters.postgres import PostgresDatabase

log = structlog.get_logger()

ASK_EVERY_SECONDS = 30.0


class ServerClock:
    """The clock of this host, put right by the server's; as last seen while that is away."""

    def __init__(self, database: "PostgresDatabase", own: Callable[[], datetime]) -> None:
        self._database = database
        self._own = own
        self._difference = timedelta(0)
        self._ask_at = 0.0
        self._is_told = False

    def __call__(self) -> datetime:
        if time.monotonic() >= self._ask_at:
            self._ask_at = time.monotonic() + ASK_EVERY_SECONDS
            self._ask()
        return self._own() + self._difference

    def _ask(self) -> None:
        try:
            server = self._database.clock()
        except LedgerError:
            self._ask_at = 0.0  # again at the next look
            return
        self._difference = server - self._own()
        is_wrong = abs(self._difference) > CLOCK_TOLERANCE
        if is_wrong and not self._is_told:
            log.warning(
                "this host's clock differs from the database server's, which decides what is due; "
                "set the clock right (time synchronisation)",
                seconds=round(-self._difference.total_seconds()),
            )
        self._is_told = is_wrong
