"""One run of a pipeline at a time, with a file that tells people who runs."""

import os
import random
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from viecomrec.adapters import atomic_files
from viecomrec.adapters.kernel_lock import KernelLock, kernel_lock_file

log = structlog.get_logger()

PROBE_PATIENCE_SECONDS = 2.0


def utc_now() -> datetime:
    return datetime.now(UTC)


class Holder(BaseModel):
    """What the visible file says of the process that holds a lock."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    pid: int
    host: str
    run: str | None = None
    since: AwareDatetime


def visible_lock_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.lock"


def read_holder(folder: Path, name: str) -> Holder | None:
    """What the visible file says; None where it is missing or was edited into nonsense."""
    try:
        text = visible_lock_file(folder, name).read_text(encoding="utf-8")
        return Holder.model_validate_json(text)
    except (OSError, UnicodeDecodeError, ValidationError):
        return None


def name_run(folder: Path, name: str, run_id: str) -> None:
    """Write the run into the visible file, if this process is the holder that it names."""
    holder = read_holder(folder, name)
    if holder is not None and (holder.pid, holder.host) == (os.getpid(), socket.gethostname()):
        _write_holder(folder, name, holder.model_copy(update={"run": run_id}))


class PipelineLock:
    """One run of a pipeline at a time: `with PipelineLock(...) as lock: if lock.acquired: ...`.

    Acquires at once or says no. `timeout` is the age in seconds after which a living holder is
    reported as stuck; it is never robbed. A dead holder's lock is free, whatever its file says.
    """

    def __init__(
        self,
        name: str,
        timeout: float = 3600,
        *,
        folder: Path,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._name = name
        self._timeout = timeout
        self._folder = folder
        self._now = now
        self.is_stuck = False
        """Whether `acquire` found a living holder that is older than `timeout`."""
        self._kernel_lock = KernelLock(kernel_lock_file(folder, name))

    @property
    def acquired(self) -> bool:
        return self._kernel_lock.is_held

    @property
    def descriptor(self) -> int | None:
        """For `pass_fds` of a child process that belongs to the run."""
        return self._kernel_lock.descriptor

    @property
    def holder(self) -> Holder | None:
        """Who holds the lock, as far as the visible file tells."""
        return read_holder(self._folder, self._name)

    def acquire(self) -> bool:
        """Take the lock, or say no at once to a living holder.

        Who only asks whether a lock is held takes it for an instant, without a visible file:
        that is waited for.
        """
        self.is_stuck = False
        deadline = time.monotonic() + PROBE_PATIENCE_SECONDS
        while not self._kernel_lock.acquire():
            if self._has_living_holder() or time.monotonic() > deadline:
                self._report_stuck_holder()
                return False
            time.sleep(random.uniform(0.001, 0.01))  # noqa: S311 - not for secrets
        self.show()
        return True

    def show(self) -> None:
        """Write the visible file of a lock that this process holds."""
        holder = Holder(pid=os.getpid(), host=socket.gethostname(), since=self._now())
        _write_holder(self._folder, self._name, holder)

    def renew(self) -> bool:
        """Hold on although somebody deleted every file of the lock; False if that is too late."""
        if not self._kernel_lock.renew():
            return False
        if read_holder(self._folder, self._name) is None:
            self.show()
        return True

    def release(self) -> None:
        if not self.acquired:
            return
        holder = read_holder(self._folder, self._name)
        if holder is not None and holder.pid == os.getpid():
            visible_lock_file(self._folder, self._name).unlink(missing_ok=True)
        self._kernel_lock.release()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _has_living_holder(self) -> bool:
        import psutil

        holder = read_holder(self._folder, self._name)
        if holder is None:
            return False
        return holder.host != socket.gethostname() or bool(psutil.pid_exists(holder.pid))

    def _report_stuck_holder(self) -> None:
        holder = read_holder(self._folder, self._name)
        if holder is None or (self._now() - holder.since).total_seconds() <= self._timeout:
            return
        self.is_stuck = True
        log.warning(
            "a run holds its lock for longer than its timeout; it is alive and keeps it",
            pipeline=self._name,
            timeout_seconds=self._timeout,
            **holder.model_dump(mode="json"),
        )


def _write_holder(folder: Path, name: str, holder: Holder) -> None:
    atomic_files.write_json(visible_lock_file(folder, name), holder.model_dump(mode="json"))
