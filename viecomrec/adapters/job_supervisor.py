"""The process beside each job: `python -m viecomrec.adapters.job_supervisor FOLDER`.

It outlives the scheduler. It holds the job's lock, keeps the log within its limit, ends the
whole process tree on timeout or request, and leaves the result as a file. It imports little,
since it waits for hours beside a job that needs the memory.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Protocol

from viecomrec.adapters.kernel_lock import KernelLock
from viecomrec.adapters.process_tree import (
    CREATION_FLAGS,
    JOB_TOKEN,
    NEW_SESSION,
    adopt_orphans,
    end_tree,
)
from viecomrec.adapters.run_folder import (
    NOT_STARTED,
    STOPPED,
    TIMED_OUT,
    RunEnd,
    RunFolder,
    RunSpec,
)

LOCK_WAIT_SECONDS = 10.0
STOP_POLL_SECONDS = 0.5
TAIL_BYTES = 8192
MAX_ERROR_CHARACTERS = 500
ALREADY_RUNNING = {"status": "skipped", "message": "Already running"}
"""The guide's answer of a door whose pipeline runs already, to the letter."""

DISK_FULL_RETRIES = 120
DISK_FULL_WAIT_SECONDS = 5.0


class CappedLog:
    """Copies a job's output into its log, at most `limit` bytes and then only the end."""

    def __init__(self, file: Path, limit: int) -> None:
        self._file = file
        self._left = limit
        self._limit = limit
        self._dropped = 0
        self.tail = bytearray()

    def copy(self, source: IO[bytes]) -> None:
        """Read `source` to its end. A log that cannot be written never blocks the job."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("ab", buffering=0) as log:
            while chunk := os.read(source.fileno(), 65_536):
                self.tail = (self.tail + chunk)[-TAIL_BYTES:]
                self._write(log, chunk)
            if self._dropped:
                end = bytes(self.tail)[-self._dropped :]
                _write_or_drop(log, self._marker() + end + b"\n")

    def _write(self, log: IO[bytes], chunk: bytes) -> None:
        kept = chunk[: self._left]
        self._left -= len(kept)
        self._dropped += len(chunk) - len(kept)
        if kept:
            _write_or_drop(log, kept)

    def _marker(self) -> bytes:
        return (
            f"\n[log cut: the limit of {self._limit} bytes was reached and {self._dropped} bytes "
            "were dropped; their end follows]\n"
        ).encode()


def _write_or_drop(log: IO[bytes], chunk: bytes) -> None:
    try:
        log.write(chunk)
    except OSError:  # a full disk: the job's work matters more than its log
        return


class Keeper(Protocol):
    """What a supervisor tells the other hosts of its run; alone it tells nobody."""

    def begin(self, spec: RunSpec) -> bool: ...

    @property
    def must_stop(self) -> bool: ...

    def end(self, spec: RunSpec, end: RunEnd) -> None: ...


class Alone:
    """The embedded default: the files of this machine say all."""

    must_stop = False

    def begin(self, spec: RunSpec) -> bool:  # noqa: ARG002 - nobody else could have it
        return True

    def end(self, spec: RunSpec, end: RunEnd) -> None:
        """The scheduler reads the file."""


class Supervision:
    """One job from its start to the end of its last process."""

    def __init__(
        self, spec: RunSpec, folder: RunFolder, lock: KernelLock, keeper: Keeper | None = None
    ) -> None:
        self._keeper = keeper or Alone()
        self._spec = spec
        self._folder = folder
        self._lock = lock
        self._log = CappedLog(Path(spec.log_file), spec.log_limit_bytes)
        self._told_to_stop = threading.Event()

    def run(self) -> RunEnd:
        signal.signal(signal.SIGTERM, lambda *_: self._told_to_stop.set())
        adopt_orphans()
        try:
            process = self._start()
        except OSError as error:
            return self._end(NOT_STARTED, f"the job could not be started: {error}")
        copier = threading.Thread(target=self._log.copy, args=(process.stdout,), daemon=True)
        copier.start()
        verdict = self._watch(process)
        end_tree(self._spec.claim, self._spec.grace_seconds if verdict else 0.0)
        code = process.wait()
        copier.join(timeout=10)
        if verdict is not None:
            return self._end(*verdict)
        return self._describe(code)

    def _start(self) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, **self._spec.environment, JOB_TOKEN: self._spec.claim}
        # On POSIX the lock stays held while any process of the job lives, also without this one.
        descriptor = self._lock.descriptor if os.name != "nt" else None
        return subprocess.Popen(  # noqa: S603 - the command is the checked configuration's
            self._spec.command,
            cwd=self._spec.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=() if descriptor is None else (descriptor,),
            start_new_session=NEW_SESSION,
            creationflags=CREATION_FLAGS,
        )

    def _watch(self, process: "subprocess.Popen[bytes]") -> tuple[int, str] | None:
        """Wait for the job; what cut it short, or None when it ended by itself."""
        ended = threading.Event()

        def wait() -> None:
            process.wait()
            ended.set()

        threading.Thread(target=wait, daemon=True).start()
        deadline = time.monotonic() + self._spec.timeout_seconds
        while not ended.wait(min(STOP_POLL_SECONDS, max(0.01, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                seconds = f"{self._spec.timeout_seconds:g}"
                return TIMED_OUT, f"timed out after {seconds} s; its whole process tree was ended"
            if self._is_told_to_stop:
                return STOPPED, "stopped on request before it was done"
        return None

    @property
    def _is_told_to_stop(self) -> bool:
        is_told = self._told_to_stop.is_set() or self._folder.is_stop_requested
        return is_told or self._keeper.must_stop

    def _describe(self, code: int) -> RunEnd:
        output = bytes(self._log.tail).decode("utf-8", "replace")
        if code == 0:
            end = self._end(0, None)
            return replace(end, was_overlap=ALREADY_RUNNING.items() <= last_result(output).items())
        error, has_alerted = last_error(output)
        if code < 0:
            error = f"killed by {_signal_name(-code)}" + (
                f"; last output: {error}" if error else ""
            )
        end = self._end(code, error or f"ended with exit code {code} without a word")
        return replace(end, has_alerted=has_alerted and code > 0)

    def _end(self, code: int, error: str | None) -> RunEnd:
        return RunEnd.at(datetime.now(UTC), code, error)


def last_result(output: str) -> dict[str, object]:
    """The last JSON object that stands in a line of its own: a door's result; empty if none."""
    for line in reversed(output.splitlines()):
        try:
            result = json.loads(line)
        except ValueError:
            continue
        if isinstance(result, dict):
            return result
    return {}


def last_error(output: str) -> tuple[str, bool]:
    """The job's last words, and whether its own runner has recorded and alerted the failure.

    A door's result is a JSON line; its message counts. Otherwise it is the last line with text.
    """
    if result := last_result(output):
        status = result.get("status") or result.get("overall_status")
        message = str(result.get("message") or f"it says {status}{_worst_parts(result)}")
        # The runner alerts what it records as failed; a critical health is not a failed run.
        return message[:MAX_ERROR_CHARACTERS], status == "failed" and "run_id" in result
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return (lines[-1][:MAX_ERROR_CHARACTERS] if lines else ""), False


def _worst_parts(result: dict[str, object]) -> str:
    """Which components of a health report are not healthy."""
    components = result.get("components")
    if not isinstance(components, dict):
        return ""
    parts = [
        f"{name} {one.get('status')}"
        for name, one in components.items()
        if isinstance(one, dict) and one.get("status") != "healthy"
    ]
    return f": {', '.join(parts)}" if parts else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _acquire(lock: KernelLock) -> bool:
    """Take the job's lock; the scheduler may hold it for an instant while it looks."""
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    while not lock.acquire():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _record_end(folder: RunFolder, end: RunEnd) -> None:
    """Leave the result; on a full disk keep trying, since a lost result is a lost run."""
    for _ in range(DISK_FULL_RETRIES):
        try:
            folder.record_end(end)
        except OSError as error:
            print(f"the result cannot be written: {error}", file=sys.stderr, flush=True)  # noqa: T201
            time.sleep(DISK_FULL_WAIT_SECONDS)
        else:
            return


def main(argv: Sequence[str] | None = None, keeper: Keeper | None = None) -> int:
    """Supervise the run of one folder and return the job's exit code."""
    keeper = keeper or Alone()
    folder = RunFolder(Path((sys.argv[1:] if argv is None else argv)[0]))
    spec = folder.spec()
    if spec is None:
        return 0  # withdrawn before this process had started
    lock = KernelLock(Path(spec.lock_file))
    if not _acquire(lock):
        error = "another run of this job holds its lock"
        _record_end(folder, RunEnd.at(datetime.now(UTC), NOT_STARTED, error))
        return NOT_STARTED
    if folder.spec() is None:
        return 0
    if not keeper.begin(spec):
        folder.discard()  # another host took the run over before it had begun here
        return 0
    folder.mark_begun(os.getpid())
    end = Supervision(spec, folder, lock, keeper).run()
    _record_end(folder, end)
    keeper.end(spec, end)
    lock.release()
    return (end.exit_code or 0) & 0xFF


if __name__ == "__main__":
    sys.exit(main())
