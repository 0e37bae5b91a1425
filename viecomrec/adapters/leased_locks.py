"""The pipeline lock of several hosts: this machine's lock, and a lease that all hosts respect."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import structlog

from viecomrec.adapters.leases import Lease, Leases
from viecomrec.adapters.locks import Holder, PipelineLock, utc_now

log = structlog.get_logger()


class LeasedPipelineLock(PipelineLock):
    """As PipelineLock: acquires at once or says no. A living holder on another host is respected.

    The kernel lock and the visible file stay, for whoever looks on this machine. Raises
    LedgerError where the database cannot be asked.
    """

    def __init__(
        self,
        name: str,
        timeout: float = 3600,
        *,
        folder: Path,
        leases: Leases,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__(name, timeout, folder=folder, now=now)
        self._leases = leases
        self._lease: Lease | None = None

    @property
    def holder(self) -> Holder | None:
        """Who holds the lock: on this machine, else on another one."""
        local = super().holder
        if local is not None:
            return local
        other = self._leases.holder(self._name)
        return None if other is None else Holder(pid=other.pid, host=other.host, since=other.since)

    def acquire(self) -> bool:
        """Take the lock of this machine and the lease, or say no at once to a living holder."""
        if self.acquired:
            return False
        lease = self._leases.acquire(self._name)
        if lease is None:
            self._report_stuck_lease()
            return False
        if not super().acquire():
            self._leases.release(lease)
            return False
        self._lease = lease
        return True

    def renew(self) -> bool:
        """Hold on to both; False once the lease is known to be another host's."""
        is_ours = self._lease is not None and not self._lease.is_lost
        return is_ours and super().renew()

    def release(self) -> None:
        if self._lease is not None:
            self._leases.release(self._lease)
            self._lease = None
        super().release()

    def _report_stuck_lease(self) -> None:
        other = self._leases.holder(self._name)
        if other is None or other.age_seconds <= self._timeout:
            return
        self.is_stuck = True
        log.warning(
            "a run holds its lease for longer than its timeout; it is alive and keeps it",
            pipeline=self._name,
            timeout_seconds=self._timeout,
            host=other.host,
            pid=other.pid,
        )
