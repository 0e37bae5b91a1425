"""`logs/deployment_history.jsonl`: one line per step of every deployment, only ever appended."""

from pathlib import Path

import structlog
from pydantic import ValidationError

from viecomrec.adapters import atomic_files
from viecomrec.domain.deployment import DeploymentRecord

log = structlog.get_logger()


class DeploymentJournal:
    def __init__(self, file: Path) -> None:
        self._file = file

    def append(self, record: DeploymentRecord) -> None:
        """Have the record on disk before returning."""
        atomic_files.append_line(self._file, record.model_dump_json())

    def read(self) -> list[DeploymentRecord]:
        """All records in order; a line that a crash tore is named in the log and left out."""
        if not self._file.is_file():
            return []
        records = []
        lines = self._file.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                records.append(DeploymentRecord.model_validate_json(line))
            except ValidationError:
                log.warning("unreadable journal line", file=str(self._file), line=number)
        return records
