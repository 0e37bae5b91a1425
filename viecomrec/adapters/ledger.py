"""The record of every pipeline run, kept in SQLite or PostgreSQL."""

import json
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, RowMapping, text

from viecomrec.adapters.database import RunDatabase, database_at
from viecomrec.adapters.kernel_lock import KernelLock, is_locked, kernel_lock_file
from viecomrec.adapters.leases import Lease, Leases
from viecomrec.adapters.locks import name_run
from viecomrec.domain.runs import RunRecord, RunState, new_run_id, summarise
from viecomrec.errors import LedgerError

log = structlog.get_logger()

KILLED = "The run was killed from outside: its process is gone and left no result."


@dataclass(frozen=True)
class _Running:
    """What a run needs to be written again, should the file be deleted while it works."""

    pipeline: str
    config: dict[str, Any]
    at: datetime
    lock: KernelLock
    lease: Lease | None


class Ledger:
    """`logs/pipeline_metrics.db`: the guide's PipelineTracker.

    Each run holds a kernel lock of its own from start to end, so that a run killed from outside
    is recognised by its free lock. Times under the guide's names are local without offset; UTC
    lies in a table beside them. Deleting the file while it is in use loses the history only:
    it is made again at the next use, and a run that ends afterwards writes its whole row.
    """

    def __init__(
        self,
        database: Path | RunDatabase,
        locks: Path,
        now: Callable[[], datetime],
        zone: tzinfo | None = None,
        leases: Leases | None = None,
    ) -> None:
        self._database = database_at(database)
        self._locks = locks
        self._now = now
        self._zone = zone
        """The zone of the guide's times; None is the one of this machine."""
        self._leases = leases
        """Where several hosts share the database: how the life of a run is seen from another."""
        self._host = leases.host if leases else socket.gethostname()
        self._running: dict[str, _Running] = {}

    def start_run(self, pipeline_name: str, config: Mapping[str, Any] | None = None) -> str:
        """Record a running run and return its id, unique also within one second."""
        at = self._now()
        run_id = new_run_id(pipeline_name, at.astimezone(self._zone), secrets.token_hex(4))
        lock = KernelLock(_run_lock_file(self._locks, run_id))
        if not lock.acquire():
            raise LedgerError(f"The lock of the new run {run_id} is held: {self._locks} is shared")
        running = _Running(pipeline_name, dict(config or {}), at, lock, None)
        try:
            if self._leases is not None:
                running = replace(running, lease=self._leases.acquire(_run_lock_name(run_id)))
            self._database.write(lambda connection: self._insert_run(connection, run_id, running))
        except BaseException:
            lock.discard()
            raise
        self._running[run_id] = running
        name_run(self._locks, pipeline_name, run_id)
        return run_id

    def complete_run(self, run_id: str, result: Mapping[str, Any] | None = None) -> None:
        """Record that the run did its work; raises LedgerError for an unknown id.

        LeaseLostError where another host took over in the meantime: then it did not.
        """
        self._end_run(run_id, RunState.COMPLETED, result=dict(result or {}))

    def fail_run(self, run_id: str, error_message: str) -> None:
        """Record that the run failed; raises LedgerError for an unknown id."""
        self._end_run(run_id, RunState.FAILED, error=error_message)

    def get_stats(self, days: int = 7) -> dict[str, Any]:
        """Counts and success rates by pipeline over the last `days`, health checks left out."""
        since = self._now() - timedelta(days=days)
        with self._database.transaction() as connection:
            rows = connection.execute(
                text(
                    "SELECT pipeline_name, status, count(*) "
                    "FROM pipeline_runs LEFT JOIN run_details USING (run_id) "
                    "WHERE coalesce(started_at_utc >= :since_utc, start_time >= :since_local) "
                    "GROUP BY pipeline_name, status"
                ),
                {"since_utc": _utc(since), "since_local": self._local(since)},
            ).all()
        return summarise(days, [(row[0], row[1], row[2]) for row in rows])

    def recent_runs(self, pipeline_name: str | None = None, limit: int = 50) -> list[RunRecord]:
        """The latest runs, newest first, of one pipeline or of all."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                text(
                    "SELECT pipeline_runs.*, started_at_utc, ended_at_utc "
                    "FROM pipeline_runs LEFT JOIN run_details USING (run_id) "
                    "WHERE CAST(:name AS TEXT) IS NULL OR pipeline_name = :name "
                    "ORDER BY coalesce(started_at_utc, CAST(start_time AS TEXT)) DESC, "
                    "run_id DESC LIMIT :limit"
                ),
                {"name": pipeline_name, "limit": limit},
            ).mappings()
            return [record for row in rows if (record := _record(row)) is not None]

    def find_run(self, run_id: str) -> RunRecord | None:
        with self._database.transaction() as connection:
            row = (
                connection.execute(
                    text(
                        "SELECT pipeline_runs.*, started_at_utc, ended_at_utc "
                        "FROM pipeline_runs LEFT JOIN run_details USING (run_id) "
                        "WHERE run_id = :run_id"
                    ),
                    {"run_id": run_id},
                )
                .mappings()
                .one_or_none()
            )
        return None if row is None else _record(row)

    def last_completed_at(self, pipeline_name: str) -> datetime | None:
        """When a run of the pipeline last ended well (aware); None if none did."""
        with self._database.transaction() as connection:
            ended: str | None = connection.execute(
                text(
                    "SELECT max(ended_at_utc) FROM pipeline_runs JOIN run_details USING (run_id) "
                    "WHERE pipeline_name = :name AND status = 'completed'"
                ),
                {"name": pipeline_name},
            ).scalar_one()
        return None if ended is None else datetime.fromisoformat(ended)

    def newest_at(self) -> datetime | None:
        """The latest instant (aware) on record; None before the first run."""
        with self._database.transaction() as connection:
            newest: str | None = connection.execute(
                text(
                    "SELECT max(at) FROM (SELECT started_at_utc AS at FROM run_details "
                    "UNION ALL SELECT ended_at_utc FROM run_details) AS instants"
                )
            ).scalar_one()
        return None if newest is None else datetime.fromisoformat(newest)

    def close_dead_runs(self) -> list[str]:
        """Record as failed every running run whose process is gone; return their ids.

        A run is dead when nobody holds its kernel lock, whatever its age.
        """
        with self._database.transaction() as connection:
            rows = connection.execute(
                text(
                    "SELECT run_id, pid, host, started_at_utc FROM pipeline_runs "
                    "LEFT JOIN run_details USING (run_id) WHERE status = 'running'"
                )
            ).all()
            dead = [row[0] for row in rows if not self._is_alive(*row)]
            for run_id in dead:
                self._update_run(connection, run_id, RunState.FAILED, None, KILLED)
        for run_id in dead:
            _run_lock_file(self._locks, run_id).unlink(missing_ok=True)
            log.warning("closed a dead run", run_id=run_id)
        return dead

    def _end_run(
        self,
        run_id: str,
        state: RunState,
        result: dict[str, Any] | None = None,
        error: str | None = None,
    ) -> None:
        running = self._running.get(run_id)

        def end(connection: Connection) -> None:
            if self._leases is not None and state is RunState.COMPLETED:
                self._leases.check(connection)
            if not self._update_run(connection, run_id, state, result, error):
                if running is None:
                    raise LedgerError(f"The run {run_id} is not in the ledger.")
                self._insert_run(connection, run_id, running)
                self._update_run(connection, run_id, state, result, error)

        self._database.write(end)
        if running is not None:
            running.lock.discard()
            if self._leases is not None and running.lease is not None:
                self._leases.release(running.lease, is_last_use=True)

    def _is_alive(
        self, run_id: str, pid: int | None, host: str | None, started_at_utc: str | None
    ) -> bool:
        if run_id in self._running:
            return self._running[run_id].lock.is_held
        if _run_lock_file(self._locks, run_id).exists():
            return is_locked(self._locks, _run_lock_name(run_id))
        if self._leases is not None and host != self._host:
            return self._leases.is_held(_run_lock_name(run_id))
        # Somebody deleted the lock file: what is left to ask is the process itself.
        if pid is None or started_at_utc is None or host != self._host:
            return False
        return _process_existed(pid, datetime.fromisoformat(started_at_utc))

    def _insert_run(self, connection: Connection, run_id: str, running: _Running) -> None:
        connection.execute(
            text(
                "INSERT INTO pipeline_runs (run_id, pipeline_name, start_time, status, config) "
                "VALUES (:run_id, :name, :start, 'running', :config) ON CONFLICT DO NOTHING"
            ),
            {
                "run_id": run_id,
                "name": running.pipeline,
                "start": self._local(running.at),
                "config": _json(running.config),
            },
        )
        connection.execute(
            text(
                "INSERT INTO run_details (run_id, started_at_utc, host, pid) "
                "VALUES (:run_id, :at, :host, :pid) ON CONFLICT DO NOTHING"
            ),
            {
                "run_id": run_id,
                "at": _utc(running.at),
                "host": self._host,
                "pid": os.getpid(),
            },
        )

    def _update_run(
        self,
        connection: Connection,
        run_id: str,
        state: RunState,
        result: dict[str, Any] | None,
        error: str | None,
    ) -> bool:
        at = self._now()
        changed = connection.execute(
            text(
                "UPDATE pipeline_runs SET end_time = :end, status = :state, "
                "result = coalesce(:result, result), error_message = :error WHERE run_id = :run_id"
            ),
            {
                "end": self._local(at),
                "state": state.value,
                "result": None if result is None else _json(result),
                "error": error,
                "run_id": run_id,
            },
        )
        connection.execute(
            text("UPDATE run_details SET ended_at_utc = :at WHERE run_id = :run_id"),
            {"at": _utc(at), "run_id": run_id},
        )
        return changed.rowcount == 1

    def _local(self, at: datetime) -> str:
        return at.astimezone(self._zone).replace(tzinfo=None).isoformat(timespec="seconds")


def _record(row: RowMapping) -> RunRecord | None:
    """The row, or None with a warning for one that another tool made unreadable."""
    content = dict(row)
    try:
        for key in ("start_time", "end_time"):
            # PostgreSQL has a type of its own for what SQLite keeps as the text it was given.
            if isinstance(content[key], datetime):
                content[key] = content[key].isoformat(timespec="seconds")
        for key in ("config", "result"):
            content[key] = json.loads(content[key]) if content[key] else None
        return RunRecord.model_validate(content)
    except ValueError as error:
        log.warning("a run cannot be read and is left out", run_id=row["run_id"], error=str(error))
        return None


def _run_lock_name(run_id: str) -> str:
    return f"run-{run_id}"


def _run_lock_file(folder: Path, run_id: str) -> Path:
    return kernel_lock_file(folder, _run_lock_name(run_id))


def _process_existed(pid: int, at: datetime) -> bool:
    """Whether the process that has this id now is the one that had it at the instant."""
    import psutil

    try:
        return bool(psutil.Process(pid).create_time() <= at.timestamp())
    except psutil.NoSuchProcess:
        return False


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
