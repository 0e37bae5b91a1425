"""When an installation is healthy: each check says what it looked at, found, and what to do."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, computed_field

REFRESH = "python -m automation.data_refresh"
TRAIN = "python -m automation.model_training"
DEPLOY = "python -m automation.model_deployment"
EMBED = "python -m automation.bert_embeddings"
SERVE = "viecomrec serve"


class Level(StrEnum):
    """How bad it is, in rising order."""

    HEALTHY = "healthy"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def severity(self) -> int:
        return list(Level).index(self)


class Say(NamedTuple):
    """One sentence in the two languages of the people who read it."""

    en: str
    vi: str


def type_in(command: str) -> Say:
    """A command is the same in every language."""
    return Say(command, command)


class Check(BaseModel):
    """One question and its answer; `action` says what to do, None where nothing is to be done."""

    model_config = ConfigDict(frozen=True)

    name: str
    status: Level
    looked_at: str
    found: str
    found_vi: str = ""
    """Empty in reports that were stored before there was Vietnamese."""

    action: str | None = None
    action_vi: str | None = None


class ComponentHealth(BaseModel):
    model_config = ConfigDict(frozen=True)

    checks: tuple[Check, ...]

    @computed_field  # type: ignore[prop-decorator] # pydantic's own way to add a key
    @property
    def status(self) -> Level:
        return worst(check.status for check in self.checks)


class HealthReport(BaseModel):
    """The guide's JSON; `timestamp` is local without offset, UTC lies beside it."""

    model_config = ConfigDict(frozen=True)

    timestamp: str
    timestamp_utc: str
    components: dict[str, ComponentHealth]

    @computed_field  # type: ignore[prop-decorator] # pydantic's own way to add a key
    @property
    def overall_status(self) -> Level:
        return worst(component.status for component in self.components.values())

    def troubles(self) -> list[tuple[str, Check]]:
        """Every check that is not healthy with its component, the worst first."""
        found = [
            (name, check)
            for name, component in self.components.items()
            for check in component.checks
            if check.status is not Level.HEALTHY
        ]
        return sorted(found, key=lambda one: -one[1].status.severity)

    def as_json(self) -> dict[str, Any]:
        content = self.model_dump(mode="json", exclude_none=True)
        order = ("timestamp", "timestamp_utc", "overall_status", "components")
        content["components"] = {
            name: {"status": one["status"], "checks": one["checks"]}
            for name, one in content["components"].items()
        }
        return {key: content[key] for key in order}


def worst(levels: Iterable[Level]) -> Level:
    """The worst of several levels; healthy where there are none."""
    return max(levels, key=lambda level: level.severity, default=Level.HEALTHY)


def healthy(name: str, looked_at: str, found: Say) -> Check:
    return Check(
        name=name,
        status=Level.HEALTHY,
        looked_at=looked_at,
        found=found.en,
        found_vi=found.vi,
    )


def warning(name: str, looked_at: str, found: Say, action: Say) -> Check:
    return _trouble(Level.WARNING, name, looked_at, found, action)


def critical(name: str, looked_at: str, found: Say, action: Say) -> Check:
    return _trouble(Level.CRITICAL, name, looked_at, found, action)


def _trouble(level: Level, name: str, looked_at: str, found: Say, action: Say) -> Check:
    return Check(
        name=name,
        status=level,
        looked_at=looked_at,
        found=found.en,
        found_vi=found.vi,
        action=action.en,
        action_vi=action.vi,
    )
