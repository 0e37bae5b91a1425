"""What a run of a pipeline says of itself."""

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict


class Status(StrEnum):
    """How a run ended; the exit code follows from it."""

    SUCCESS = "success"
    SKIPPED = "skipped"
    PENDING = "pending"
    HEALTHY = "healthy"
    WARNING = "warning"
    FAILED = "failed"
    CRITICAL = "critical"
    ROLLED_BACK = "rolled_back"

    @property
    def exit_code(self) -> int:
        return 1 if self in {Status.FAILED, Status.CRITICAL, Status.ROLLED_BACK} else 0


class PipelineResult(BaseModel):
    """The one JSON object of a run: a status, a message for a person, and what else is known."""

    model_config = ConfigDict(frozen=True, extra="allow", use_enum_values=False)

    status: Status
    message: str | None = None

    @property
    def exit_code(self) -> int:
        return self.status.exit_code

    def as_json(self) -> dict[str, Any]:
        """The object as plain JSON values, without fields that say nothing."""
        return self.model_dump(mode="json", exclude_none=True)
