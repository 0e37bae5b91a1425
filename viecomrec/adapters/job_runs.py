"""The runs of jobs on this machine: started under a supervisor, found again after any crash."""

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from pathlib import Path

from viecomrec.adapters.detached import start_module
from viecomrec.adapters.kernel_lock import KernelLock, is_locked, kernel_lock_file
from viecomrec.adapters.run_folder import RunEnd, RunFolder, RunSpec

TIME_TO_BEGIN_SECONDS = 10.0


class Life(StrEnum):
    """What can be said of a run that the ledger calls running."""

    ENDED = "ended"
    ALIVE = "alive"
    NEVER_BEGUN = "never begun"
    LOST = "lost"


class JobRuns:
    """`logs/scheduler/.runs/<claim>/`, one folder for each run until its result is recorded."""

    supervisor = "viecomrec.adapters.job_supervisor"

    def __init__(self, root: Path, locks: Path) -> None:
        self._root = root
        self._locks = locks
        self._supervisors: dict[str, subprocess.Popen[bytes]] = {}

    def folder(self, claim: str) -> RunFolder:
        return RunFolder(self._root / claim)

    def lock_file(self, job: str) -> Path:
        return kernel_lock_file(self._locks, _lock_name(job))

    def start(self, spec: RunSpec) -> None:
        """Start the supervisor of a run and return at once; OSError if that is impossible."""
        folder = self.folder(spec.claim)
        folder.ask(spec)
        arguments = [self.supervisor, str(folder.path)]
        self._supervisors[spec.claim] = start_module(
            arguments, Path(spec.folder), folder.supervisor_log
        )

    def ended(self) -> Iterator[tuple[RunSpec, RunEnd]]:
        """The runs whose result waits to be recorded."""
        for claim in self.claims():
            folder = self.folder(claim)
            end, spec = folder.end(), folder.spec()
            if end is not None and spec is not None:
                yield spec, end

    def settle(self, job: str, claim: str) -> Life:
        """Find out what became of a run, under the job's lock so that nothing changes meanwhile.

        A run that never began is withdrawn: its supervisor, should it come late, finds nothing.
        """
        if self._is_supervised(claim):
            return Life.ALIVE
        lock = KernelLock(self.lock_file(job))
        if not lock.acquire():
            return Life.ALIVE
        try:
            folder = self.folder(claim)
            if folder.end() is not None:
                return Life.ENDED
            if folder.has_begun:
                # With the lock free it can only live if somebody deleted the lock's file.
                return Life.ALIVE if folder.is_supervised() else Life.LOST
            folder.discard()
            return Life.NEVER_BEGUN
        finally:
            lock.release()

    def alive(self) -> list[str]:
        """The claims of the runs that work or just begin, or whose result is not recorded yet."""
        specs = [self.folder(claim).spec() for claim in self.claims()]
        return [spec.claim for spec in specs if spec and self._goes_on(spec.job, spec.claim)]

    def _goes_on(self, job: str, claim: str) -> bool:
        folder = self.folder(claim)
        if self._is_supervised(claim) or is_locked(self._locks, _lock_name(job)):
            return True
        # After the lock: a supervisor leaves its result first and lets the lock go then.
        if folder.end() is not None:
            return True
        return not folder.has_begun and folder.age_seconds() < TIME_TO_BEGIN_SECONDS

    def _is_supervised(self, claim: str) -> bool:
        supervisor = self._supervisors.get(claim)
        return supervisor is not None and supervisor.poll() is None

    @property
    def is_watching(self) -> bool:
        """Whether runs may end any time that somebody has to look after."""
        return bool(self.claims())

    def hold(self, claim: str) -> AbstractContextManager[None]:  # noqa: ARG002 - alone there is nobody to tell
        """Let other hosts see that a run which is no job of a scheduler lives in this process."""
        return nullcontext()

    def lives_elsewhere(self, claim: str) -> bool:  # noqa: ARG002 - alone there is no elsewhere
        """Whether another host runs it."""
        return False

    def request_stop(self, claim: str) -> None:
        folder = self.folder(claim)
        if folder.path.is_dir():
            folder.request_stop()

    def discard(self, claim: str) -> None:
        """Forget a run whose result is recorded, or that is withdrawn."""
        self.folder(claim).discard()
        self._supervisors.pop(claim, None)

    def claims(self) -> list[str]:
        """The claims of all runs that are not recorded yet."""
        return sorted(path.name for path in self._root.iterdir()) if self._root.is_dir() else []

    def last_words(self, claim: str) -> str:
        """What a supervisor said that died without a result; usually nothing."""
        try:
            text = self.folder(claim).supervisor_log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        lines = [line for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else ""


def _lock_name(job: str) -> str:
    return f"job-{job}"
