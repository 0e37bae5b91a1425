"""The scheduler's files for people: its configuration, and the last result of each task."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from filelock import FileLock

from viecomrec.adapters import atomic_files
from viecomrec.domain.occurrences import OccurrenceRecord
from viecomrec.domain.scheduler_config import SchedulerConfig, parse_config
from viecomrec.errors import ConfigurationError

DEFAULTS = Path(__file__).resolve().parent.parent / "defaults" / "scheduler_config.json"


class ConfigFile:
    """`config/scheduler_config.json`; an installation without one has the shipped defaults."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def exists(self) -> bool:
        return self._file.is_file()

    def read(self) -> SchedulerConfig:
        """The checked configuration; ConfigurationError names file, job, key and value."""
        return parse_config(self._content(), self._file.name)

    def read_existing(self) -> SchedulerConfig:
        """Like `read`, but a file that has disappeared is an error and not the defaults."""
        if not self.exists:
            raise ConfigurationError(f"{self._file.name} has disappeared.")
        return self.read()

    def content_hash(self) -> str | None:
        """Changes exactly when the content changes; None while there is no file."""
        try:
            return hashlib.sha256(self._file.read_bytes()).hexdigest()
        except FileNotFoundError:
            return None

    def edit_job(self, name: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Replace the entry of one job; a change that is not allowed leaves the file as it is."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._file.with_name(".scheduler_config.lock"), timeout=30):
            content = self._content()
            parse_config(content, self._file.name).job(name)
            content["jobs"][name] = change(content["jobs"][name])
            parse_config(content, self._file.name)
            atomic_files.write_json(self._file, content)

    def _content(self) -> Any:
        file = self._file if self.exists else DEFAULTS
        try:
            return json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=_without_twins)
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"{file} is not UTF-8 text: {error}") from error
        except json.JSONDecodeError as error:
            raise ConfigurationError(
                f"{file} is not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}."
            ) from error
        except OSError as error:
            raise ConfigurationError(f"{file} cannot be read: {error}") from error


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        names = [name for name, _ in pairs]
        twin = next(name for name in names if names.count(name) > 1)
        raise ConfigurationError(f"scheduler_config.json: the key {twin!r} stands there twice.")
    return content


class TaskStatusFile:
    """`logs/scheduler/task_status.json`: the guide's view of the ledger, made again if deleted."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def exists(self) -> bool:
        return self._file.is_file()

    def write(self, latest: Iterable[OccurrenceRecord], zone: ZoneInfo) -> None:
        """Replace the file by the last result of each task."""
        atomic_files.write_json(self._file, {row.job: _status(row, zone) for row in latest})

    def read(self) -> Mapping[str, Any]:
        """The statuses by task; empty where the file is missing or damaged."""
        try:
            content: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content


def _status(row: OccurrenceRecord, zone: ZoneInfo) -> dict[str, Any]:
    ended = row.ended_at_utc or row.decided_at_utc
    status: dict[str, Any] = {
        "status": "success" if row.has_succeeded else "failed",
        "timestamp": local_text(ended, zone),
        "exit_code": row.exit_code,
    }
    if row.log_file is not None:
        status["log_file"] = row.log_file
    if row.error is not None:
        status["error"] = row.error
    return status


def local_text(at: datetime, zone: ZoneInfo) -> str:
    """Local time without offset, to the second, as the guide writes it."""
    return at.astimezone(zone).replace(tzinfo=None).isoformat(timespec="seconds")


class StopRequest:
    """A file that asks one scheduler, named by its run, to stop; works on every platform."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def send(self, run: str) -> None:
        atomic_files.write_text(self._file, run)

    def is_for(self, run: str) -> bool:
        try:
            return self._file.read_text(encoding="utf-8") == run
        except OSError:
            return False

    def clear(self) -> None:
        self._file.unlink(missing_ok=True)
