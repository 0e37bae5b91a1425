"""What a job's supervisor and the scheduler tell each other: small files in one folder per run.

The files outlive both: whoever comes next reads what was asked, whether it began, and how it
ended. The supervisor needs neither the ledger nor the scheduler to do its work.
"""

import json
import shutil
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from viecomrec.adapters import atomic_files

TIMED_OUT = 124
NOT_STARTED = 127
STOPPED = 143


@dataclass(frozen=True)
class RunSpec:
    """What a supervisor is asked to do. Instants are ISO 8601 texts, paths absolute."""

    claim: str
    job: str
    nominal_utc: str
    nominal_day: str
    cause: str
    attempt: int
    retries: int
    started_at_utc: str
    command: list[str]
    folder: str
    environment: dict[str, str]
    log_file: str
    shown_log_file: str
    lock_file: str
    log_limit_bytes: int
    timeout_seconds: float
    grace_seconds: float


@dataclass(frozen=True)
class RunEnd:
    """How a run ended: 124 timed out, 127 never started, 143 stopped, negative by a signal.

    No exit code means that the supervisor was killed and nobody saw the end.
    """

    exit_code: int | None
    ended_at_utc: str
    error: str | None = None
    has_alerted: bool = False
    """Whether the job's own runner put the failure on record and sent the alert."""
    was_overlap: bool = False
    """Whether the job found its pipeline running already and did nothing."""

    @classmethod
    def at(cls, when: datetime, exit_code: int | None, error: str | None) -> Self:
        return cls(exit_code, when.isoformat(), error)


class RunFolder:
    """The folder of one run; each file appears at once and complete."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def ask(self, spec: RunSpec) -> None:
        atomic_files.write_json(self.path / "spec.json", asdict(spec))

    def spec(self) -> RunSpec | None:
        """What was asked; None if it was withdrawn or never written."""
        content = _read(self.path / "spec.json")
        return None if content is None else RunSpec(**content)

    def mark_begun(self, pid: int) -> None:
        atomic_files.write_json(self.path / "begun.json", {"pid": pid})

    @property
    def has_begun(self) -> bool:
        return (self.path / "begun.json").exists()

    def age_seconds(self) -> float:
        """How long ago the run was asked for; 0 if it is not asked for."""
        try:
            return time.time() - (self.path / "spec.json").stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def is_supervised(self) -> bool:
        """Whether the supervisor that began the run lives: by its id and its command line."""
        import psutil

        begun = _read(self.path / "begun.json")
        if begun is None:
            return False
        try:
            return str(self.path) in psutil.Process(begun["pid"]).cmdline()
        except psutil.Error:
            return False

    def record_end(self, end: RunEnd) -> None:
        atomic_files.write_json(self.path / "end.json", asdict(end))

    def end(self) -> RunEnd | None:
        content = _read(self.path / "end.json")
        return None if content is None else RunEnd(**content)

    def request_stop(self) -> None:
        (self.path / "stop").touch()

    @property
    def is_stop_requested(self) -> bool:
        return (self.path / "stop").exists()

    @property
    def supervisor_log(self) -> Path:
        return self.path / "supervisor.log"

    def discard(self) -> None:
        """Withdraw the spec first: a supervisor that starts late finds nothing to do."""
        (self.path / "spec.json").unlink(missing_ok=True)
        shutil.rmtree(self.path, ignore_errors=True)


def _read(file: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return content
