"""One incident, one message: which alert is sent, which only counts, and when it is over."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, field_validator

INCIDENT_DETAIL = "incident"
"""The key in an alert's details that tells incidents of one pipeline apart."""

MAX_BODY_CHARACTERS = 3500
"""The shortest limit among the usual channels (Telegram: 4096), with room for escapes."""


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class Alert(BaseModel):
    model_config = ConfigDict(frozen=True)

    pipeline_name: str
    severity: Severity
    message: str
    details: dict[str, Any] = Field(default_factory=dict)
    at: AwareDatetime

    @property
    def incident_key(self) -> str:
        """Alerts of one key are one incident: the pipeline, and the part that it names."""
        return incident_key(self.pipeline_name, str(self.details.get(INCIDENT_DETAIL, "")))


def incident_key(pipeline_name: str, part: str = "") -> str:
    return f"{pipeline_name}/{part}" if part else pipeline_name


class Incident(BaseModel):
    """A trouble that is not over yet."""

    model_config = ConfigDict(frozen=True)

    key: str
    severity: Severity
    opened_at: AwareDatetime
    notified_at: AwareDatetime
    n_alerts: int = 1
    n_unsent: int = 0
    """Alerts since the last message."""


class Message(BaseModel):
    """What a channel carries."""

    model_config = ConfigDict(frozen=True)

    key: str
    severity: Severity
    title: str
    body: str
    is_reminder: bool = False
    """A reminder replaces an earlier one that could not be delivered yet."""


def take_in(
    alert: Alert, open_incident: Incident | None, cool_down: timedelta
) -> tuple[Incident | None, Message | None]:
    """What becomes of the incident, and the message to send, if any.

    The first alert of an incident is sent, and a worse one; of the others one per cool-down.
    An alert of severity info is a message of its own and no incident. A clock that was set
    back never silences an incident for longer than one cool-down.
    """
    if alert.severity is Severity.INFO:
        return open_incident, _message(alert, "")
    if open_incident is None:
        incident = Incident(
            key=alert.incident_key,
            severity=alert.severity,
            opened_at=alert.at,
            notified_at=alert.at,
        )
        return incident, _message(alert, "")
    counted = open_incident.model_copy(
        update={"n_alerts": open_incident.n_alerts + 1, "n_unsent": open_incident.n_unsent + 1}
    )
    is_worse = alert.severity.rank > open_incident.severity.rank
    if not is_worse and abs(alert.at - open_incident.notified_at) < cool_down:
        return counted, None
    since = open_incident.opened_at.isoformat(timespec="minutes")
    note = f"Open since {since}, {counted.n_alerts} alerts so far."
    sent = counted.model_copy(
        update={
            "severity": max(alert.severity, open_incident.severity, key=lambda one: one.rank),
            "notified_at": alert.at,
            "n_unsent": 0,
        }
    )
    return sent, _message(alert, note).model_copy(update={"is_reminder": not is_worse})


def recovery(incident: Incident, at: datetime) -> Message:
    """The one message that says that an incident is over."""
    minutes = max(0, round((at - incident.opened_at).total_seconds() / 60))
    return Message(
        key=incident.key,
        severity=incident.severity,
        title=f"[VieComRec] {incident.key}: recovered",
        body=f"{incident.key} is well again after {minutes} min and {incident.n_alerts} alert(s).",
    )


def _message(alert: Alert, note: str) -> Message:
    details = {name: value for name, value in alert.details.items() if name != INCIDENT_DETAIL}
    lines = [alert.message, note, *(f"{name}: {value}" for name, value in details.items())]
    body = "\n".join(line for line in lines if line)
    return Message(
        key=alert.incident_key,
        severity=alert.severity,
        title=f"[VieComRec] {alert.incident_key}: {alert.severity.value}",
        body=body[:MAX_BODY_CHARACTERS],
    )


def next_attempt_at(
    n_failed: int, at: datetime, first_wait: timedelta, longest_wait: timedelta
) -> datetime:
    """When to try again after `n_failed` failures: the wait doubles up to the longest."""
    doubled: timedelta = first_wait * 2 ** min(n_failed - 1, 30)
    return at + min(doubled, longest_wait)


# --- configuration -----------------------------------------------------------------------
class ChannelConfig(BaseModel):
    """One way to reach people; its address is a secret and shown nowhere."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    url: SecretStr
    min_severity: Severity = Severity.WARNING


class AlertingConfig(BaseModel):
    """`config/alerting.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: tuple[ChannelConfig, ...] = ()
    cool_down_minutes: float = Field(60, gt=0)

    @field_validator("channels")
    @classmethod
    def _names_are_unique(cls, channels: tuple[ChannelConfig, ...]) -> tuple[ChannelConfig, ...]:
        names = [channel.name for channel in channels]
        if len(set(names)) != len(names):
            raise ValueError("two channels have the same name")
        return channels

    @property
    def cool_down(self) -> timedelta:
        return timedelta(minutes=self.cool_down_minutes)


def channels_for(channels: Mapping[str, ChannelConfig], severity: Severity) -> list[str]:
    """Names of the channels that want messages of this severity."""
    return [
        name for name, channel in channels.items() if channel.min_severity.rank <= severity.rank
    ]
