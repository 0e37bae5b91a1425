"""An alert's way: into the log, into its incident, into the outbox, out to people."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from viecomrec.adapters.alert_channels import AlertingConfigFile, Messenger
from viecomrec.adapters.alert_store import AlertStore, Delivery
from viecomrec.adapters.alerts import AlertLog
from viecomrec.domain import alerts as rules
from viecomrec.domain.alerts import Alert, ChannelConfig, Incident, Message, Severity
from viecomrec.errors import AlertError

log = structlog.get_logger()

KEEP = timedelta(days=7)
MAX_REFUSALS = 8
"""So often a message may fail while its channel accepts others."""


@dataclass(frozen=True)
class AlertTools:
    """Where alerts go and how patiently."""

    log: AlertLog
    store: AlertStore
    messenger: Messenger
    config: AlertingConfigFile
    now: Callable[[], datetime]
    first_wait: timedelta
    longest_wait: timedelta
    hold: timedelta
    """Longer than a delivery takes: what a killed process had claimed is due again after it."""

    max_seconds: float
    """How long one call may spend on deliveries."""


class Alerting:
    """What pipelines and the guide's `send_pipeline_alert` talk to."""

    def __init__(self, tools: AlertTools) -> None:
        self._tools = tools

    def send(
        self,
        pipeline_name: str,
        severity: str,
        message: str,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Record the alert, open or continue its incident, and deliver what is due.

        `details["incident"]` tells incidents of one pipeline apart. Raises AlertError on a
        severity other than info, warning or error, and where `logs/alerts.jsonl` cannot be
        written. A channel that fails is tried again later and never raises.
        """
        alert = _alert(pipeline_name, severity, message, details, self._tools.now())
        self._tools.log.append(alert)
        cool_down = self._tools.config.read().cool_down
        self._change(
            alert.incident_key,
            lambda incident: rules.take_in(alert, incident, cool_down),
        )
        self.deliver_due()

    def resolve(self, pipeline_name: str, part: str = "") -> None:
        """Say that all is well: an open incident gets its one recovery message."""
        if not self._has_state():
            return
        at = self._tools.now()

        def close(incident: Incident | None) -> tuple[None, Message | None]:
            return None, rules.recovery(incident, at) if incident else None

        message = self._change(rules.incident_key(pipeline_name, part), close)
        if message is not None:
            details = {rules.INCIDENT_DETAIL: part} if part else {}
            self._tools.log.append(_alert(pipeline_name, Severity.INFO, message.body, details, at))
        self.deliver_due()

    def undelivered(self) -> int:
        """How many messages still wait for their channel."""
        return self._tools.store.undelivered() if self._has_state() else 0

    def open_parts(self, pipeline_name: str) -> list[str]:
        """The parts of a pipeline that have an open incident."""
        start = rules.incident_key(pipeline_name, "x")[:-1]
        keys = [incident.key for incident in self.open_incidents()]
        return [key.removeprefix(start) for key in keys if key.startswith(start)]

    def open_incidents(self) -> list[Incident]:
        """What is not over yet; raises AlertError where the store cannot be read."""
        return self._tools.store.open_incidents() if self._has_state() else []

    def deliver_due(self) -> int:
        """Deliver what is due, oldest first, within the time limit; return how many arrived."""
        channels = self._channels()
        if not channels or not self._has_state():
            return 0
        deadline = time.monotonic() + self._tools.max_seconds
        n_delivered = 0
        try:
            while time.monotonic() < deadline:
                delivery = self._tools.store.claim_due(self._tools.now(), self._tools.hold)
                if delivery is None:
                    break
                channel = channels.get(delivery.channel)
                if channel is None:
                    log.warning("a message waits for a channel that is gone", key=delivery.channel)
                if channel and self._tools.messenger.deliver(channel, delivery.message):
                    self._tools.store.mark_delivered(delivery, self._tools.now())
                    n_delivered += 1
                else:
                    self._postpone(delivery)
            n_dropped = self._tools.store.forget(self._tools.now() - KEEP)
            if n_dropped:
                log.error("messages waited too long and were dropped", n_messages=n_dropped)
        except AlertError as error:
            log.error("alerts cannot be delivered now", error=str(error))  # noqa: TRY400 - no trace
        return n_delivered

    def _postpone(self, delivery: Delivery) -> None:
        if self._tools.store.give_up(delivery, MAX_REFUSALS):
            log.error(
                "the channel accepts others but never this message; it is given up",
                channel=delivery.channel,
                title=delivery.message.title,
            )
            return
        self._tools.store.mark_failed(delivery, self._retry_at(delivery.n_failed + 1))

    def _retry_at(self, n_failed: int) -> datetime:
        tools = self._tools
        return rules.next_attempt_at(n_failed, tools.now(), tools.first_wait, tools.longest_wait)

    def _channels(self) -> dict[str, ChannelConfig]:
        return {channel.name: channel for channel in self._tools.config.read().channels}

    def _has_state(self) -> bool:
        return self._tools.store.exists

    def _change(
        self,
        key: str,
        change: Callable[[Incident | None], tuple[Incident | None, Message | None]],
    ) -> Message | None:
        """A broken store must not stop the pipeline that reports: the line in the log stands."""
        try:
            return self._tools.store.change_incident(
                key,
                change,
                lambda message: rules.channels_for(self._channels(), message.severity),
                self._tools.now(),
            )
        except AlertError as error:
            log.error("the incident cannot be recorded", key=key, error=str(error))  # noqa: TRY400
            return None


def _alert(
    pipeline_name: str,
    severity: str,
    message: str,
    details: Mapping[str, Any] | None,
    at: datetime,
) -> Alert:
    if severity not in list(Severity):
        raise AlertError(
            f"The severity {severity!r} does not exist; use one of {', '.join(Severity)}."
        )
    return Alert(
        pipeline_name=pipeline_name,
        severity=Severity(severity),
        message=message,
        details=dict(details or {}),
        at=at,
    )
