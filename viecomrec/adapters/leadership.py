"""Which of the hosts that share a database leads: a lease that each of them asks for."""

from dataclasses import dataclass, field

from viecomrec.adapters.leases import Lease, LeaseHolder, Leases


@dataclass
class Leadership:
    """The lease of one name, as this host sees it. Raises LedgerError where nobody can be asked."""

    leases: Leases
    name: str
    _lease: Lease | None = field(default=None, init=False)

    @property
    def host(self) -> str:
        """The name by which other hosts know this one."""
        return self.leases.host

    @property
    def is_ours(self) -> bool:
        """Whether this process leads, as far as the server has said."""
        return self._lease is not None and not self._lease.is_lost

    def acquire(self) -> bool:
        """Lead from now on, unless a living process on any host does."""
        self._lease = self.leases.acquire(self.name)
        return self._lease is not None

    def release(self) -> None:
        """Let another host lead at once."""
        if self._lease is not None:
            self.leases.release(self._lease)
            self._lease = None

    def leader(self) -> LeaseHolder | None:
        """Who leads now, on whichever host."""
        return self.leases.holder(self.name)
