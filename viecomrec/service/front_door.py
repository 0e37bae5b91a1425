"""What happens to every request before the application sees it.

Counts, limits per client, the size of the body while it is read, and the one address that is
asked thousands of times a second: `/recommend` is answered here, from prepared bytes, by the
same function that the documented route calls.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from time import perf_counter
from typing import Any

import structlog
from pydantic import ValidationError

from viecomrec.domain.api import RecommendRequest
from viecomrec.domain.api_state import ErrorAnswer
from viecomrec.errors import InputError, ServiceError, VieComRecError
from viecomrec.service.recommender import recommend
from viecomrec.service.rendering import to_json
from viecomrec.service.responses import Responses
from viecomrec.service.security import ClientLimits, TokenGuard, share_of
from viecomrec.service.worker import Worker

log = structlog.get_logger()

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

HOT = "/recommend"
WITHOUT_LIMIT = frozenset({"/health", "/ready"})
"""Asked by load balancers, which have one address for everybody."""

TOO_MANY = "Too many requests"
DEFECT = b'{"detail":"Internal error; the log of the service says what happened"}'


REFUSALS: Responses = {
    408: {"model": ErrorAnswer, "description": "The request did not arrive in time"},
    413: {"model": ErrorAnswer, "description": "The body is larger than the service reads"},
    429: {
        "model": ErrorAnswer,
        "description": TOO_MANY,
        "headers": {
            "Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}}
        },
    },
}
"""What the door answers instead of the application, for the description of every address."""


class BodyTooLargeError(Exception):
    """The client sends more than the service reads."""


class FrontDoor:
    """The ASGI application that the server runs; `app` is the FastAPI application behind it."""

    def __init__(self, app: Application, worker: Worker, guard: TokenGuard) -> None:
        service = worker.installation.settings.service
        self.app = app
        self.worker = worker
        self._guard = guard
        self._limits = ClientLimits(
            share_of(service.requests_per_second, service.workers),
            share_of(service.burst, service.workers),
        )
        self.max_body_bytes = service.max_body_bytes
        self._body_seconds = service.body_seconds
        self._asks_origins = bool(service.cors_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = perf_counter()
        wait = 0 if scope["path"] in WITHOUT_LIMIT else self._wait_of(scope)
        if wait:
            status = await _refuse(send, 429, TOO_MANY, {"Retry-After": wait})
        else:
            status = await self._with_body(scope, receive, send, started)
        self.worker.traffic.requests[f"{_endpoint(scope)} {status}"] += 1

    def may_answer_at_once(self, headers: Headers) -> bool:
        """Whether nothing but the list is asked for: a page of another origin also wants leave."""
        return not self._asks_origins or all(name != b"origin" for name, _ in headers)

    def answer_at_once(
        self, headers: Headers, client: str | None, body: bytes, started: float
    ) -> tuple[int, bytes, int]:
        """A whole `POST /recommend`: status, JSON, and seconds to wait if it came too soon."""
        wait = self._seconds_to_wait(headers, client)
        if wait:
            status, content = 429, to_json({"detail": TOO_MANY})
        else:
            status, content = self._recommend(body, started)
        self.worker.traffic.requests[f"{HOT} {status}"] += 1
        return status, content, wait

    def _wait_of(self, scope: Scope) -> int:
        client = scope.get("client")
        return self._seconds_to_wait(scope["headers"], client[0] if client else None)

    def _seconds_to_wait(self, headers: Headers, client: str | None) -> int:
        if self._guard.is_shown(headers):
            return 0
        return math.ceil(self._limits.seconds_to_wait(client or "unknown"))

    async def _with_body(self, scope: Scope, receive: Receive, send: Send, started: float) -> int:
        try:
            if _announces_body(scope):
                async with asyncio.timeout(self._body_seconds):
                    body = await self._read(receive)
            else:
                body = await self._read(receive)
        except BodyTooLargeError:
            return await _refuse(send, 413, f"At most {self.max_body_bytes} bytes are read")
        except TimeoutError:
            return await _refuse(send, 408, "The request did not arrive in time")
        is_hot = scope["path"] == HOT and scope["method"] == "POST"
        if is_hot and self.may_answer_at_once(scope["headers"]):
            status, content = self._recommend(body, started)
            return await _answer(send, status, content)
        return await self._application(scope, receive, send, body)

    async def _read(self, receive: Receive) -> bytes:
        """The whole body, never more than allowed in memory, whatever its declared length."""
        parts: list[bytes] = []
        size, is_complete = 0, False
        while not is_complete:
            message = await receive()
            part = message.get("body", b"")
            size += len(part)
            if size > self.max_body_bytes:
                raise BodyTooLargeError
            parts.append(part)
            is_complete = not message.get("more_body", False)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _recommend(self, body: bytes, started: float) -> tuple[int, bytes]:
        n_items, model_id = 0, None
        try:
            request = RecommendRequest.model_validate_json(body)
            bundle = self.worker.live.require_bundle()
            model_id = bundle.model_id
            answer = recommend(bundle, request.user_id, request)  # type: ignore[arg-type]
            n_items, status, content = answer.n_items, 200, answer.content
        except ValidationError as error:
            return 422, to_json({"detail": problems(error.errors(), body=True)})
        except InputError as error:
            return 422, to_json({"detail": str(error)})
        except ServiceError as error:
            status, content = 503, to_json({"detail": self.worker.live.public(error)})
        except Exception:
            log.exception("a recommendation failed")
            status, content = 500, DEFECT
        self.worker.traffic.count_list(model_id, status, n_items, perf_counter() - started)
        return status, content

    async def _application(self, scope: Scope, receive: Receive, send: Send, body: bytes) -> int:
        status = 500

        async def replay() -> Message:
            nonlocal body
            if body is not None:
                whole, body = body, None  # type: ignore[assignment]
                return {"type": "http.request", "body": whole, "more_body": False}
            return await receive()

        async def noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, replay, noting_status)
        except VieComRecError:
            raise
        except Exception:
            log.exception("a request failed", path=scope["path"])
        return status


def _announces_body(scope: Scope) -> bool:
    """Whether the client has said that bytes will follow; it may never send them."""
    return any(name in _SAY_THAT_BYTES_FOLLOW for name, _ in scope["headers"])


_SAY_THAT_BYTES_FOLLOW = frozenset({b"content-length", b"transfer-encoding"})


def problems(errors: Any, *, body: bool = False) -> list[dict[str, Any]]:
    """What is wrong with which field, without pydantic's echo of the input."""
    return [
        {
            "loc": [*(["body"] if body else []), *(str(part)[:100] for part in one["loc"])],
            "msg": one["msg"],
            "type": one["type"],
        }
        for one in errors[:20]
    ]


def _endpoint(scope: Scope) -> str:
    """The path of a known route; unknown paths are one, so that nobody fills the counters."""
    if scope["path"] == HOT:
        return HOT
    route = scope.get("route")
    return getattr(route, "path", "other")


async def _refuse(
    send: Send, status: int, detail: str, headers: dict[str, int] | None = None
) -> int:
    return await _answer(send, status, to_json({"detail": detail}), headers)


async def _answer(
    send: Send, status: int, content: bytes, headers: dict[str, int] | None = None
) -> int:
    lines = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
    ]
    for name, value in (headers or {}).items():
        lines.append((name.lower().encode(), b"%d" % value))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": content})
    return status
