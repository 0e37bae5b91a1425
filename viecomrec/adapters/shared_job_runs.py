"""The runs of jobs where several hosts share the ledger: found again after a host has died.

Each run holds a lease of its own, renewed by its supervisor. A run of another host lives as long
as that lease; its end comes through the database.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection, text

from viecomrec.adapters.job_runs import JobRuns, Life
from viecomrec.adapters.leases import IS_HELD, Lease, Leases
from viecomrec.adapters.run_folder import RunEnd, RunSpec
from viecomrec.errors import LedgerError

if TYPE_CHECKING:
    from viecomrec.adapters.postgres import PostgresDatabase

log = structlog.get_logger()

WITHDRAWN = ""
"""The outcome of a run that nobody may begin or end any more."""


class SharedJobRuns(JobRuns):
    """As JobRuns, and the runs of the other hosts through the database."""

    supervisor = "automation.leased_supervisor"

    def __init__(
        self, root: Path, locks: Path, database: "PostgresDatabase", leases: Leases
    ) -> None:
        super().__init__(root, locks)
        self._database = database
        self._leases = leases

    @property
    def is_watching(self) -> bool:
        return True

    def ended(self) -> Iterator[tuple[RunSpec, RunEnd]]:
        yield from super().ended()
        with self._database.transaction() as connection:
            rows = connection.execute(
                text("SELECT spec, outcome FROM job_ends WHERE outcome <> ''")
            ).all()
        for spec, outcome in rows:
            yield RunSpec(**json.loads(spec)), RunEnd(**json.loads(outcome))

    def settle(self, job: str, claim: str) -> Life:
        if self.folder(claim).path.is_dir():
            return super().settle(job, claim)
        return self._database.write(lambda connection: _settle(connection, claim))

    def request_stop(self, claim: str) -> None:
        if self.folder(claim).path.is_dir():
            super().request_stop(claim)
        else:
            self._leases.ask_to_stop(lease_name(claim))

    def discard(self, claim: str) -> None:
        super().discard(claim)
        with self._database.shared_transaction() as connection:
            connection.execute(text("DELETE FROM job_ends WHERE claim = :claim"), {"claim": claim})

    @contextmanager
    def hold(self, claim: str) -> Iterator[None]:
        lease = self._leases.acquire(lease_name(claim))
        try:
            yield
        finally:
            if lease is not None:
                self._leases.release(lease, is_last_use=True)

    def lives_elsewhere(self, claim: str) -> bool:
        return self._leases.is_held(lease_name(claim))


class RunKeeper:
    """What the supervisor of a run tells the other hosts: it lives, and how it ended."""

    def __init__(self, database: "PostgresDatabase", leases: Leases) -> None:
        self._database = database
        self._leases = leases
        self._lease: Lease | None = None

    def begin(self, spec: RunSpec) -> bool:
        """Take the run's lease; False where another host took the run over before."""
        self._lease = self._leases.acquire(
            lease_name(spec.claim), condition=lambda connection: _is_wanted(connection, spec)
        )
        return self._lease is not None

    @property
    def must_stop(self) -> bool:
        """Whether the run was given to another host, or somebody asked it to stop."""
        return self._lease is not None and (self._lease.is_lost or self._lease.is_asked_to_stop)

    def end(self, spec: RunSpec, end: RunEnd) -> None:
        """Leave the result where every host finds it, and let go of the lease."""
        values = {
            "claim": spec.claim,
            "spec": json.dumps(asdict(spec), ensure_ascii=False),
            "outcome": json.dumps(asdict(end), ensure_ascii=False),
        }
        try:
            self._database.write(lambda connection: _leave(connection, values))
        except LedgerError as error:  # this host's scheduler still finds the file
            log.warning("the result stays on this host", claim=spec.claim, error=str(error))
        if self._lease is not None:
            self._leases.release(self._lease, is_last_use=True)


def lease_name(claim: str) -> str:
    return f"claim-{claim}"


def _settle(connection: Connection, claim: str) -> Life:
    """What became of another host's run; one that is silent may neither begin nor end any more."""
    outcome = connection.execute(
        text("SELECT outcome FROM job_ends WHERE claim = :claim"), {"claim": claim}
    ).scalar_one_or_none()
    if outcome:
        return Life.ENDED
    name = {"name": lease_name(claim)}
    held = connection.execute(
        text(f"SELECT {IS_HELD} FROM leases WHERE name = :name FOR UPDATE"),  # noqa: S608
        name,
    ).scalar_one_or_none()
    if held:
        return Life.ALIVE
    connection.execute(text("DELETE FROM leases WHERE name = :name"), name)
    _leave(connection, {"claim": claim, "spec": "{}", "outcome": WITHDRAWN})
    return Life.NEVER_BEGUN if held is None and outcome is None else Life.LOST


def _is_wanted(connection: Connection, spec: RunSpec) -> bool:
    """Whether the ledger still means this very run, in the transaction that takes its lease."""
    withdrawn = connection.execute(
        text("SELECT 1 FROM job_ends WHERE claim = :claim"), {"claim": spec.claim}
    ).first()
    row = connection.execute(
        text("SELECT 1 FROM occurrences WHERE job = :job AND claim = :claim AND state = 'running'"),
        {"job": spec.job, "claim": spec.claim},
    ).first()
    return withdrawn is None and row is not None


def _leave(connection: Connection, values: dict[str, str]) -> None:
    connection.execute(
        text(
            "INSERT INTO job_ends (claim, spec, outcome) VALUES (:claim, :spec, :outcome) "
            "ON CONFLICT (claim) DO NOTHING"
        ),
        values,
    )
