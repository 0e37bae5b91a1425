"""Which numeric format was found good enough for which model, so that it is measured once."""

import json
from pathlib import Path
from typing import Any

from viecomrec.adapters import atomic_files
from viecomrec.domain.numeric_format import FormatDecision


class NumericFormatStore:
    """One JSON file: the key of a model in full precision -> the decision and its reason."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self, key: str) -> FormatDecision | None:
        """The recorded decision; None where it has to be measured (again)."""
        content = self._content().get(key)
        return None if content is None else FormatDecision.model_validate(content)

    def record(self, key: str, decision: FormatDecision) -> None:
        content = {**self._content(), key: decision.model_dump(mode="json")}
        atomic_files.write_json(self._file, content)

    def _content(self) -> dict[str, Any]:
        if not self._file.is_file():
            return {}
        try:
            content = json.loads(self._file.read_bytes())
        except ValueError:
            return {}  # damaged: the measurement is simply made again
        return content if isinstance(content, dict) else {}
