"""`logs/alerts.jsonl`: every alert, one JSON line each, whatever else carries it."""

import json
from datetime import UTC, tzinfo
from pathlib import Path

from viecomrec.adapters import atomic_files
from viecomrec.domain.alerts import Alert
from viecomrec.errors import AlertError


class AlertLog:
    """Append only; `zone` is that of the local timestamps."""

    def __init__(self, file: Path, zone: tzinfo) -> None:
        self._file = file
        self._zone = zone

    def append(self, alert: Alert) -> None:
        """Have the alert on disk before returning; AlertError where that cannot be."""
        line = {
            "timestamp": alert.at.astimezone(self._zone)
            .replace(tzinfo=None)
            .isoformat(timespec="seconds"),
            "timestamp_utc": alert.at.astimezone(UTC).isoformat(),
            "pipeline_name": alert.pipeline_name,
            "severity": alert.severity.value,
            "message": alert.message,
            "details": alert.details,
        }
        try:
            atomic_files.append_line(self._file, json.dumps(line, ensure_ascii=False, default=str))
        except OSError as error:
            raise AlertError(f"{self._file} cannot be written: {error}") from error
