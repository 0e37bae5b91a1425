"""Where the worker processes of one service tell each other what is live."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import psutil

from viecomrec.adapters import atomic_files

_LIVE = "live.json"


class WorkerBoard:
    """A folder of one running service: the model that should be live, and a file per worker."""

    replica: str | None = None
    """The name of this service where there are several behind one database."""

    def __init__(self, folder: Path) -> None:
        self.pid = os.getpid()
        self._started_at = psutil.Process().create_time()
        self._folder = folder
        self._own = folder / f"worker-{self.pid}.json"

    def announce(self, model_id: str) -> None:
        """Say which model all workers should load."""
        atomic_files.write_json(self._folder / _LIVE, {"model_id": model_id})

    def announced(self) -> str | None:
        content = _read(self._folder / _LIVE)
        return None if content is None else str(content["model_id"])

    def report(self, state: dict[str, Any]) -> None:
        """Tell the others what this worker is doing; `state` holds its pid."""
        self._folder.mkdir(parents=True, exist_ok=True)
        # Not worth an fsync: after a crash of the machine nobody is left to read it.
        temporary = self._own.with_suffix(".tmp")
        content = {**state, "started_at": self._started_at}
        temporary.write_text(json.dumps(content), encoding="utf-8")
        temporary.replace(self._own)

    def others(self) -> list[dict[str, Any]]:
        """What each other living worker said last, ordered by process id."""
        files = [file for file in self._folder.glob("worker-*.json") if file != self._own]
        states = [state for file in files if (state := _read(file)) is not None]
        alive = [state for state in states if _is_alive(state)]
        return sorted(alive, key=lambda state: int(state["pid"]))

    def leave(self) -> None:
        self._own.unlink(missing_ok=True)


def sweep(boards: Path) -> None:
    """Remove the boards of services none of whose workers is alive."""
    for folder in boards.glob("*/"):
        states = [_read(file) for file in folder.glob("worker-*.json")]
        if not any(state is not None and _is_alive(state) for state in states):
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(state: dict[str, Any]) -> bool:
    """Whether the very process that wrote this runs; process ids are used again."""
    try:
        started_at = psutil.Process(int(state["pid"])).create_time()
    except (psutil.Error, ValueError):
        return False
    return bool(abs(started_at - float(state["started_at"])) < 1)


def _read(file: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
