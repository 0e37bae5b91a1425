"""The baseline of drift detection and its reports, as files."""

import json
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from viecomrec.adapters import atomic_files
from viecomrec.domain.drift_report import DriftReport
from viecomrec.domain.drift_windows import BASELINE_SCHEMA_VERSION, Baseline
from viecomrec.errors import ConfigurationError


class BaselineStore:
    """One JSON file; one that cannot be used is set aside, never overwritten."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> Baseline | None:
        """The baseline, or None where there is none or the file is torn or of an old form.

        A newer schema than this program knows is refused with ConfigurationError.
        """
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
            version = content["schema_version"]
            if version == BASELINE_SCHEMA_VERSION:
                return Baseline.model_validate(content)
        except (OSError, ValueError, KeyError, TypeError, ValidationError):
            return None
        if isinstance(version, int) and version > BASELINE_SCHEMA_VERSION:
            raise ConfigurationError(
                f"{self._file} was written by a newer program (schema {version}). "
                "Use that program, or make a new baseline: move the file away."
            )
        return None

    def set_aside(self, at: datetime) -> Path | None:
        """Rename an existing file out of the way and say where it lies; None without one."""
        if not self._file.exists():
            return None
        aside = self._file.with_name(f"{self._file.stem}.aside-{at:%Y%m%d_%H%M%S}.json")
        self._file.replace(aside)
        return aside

    def write(self, baseline: Baseline) -> None:
        atomic_files.write_json(self._file, baseline.model_dump(mode="json"))


class ReportFolder:
    """`reports/drift/`: one JSON file and one page a day; a second run of a day replaces them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def latest(self) -> DriftReport | None:
        """The report of the newest day; None before the first, or where it is torn."""
        files = sorted(self._folder.glob("drift_report_*.json"))
        try:
            return DriftReport.model_validate_json(files[-1].read_text(encoding="utf-8"))
        except (IndexError, OSError, ValidationError):
            return None

    def write(self, report: DriftReport, page: str, day: str) -> tuple[Path, Path]:
        """Write both and return their paths; `day` is YYYYMMDD."""
        data_file = self._folder / f"drift_report_{day}.json"
        page_file = self._folder / f"drift_report_{day}.html"
        atomic_files.write_json(data_file, report.model_dump(mode="json"))
        atomic_files.write_text(page_file, page)
        return data_file, page_file
