"""Signs of life for a healthchecks-compatible service: silence is noticed from outside."""

from collections.abc import Mapping
from enum import StrEnum

import structlog

log = structlog.get_logger()

EVERY_OTHER = "*"


class Sign(StrEnum):
    """What is told, and the path that healthchecks gives it."""

    START = "/start"
    SUCCESS = ""
    FAILURE = "/fail"


class DeadManSwitch:
    """Addresses by pipeline; they are secrets and stand in no log. Telling never raises."""

    def __init__(self, urls: Mapping[str, str], timeout_seconds: float) -> None:
        self._urls = urls
        self._timeout_seconds = timeout_seconds

    def tell(self, pipeline: str, sign: Sign, message: str = "") -> bool:
        """Whether the sign arrived; False also where no address is configured."""
        template = self._urls.get(pipeline) or self._urls.get(EVERY_OTHER)
        if not template:
            return False
        url = template.replace("{pipeline}", pipeline).rstrip("/") + sign.value
        import httpx2

        try:
            answer = httpx2.post(url, content=message.encode(), timeout=self._timeout_seconds)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            reason = type(error).__name__  # its text may hold the address
        else:
            if answer.is_success:
                return True
            reason = str(answer.status_code)
        log.warning("the sign of life did not arrive", pipeline=pipeline, reason=reason)
        return False
