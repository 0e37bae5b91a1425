"""Leases in PostgreSQL: who does what, among hosts that share nothing but the database.

A lease is a row with the instant of its last renewal, by the server's clock alone, and an epoch
that grows with every holder. A holder that was not heard of for too long may be replaced; it
finds that out by its token before it writes anything.
"""

import os
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Connection, text

from viecomrec.errors import LeaseLostError, LedgerError

if TYPE_CHECKING:
    from viecomrec.adapters.postgres import PostgresDatabase

log = structlog.get_logger()

RENEWALS_PER_LEASE = 4

# Nobody can renew while the server is down: after its start everybody has a whole lease.
EXPIRES_AT = "greatest(renewed_at, pg_postmaster_start_time()) + make_interval(secs => seconds)"
IS_HELD = f"(token IS NOT NULL AND {EXPIRES_AT} > clock_timestamp())"

ACQUIRE = """
INSERT INTO leases (name, token, epoch, host, pid, since, renewed_at, seconds)
VALUES (:name, :token, 1, :host, :pid, clock_timestamp(), clock_timestamp(), :seconds)
ON CONFLICT (name) DO UPDATE SET
    token = excluded.token, epoch = leases.epoch + 1, host = excluded.host, pid = excluded.pid,
    since = clock_timestamp(), renewed_at = clock_timestamp(), seconds = excluded.seconds,
    is_asked_to_stop = false
WHERE leases.token = excluded.token OR leases.token IS NULL
    OR greatest(leases.renewed_at, pg_postmaster_start_time())
       + make_interval(secs => leases.seconds) <= clock_timestamp()
RETURNING epoch
"""
RENEW = """
UPDATE leases SET renewed_at = clock_timestamp() WHERE name = :name AND token = :token
RETURNING is_asked_to_stop
"""


@dataclass
class Lease:
    """One lease of this process. `is_lost` and `is_asked_to_stop` are what the server said last."""

    name: str
    token: str
    epoch: int
    is_lost: bool = False
    is_asked_to_stop: bool = False


@dataclass(frozen=True)
class LeaseHolder:
    """Who holds a lease, and for how long by the server's clock."""

    host: str
    pid: int
    since: datetime
    age_seconds: float
    epoch: int
    expires_at: datetime
    """When another host may take it, unless it is renewed before."""


@dataclass
class Leases:
    """The leases that this process holds, renewed by one thread as long as there are any."""

    database: "PostgresDatabase"
    seconds: float
    host: str
    _held: dict[str, Lease] = field(default_factory=dict)
    _changing: threading.Lock = field(default_factory=threading.Lock)
    _wake: threading.Event = field(default_factory=threading.Event)
    _renewer: threading.Thread | None = None
    _is_in_trouble: bool = False

    def acquire(
        self, name: str, condition: Callable[[Connection], bool] = lambda _: True
    ) -> Lease | None:
        """Take a lease that is free or whose holder fell silent; None from a living holder.

        None too where `condition`, asked in the same transaction, says no.
        """
        lease = Lease(name, secrets.token_hex(8), 0)
        values = {
            "name": name,
            "token": lease.token,
            "host": self.host,
            "pid": os.getpid(),
            "seconds": self.seconds,
        }

        def take(connection: Connection) -> int | None:
            if not condition(connection):
                return None
            epoch: int | None = connection.execute(text(ACQUIRE), values).scalar_one_or_none()
            return epoch

        epoch = self.database.write(take)
        if epoch is None:
            return None
        lease.epoch = epoch
        with self._changing:
            self._held[lease.token] = lease
            self._ensure_renewer()
        return lease

    def release(self, lease: Lease, *, is_last_use: bool = False) -> None:
        """Free the lease, unless it was lost; a server that is away frees it by itself later.

        `is_last_use` forgets the row of a name that nobody will ask for again.
        """
        with self._changing:
            self._held.pop(lease.token, None)
        statement = (
            "DELETE FROM leases WHERE name = :name AND token = :token"
            if is_last_use
            else "UPDATE leases SET token = NULL WHERE name = :name AND token = :token"
        )
        try:
            with self.database.shared_transaction(is_patient=False) as connection:
                connection.execute(text(statement), {"name": lease.name, "token": lease.token})
        except LedgerError as error:
            log.warning("a lease ends by itself later", lease=lease.name, error=str(error))

    def renew(self, lease: Lease) -> bool:
        """Tell the server that this process lives; False when the lease is another's by now."""
        with self.database.shared_transaction(is_patient=False) as connection:
            return _renew(connection, lease)

    def check(self, connection: Connection | None = None) -> None:
        """Raise LeaseLostError if any lease of this process was lost; else renew them all.

        To be called at the last moment before something is published. Within a transaction it
        also keeps every other host from taking the leases before that transaction ends.
        """
        with self._changing:
            held = sorted(self._held.values(), key=lambda lease: lease.name)
        if not held:
            return
        if connection is None:
            self.database.write(lambda one: _require(one, held))
        else:
            _require(connection, held)

    def is_held(self, name: str) -> bool:
        """Whether a living process on any host holds the lease."""
        return self.holder(name) is not None

    def holder(self, name: str) -> LeaseHolder | None:
        """The living holder of a lease."""
        with self.database.shared_transaction() as connection:
            row = connection.execute(
                text(
                    "SELECT host, pid, since, "  # noqa: S608 - the module's own text
                    f"extract(epoch FROM clock_timestamp() - since), epoch, {EXPIRES_AT} "
                    f"FROM leases WHERE name = :name AND {IS_HELD}"
                ),
                {"name": name},
            ).one_or_none()
        if row is None:
            return None
        return LeaseHolder(row[0], row[1], row[2], float(row[3]), row[4], row[5])

    def ask_to_stop(self, name: str) -> None:
        """Let the holder know, wherever it is, that it should end."""
        with self.database.shared_transaction() as connection:
            connection.execute(
                text("UPDATE leases SET is_asked_to_stop = true WHERE name = :name"),
                {"name": name},
            )

    def close(self) -> None:
        """Renew no more; what is still held ends by itself."""
        with self._changing:
            self._held.clear()
            renewer = self._renewer
        self._wake.set()
        if renewer is not None:
            renewer.join()

    def _ensure_renewer(self) -> None:
        if self._renewer is None or not self._renewer.is_alive():
            self._renewer = threading.Thread(target=self._renew_all, name="leases", daemon=True)
            self._renewer.start()

    def _renew_all(self) -> None:
        while not self._wake.wait(self.seconds / RENEWALS_PER_LEASE):
            with self._changing:
                held: Iterable[Lease] = list(self._held.values())
                if not held:
                    self._renewer = None
                    return
            for lease in held:
                self._renew_quietly(lease)

    def _renew_quietly(self, lease: Lease) -> None:
        try:
            is_ours = self.renew(lease)
        except LedgerError as error:
            if not self._is_in_trouble:
                log.warning("leases cannot be renewed", lease=lease.name, error=str(error))
            self._is_in_trouble = True
            return
        self._is_in_trouble = False
        if not is_ours and not lease.is_lost and lease.token in self._held:
            lease.is_lost = True
            log.error("a lease was lost", lease=lease.name, epoch=lease.epoch)


def _renew(connection: Connection, lease: Lease) -> bool:
    values: dict[str, Any] = {"name": lease.name, "token": lease.token}
    answer = connection.execute(text(RENEW), values).scalar_one_or_none()
    lease.is_asked_to_stop = lease.is_asked_to_stop or bool(answer)
    return answer is not None


def _require(connection: Connection, held: Iterable[Lease]) -> None:
    for lease in held:
        if _renew(connection, lease):
            continue
        lease.is_lost = True
        raise LeaseLostError(
            f"This process lost its lease on {lease.name}: it was not heard of for too long, and "
            "another host has taken over. Nothing was written; what it did is done again there."
        )
