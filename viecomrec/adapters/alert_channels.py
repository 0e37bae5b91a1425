"""Channels through apprise: e-mail, Telegram, Slack, a webhook ... Their addresses are secrets."""

import json
import logging
from pathlib import Path

import structlog
from pydantic import ValidationError

from viecomrec.domain.alerts import AlertingConfig, ChannelConfig, Message, Severity
from viecomrec.errors import ConfigurationError

log = structlog.get_logger()

TYPES = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.ERROR: "failure"}


def read_alerting_config(file: Path, alert_urls: str | None) -> AlertingConfig:
    """`config/alerting.json` plus the addresses of ALERT_URLS (separated by spaces or commas).

    ConfigurationError names the field that is wrong and never shows an address.
    """
    config = AlertingConfig()
    if file.is_file():
        try:
            config = AlertingConfig.model_validate(json.loads(file.read_text(encoding="utf-8")))
        except ValidationError as error:
            reasons = "; ".join(
                f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()
            )
            raise ConfigurationError(f"{file}: {reasons}") from None
        except ValueError as error:
            raise ConfigurationError(f"{file} is not valid JSON: {error}") from error
    addresses = (alert_urls or "").replace(",", " ").split()
    more = tuple(
        ChannelConfig.model_validate({"name": f"ALERT_URLS-{number}", "url": url})
        for number, url in enumerate(addresses, start=1)
    )
    return config.model_copy(update={"channels": (*config.channels, *more)})


class AlertingConfigFile:
    """The configuration in force; a long-lived process sees a change at its next alert."""

    def __init__(self, file: Path, alert_urls: str | None) -> None:
        self._file = file
        self._alert_urls = alert_urls
        self._state: tuple[int, int] | None = None
        self._config: AlertingConfig | None = None

    def read(self) -> AlertingConfig:
        """Raises ConfigurationError on a wrong file, unless an earlier one was good: it stays."""
        state = self._file_state()
        if self._config is not None and state == self._state:
            return self._config
        try:
            config = read_alerting_config(self._file, self._alert_urls)
        except ConfigurationError as error:
            if self._config is None:
                raise
            log.error("the last good alerting configuration stays", error=str(error))  # noqa: TRY400
            config = self._config
        self._config, self._state = config, state
        return config

    def _file_state(self) -> tuple[int, int] | None:
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_ino


class Messenger:
    """Delivers one message to one channel, within a bounded time, without ever raising."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds

    def deliver(self, channel: ChannelConfig, message: Message) -> bool:
        """Whether the channel has accepted the message."""
        import apprise

        _silence(logging.getLogger("apprise"))
        messenger = apprise.Apprise()
        if not messenger.add(channel.url.get_secret_value()):
            log.error("the address of an alert channel is not understood", channel=channel.name)
            return False
        accepted = bool(
            messenger.notify(
                body=message.body,
                title=message.title,
                notify_type=TYPES[message.severity],
                body_format="text",
                timeout=self._timeout_seconds,
            )
        )
        outcome = "alert delivered" if accepted else "alert not delivered"
        log.info(outcome, channel=channel.name)
        return accepted


def _silence(logger: logging.Logger) -> None:
    """What apprise logs may hold addresses and answers of servers; our line names the channel."""
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
