"""The doors as a person calls them: `python -m automation.NAME` in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viecomrec.errors import DoorError

LAST_LOG_LINES = 5


@dataclass(frozen=True)
class DoorOutcome:
    """The exit code and the one JSON object of a door."""

    exit_code: int
    result: dict[str, Any]
    log_file: Path

    @property
    def status(self) -> str:
        return str(self.result.get("status", ""))

    @property
    def message(self) -> str:
        return str(self.result.get("message", ""))


class DoorProcesses:
    """Runs doors on one project; what they log goes to a file per door."""

    def __init__(self, project_dir: Path, logs: Path) -> None:
        self._project_dir = project_dir
        self._logs = logs

    def run(
        self, door: str, arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> DoorOutcome:
        """Run `automation.<door>` to its end. DoorError if it does not print its JSON object."""
        self._logs.mkdir(parents=True, exist_ok=True)
        log_file = self._logs / f"{door}.log"
        with log_file.open("wb") as log:
            process = subprocess.run(  # noqa: S603 - our own modules, no shell
                [sys.executable, "-m", f"automation.{door}", *arguments],
                env={**door_environment(self._project_dir), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                check=False,
            )
        result = _json_object(process.stdout)
        if result is None:
            raise DoorError(
                f"automation.{door} ended with code {process.returncode} and without a result. "
                f"{log_tail(log_file)}"
            )
        return DoorOutcome(process.returncode, result, log_file)


def door_environment(project_dir: Path) -> dict[str, str]:
    """The environment of this process, pointed at one project."""
    return {**os.environ, "PROJECT_DIR": str(project_dir)}


def log_tail(log_file: Path) -> str:
    """The end of a log and where the rest is, as one message."""
    text = log_file.read_text(encoding="utf-8", errors="replace")
    lines = [line for line in text.splitlines() if line.strip()][-LAST_LOG_LINES:]
    return f"See {log_file}, which ends: " + " | ".join(lines)


def _json_object(output: bytes) -> dict[str, Any] | None:
    lines = output.decode("utf-8", errors="replace").strip().splitlines()
    try:
        content = json.loads(lines[-1])
    except (IndexError, ValueError):
        return None
    return content if isinstance(content, dict) else None
