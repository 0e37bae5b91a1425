"""What the hosts of one shop share, and what each keeps for itself: database, leases, locks."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo

from viecomrec.paths import ProjectPaths
from viecomrec.settings import Settings, scheduler_zone_name

if TYPE_CHECKING:
    from viecomrec.adapters.leadership import Leadership
    from viecomrec.adapters.leases import Leases
    from viecomrec.adapters.locks import PipelineLock
    from viecomrec.adapters.postgres import PostgresDatabase
    from viecomrec.adapters.staged_files import StagedFiles
    from viecomrec.adapters.staging import StagingLog
    from viecomrec.adapters.worker_board import WorkerBoard


LOCK_TIMEOUT_SECONDS = 3600


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Hosts:
    """What the hosts of one shop share, and what each keeps for itself: database, leases, locks."""

    paths: ProjectPaths
    settings: Settings
    now: Callable[[], datetime] = utc_now
    is_patient: bool = False
    is_ticking: bool = False
    """Whether it asks the database again later rather than to wait for it."""

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone of every local timestamp: `TZ`, else the scheduler's file, else UTC."""
        return self.settings.zone(scheduler_zone_name(self.paths.scheduler_config_file))

    def patient(self) -> Self:
        """The same, going on with what is known while the shared store does not answer."""
        return replace(self, is_patient=True)

    @cached_property
    def postgres(self) -> "PostgresDatabase | None":
        """The database that `DATABASE_URL` names; None where runs and events are files."""
        url = self.settings.database_url
        if url is None or not url.get_secret_value():
            return None
        from viecomrec.adapters.postgres import PostgresDatabase

        patience = self.settings.database.patience_seconds
        # Whoever types a command with a wrong address hears of it at once; a run that the
        # scheduler started had the database a moment ago.
        first = patience if self.settings.nominal_utc else 0.0
        return PostgresDatabase(url.get_secret_value(), patience, first)

    @cached_property
    def leases(self) -> "Leases | None":
        """What this process holds among the hosts that share the database."""
        if self.postgres is None:
            return None
        import platform

        from viecomrec.adapters.leases import Leases

        host = self.settings.host_id or platform.node()
        return Leases(self.postgres, self.settings.database.lease_seconds, host)

    def require_leases(self) -> None:
        """Raise LeaseLostError if another host took over what this process does."""
        if self.leases is not None:
            self.leases.check()

    def require_database(self) -> None:
        """Raise LedgerError where the shared database refuses this host.

        One that is away may come back.
        """
        from viecomrec.errors import DatabaseAwayError

        with suppress(DatabaseAwayError):
            if self.postgres is not None:
                self.postgres.ping()

    def _run_database(self) -> "Path | PostgresDatabase":
        return self.paths.ledger_file if self.postgres is None else self.postgres

    def _describe_database(self) -> str:
        from viecomrec.errors import LedgerError

        if self.postgres is None:
            return "files of this machine"
        try:
            return f"{self.postgres.shown}, PostgreSQL {self.postgres.ping()}"
        except LedgerError as error:
            return str(error)

    def lock(self, pipeline: str) -> "PipelineLock":
        return self.lock_for(pipeline, LOCK_TIMEOUT_SECONDS)

    def lock_for(self, name: str, timeout: float) -> "PipelineLock":
        """The lock of a pipeline: the kernel's, and with a shared database a lease beside it."""
        if self.leases is not None:
            from viecomrec.adapters.leased_locks import LeasedPipelineLock

            return LeasedPipelineLock(name, timeout, folder=self.paths.locks, leases=self.leases)
        from viecomrec.adapters.locks import PipelineLock

        return PipelineLock(name, timeout, folder=self.paths.locks)

    def own_lock(self, name: str) -> "PipelineLock":
        """A lock of this machine alone, whatever other hosts do."""
        from viecomrec.adapters.locks import PipelineLock

        return PipelineLock(name, LOCK_TIMEOUT_SECONDS, folder=self.paths.locks)

    def leadership(self, name: str) -> "Leadership | None":
        """Who leads among the hosts that share the database; None where this one is alone."""
        if self.leases is None:
            return None
        from viecomrec.adapters.leadership import Leadership

        return Leadership(self.leases, name)

    def _is_running(self, pipeline: str) -> bool:
        """Whether a living process, here or on another host, holds the pipeline."""
        from viecomrec.adapters.holders import is_running

        if is_running(self.paths.locks, pipeline):
            return True
        return self.leases is not None and self.leases.is_held(pipeline)

    @cached_property
    def staging(self) -> "StagingLog":
        """Where events are taken in: the shared database, else files of this machine.

        Whoever posts an event is told at once that the database is away.
        """
        url = self.settings.database_url
        if url is None or not url.get_secret_value():
            from viecomrec.adapters.staging import StagingLog

            return StagingLog(self.paths.staging)
        from viecomrec.adapters.postgres import PostgresDatabase
        from viecomrec.adapters.shared_staging import SharedStaging

        return SharedStaging(self.paths.staging, PostgresDatabase(url.get_secret_value()))

    def _staged_files(self) -> "StagedFiles":
        if self.postgres is None or self.leases is None:
            from viecomrec.adapters.staged_files import StagedFiles

            return StagedFiles(self.paths.staging)
        from viecomrec.adapters.merged_events import MergedEvents
        from viecomrec.adapters.shared_staging import SharedStagedFiles

        merged = MergedEvents(self.paths.merged_events)
        return SharedStagedFiles(self.paths.staging, self.postgres, self.leases, merged)

    def worker_board(self, folder: "Path") -> "WorkerBoard":
        """Where the workers of a service agree: its folder, or the database with all replicas."""
        url = self.settings.database_url
        if url is None or not url.get_secret_value():
            from viecomrec.adapters.worker_board import WorkerBoard

            return WorkerBoard(folder)
        import platform

        from viecomrec.adapters.postgres import PostgresDatabase
        from viecomrec.adapters.replica_board import ReplicaBoard

        name = self.settings.replica_url or self.settings.host_id or platform.node()
        return ReplicaBoard(folder, PostgresDatabase(url.get_secret_value()), name)

    def _erase_shared(self, user: str, until: datetime | None) -> dict[str, int]:
        if self.postgres is None:
            return {}
        from viecomrec.adapters.postgres_erasing import erase_mentions, erase_staged

        return {
            "staged_events": erase_staged(self.postgres, user, until),
            "log_entries": erase_mentions(self.postgres, user),
        }
