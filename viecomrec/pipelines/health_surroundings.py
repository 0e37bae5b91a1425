"""Ask the machine and the records what the installation stands on."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from viecomrec.adapters.deployment_journal import DeploymentJournal
from viecomrec.adapters.holders import is_alive
from viecomrec.adapters.leases import Leases
from viecomrec.adapters.ledger import Ledger
from viecomrec.adapters.locks import read_holder
from viecomrec.adapters.shared_artifacts import Artifacts
from viecomrec.adapters.staging import StagingLog
from viecomrec.domain import health_surroundings as rules
from viecomrec.domain.health import Check
from viecomrec.errors import ArtifactStoreError, LedgerError

SCHEDULER = "scheduler"


@dataclass(frozen=True)
class Surroundings:
    """Where to look beside the data and the models."""

    root: Path
    locks: Path
    task_status_file: Path
    staging: StagingLog
    journal: DeploymentJournal
    ledger: Ledger
    artifacts: Artifacts
    leases: Leases | None
    """What hosts that share a database hold; None where this one is alone."""

    now: Callable[[], datetime]

    def check_disk(self) -> Check:
        usage = shutil.disk_usage(self.root)
        return rules.check_disk(usage.free, usage.total)

    def check_database(self) -> list[Check]:
        """Whether the database that several hosts share answers; nothing where there is none."""
        if self.leases is None:
            return []
        database = self.leases.database
        try:
            return [rules.check_database(database.shown, database.ping(), None)]
        except LedgerError as error:
            return [rules.check_database(database.shown, None, str(error))]

    def check_artifact_store(self) -> list[Check]:
        """Whether the store that several hosts share answers; nothing where there is none."""
        if self.artifacts.url is None:
            return []
        try:
            self.artifacts.check()
        except ArtifactStoreError as error:
            return [rules.check_artifact_store(self.artifacts.url, str(error))]
        return [rules.check_artifact_store(self.artifacts.url, None)]

    def check_clock(self) -> Check:
        newest_at = self.ledger.newest_at()
        return rules.check_clock(self.now(), newest_at, self._server_at())

    def _server_at(self) -> datetime | None:
        """The time by the clock of the database server; None without one that answers."""
        try:
            return None if self.leases is None else self.leases.database.clock()
        except LedgerError:
            return None

    def check_scheduler(self) -> Check:
        if self.leases is not None and self.leases.is_held(SCHEDULER):
            return rules.check_scheduler(was_started=True, is_alive=True)
        holder = read_holder(self.locks, SCHEDULER)
        return rules.check_scheduler(
            was_started=holder is not None or self.task_status_file.exists(),
            is_alive=None if holder is None else is_alive(holder) is not False,
        )

    def check_backlog(self) -> Check:
        n_pending = len(self.staging.pending())
        last = self.ledger.last_completed_at("data_refresh") if n_pending else None
        return rules.check_backlog(n_pending, last, self.now())

    def check_pending_deployment(self) -> Check:
        return rules.check_pending_deployment(self.journal.read(), self.now())
