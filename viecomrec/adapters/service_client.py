"""The recommendation service as its doors see it: every call is bounded and every failure named.

Offline (nobody listens), refused (an answer that means no) and lost (the request left, the
reply never came) are three different things, since three different actions follow.
"""

import json
import ssl
import time
from functools import cached_property
from typing import Any

import httpx2
from pydantic import ValidationError

from viecomrec.domain.deployment import LiveModel
from viecomrec.errors import (
    ConfigurationError,
    ServiceError,
    ServiceOfflineError,
    ServiceReplyLostError,
)

MAX_ANSWER_BYTES = 8_000_000
EXCERPT_CHARACTERS = 200
REFUSED = (401, 403)
SERVICE_UNAVAILABLE = 503


class ServiceClient:
    """Calls to one service. A call takes at most about twice `timeout_seconds`."""

    def __init__(self, url: str, *, token: str | None, timeout_seconds: float) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._timeout_seconds = timeout_seconds

    def health(self) -> dict[str, Any]:
        """The body of `/health`, also where the service says that it is unwell (503)."""
        return self._call("GET", "/health", accepted=(SERVICE_UNAVAILABLE,))

    def model_info(self) -> LiveModel:
        answer = self._call("GET", "/model_info")
        try:
            return LiveModel.model_validate(answer)
        except ValidationError as error:
            raise ServiceError(
                f"{self.url}/model_info is not an answer of VieComRec: {answer!r:.200}. "
                "Check SERVICE_URL."
            ) from error

    def recommend(self, user_id: str, topk: int, *, exclude_seen: bool = True) -> dict[str, Any]:
        """The answer of `/recommend`, by default without what the user has already."""
        body = {"user_id": user_id, "topk": topk, "exclude_seen": exclude_seen}
        return self._call("POST", "/recommend", body)

    def reload_model(self, model_id: str) -> None:
        """Ask for the swap. ServiceReplyLostError means: read `/model_info` back."""
        self._call("POST", "/reload_model", {"model_id": model_id}, with_token=True)

    def _call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        with_token: bool = False,
        accepted: tuple[int, ...] = (),
    ) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token}"} if with_token and self._token else {}
        status, content = self._exchange(method, path, body, headers)
        if status in REFUSED:
            raise ServiceError(
                f"{self.url}{path} refused the token ({status}). Set VIECOMREC_ADMIN_TOKEN to "
                "the service's token, or run this where the service's token file lies."
            )
        if not httpx2.codes.is_success(status) and status not in accepted:
            raise ServiceError(f"{self.url}{path} answered {status}: {_reason(content)}")
        return self._json_object(path, content)

    def _exchange(
        self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        try:
            with self._client.stream(
                method, self.url + path, json=body, headers=headers
            ) as response:
                return response.status_code, self._read(response, path)
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise ConfigurationError(
                f"SERVICE_URL {self.url!r} is not an address such as http://localhost:8000"
            ) from error
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            if _is_caused_by_tls(error):
                raise ServiceError(f"{self.url}: no secure connection ({error})") from error
            raise ServiceOfflineError(f"Nobody answers at {self.url} ({error}).") from error
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise ServiceReplyLostError(
                f"{self.url}{path}: no reply within {self._timeout_seconds:g} s "
                f"({type(error).__name__})."
            ) from error

    @cached_property
    def _client(self) -> httpx2.Client:
        """One client (its certificates cost 50 ms to read) that keeps no connection open."""
        return httpx2.Client(
            timeout=self._timeout_seconds,
            # The service is the shop's own: no proxy of the environment stands in between.
            trust_env=False,
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    def _read(self, response: httpx2.Response, path: str) -> bytes:
        """Read the body within the time limit as a whole: a dripping reply is a lost one."""
        deadline = time.monotonic() + self._timeout_seconds
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > MAX_ANSWER_BYTES:
                raise ServiceError(f"{self.url}{path} answered more than {MAX_ANSWER_BYTES} bytes")
            if time.monotonic() > deadline:
                raise ServiceReplyLostError(
                    f"{self.url}{path}: the reply did not end in {self._timeout_seconds:g} s."
                )
        return bytes(content)

    def _json_object(self, path: str, content: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(content)
        except ValueError as error:
            raise ServiceError(
                f"{self.url}{path} answered no JSON: {_reason(content)}. Check SERVICE_URL."
            ) from error
        if not isinstance(answer, dict):
            raise ServiceError(f"{self.url}{path} answered no JSON object: {_reason(content)}")
        return answer


def _reason(content: bytes) -> str:
    """The message of an error answer, or the beginning of whatever came."""
    try:
        answer = json.loads(content)
        return str(answer.get("message") or answer.get("detail") or answer)
    except (ValueError, AttributeError):
        return repr(content.decode("utf-8", errors="replace")[:EXCERPT_CHARACTERS])


def _is_caused_by_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
