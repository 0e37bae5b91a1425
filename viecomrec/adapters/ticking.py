"""APScheduler's blocking loop, driven by a tick of at most a few seconds."""

import socket
from collections.abc import Callable
from datetime import UTC

from apscheduler.schedulers.blocking import BlockingScheduler


class TickingScheduler(BlockingScheduler):  # type: ignore[misc] # APScheduler has no types
    """Runs `tick` at once and then every `seconds`, until `shutdown`.

    APScheduler's own due times live in memory and in wall time: a stepped clock silences them,
    and a time missed by more than a second is dropped without a word. So the loop, the waking
    and the stopping are APScheduler's, and what is due comes from the ledger at each tick.
    """

    def __init__(self, tick: Callable[[], None], seconds: float) -> None:
        super().__init__(timezone=UTC)
        self._tick = tick
        self._seconds = seconds

    def _process_jobs(self) -> float:
        self._tick()
        return self._seconds


def notify_systemd(address: str | None, message: str) -> None:
    """Tell systemd READY=1, WATCHDOG=1 or STOPPING=1; nothing without a notify socket."""
    if not address or not hasattr(socket, "AF_UNIX"):
        return
    name = f"\0{address[1:]}" if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.connect(name)
        channel.sendall(message.encode())
