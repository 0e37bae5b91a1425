"""HTTP as uvicorn speaks it, with a shorter way for the one hot address.

A plain `POST /recommend` that arrives in one piece is answered from the parser's last callback:
no scope, no task, no messages are made for it. Everything else, and every request of which
something is unusual (in pieces, pipelined behind another, asked by HTTP/1.0, too long), is left
to uvicorn and the application, which give the same answer.
"""

from time import perf_counter
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from viecomrec.service.front_door import HOT, FrontDoor

HOT_URL = HOT.encode()
JSON_OF_LENGTH = b"content-type: application/json\r\ncontent-length: %d\r\n"


class DoorProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._proxies = self.app if isinstance(self.app, ProxyHeadersMiddleware) else None
        door = self.app if self._proxies is None else self._proxies.app
        is_unusual = self.root_path or self.access_log or self.limit_concurrency is not None
        self._door = door if isinstance(door, FrontDoor) and not is_unusual else None
        self._hot_body: bytes | None = None
        """What has arrived of a hot request's body; None while there is no hot request."""

        self._idle_since: float | None = None
        """When the last answer was given, by the loop's clock; None during a request."""

    # --- called by the parser, in this order ---------------------------------------------
    def on_message_begin(self) -> None:
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_headers_complete(self) -> None:
        if self._is_hot():
            self._hot_body = b""
        else:
            self._leave_to_application()

    def on_body(self, body: bytes) -> None:
        if self._hot_body is None:
            super().on_body(body)
        else:
            self._hot_body += body

    def on_message_complete(self) -> None:
        body, self._hot_body = self._hot_body, None
        if body is None:
            super().on_message_complete()
        elif self._door is None or len(body) > self._door.max_body_bytes:
            self._leave_to_application(body)
            super().on_message_complete()
        else:
            self._answer(self._door, body)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # More is to come, or will never come: there the application waits, with its patience.
        body, self._hot_body = self._hot_body, None
        if body is not None and not self.transport.is_closing():
            self._leave_to_application(body)

    # --- the two ways --------------------------------------------------------------------
    def _is_hot(self) -> bool:
        return (
            self.url == HOT_URL
            and self._door is not None
            and self.parser.get_method() == b"POST"
            and (self.cycle is None or self.cycle.response_complete)
            and not self.pipeline
            and not self.flow.write_paused
            and not self.expect_100_continue
            and self.parser.should_keep_alive()
            and self.parser.get_http_version() == "1.1"
            and not self.parser.should_upgrade()
            and self._door.may_answer_at_once(self.headers)
        )

    def _leave_to_application(self, body: bytes = b"") -> None:
        """What uvicorn would have done at the beginning and after the headers."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        super().on_headers_complete()
        if body:
            super().on_body(body)

    def _answer(self, door: FrontDoor, body: bytes) -> None:
        status, content, wait = door.answer_at_once(
            self.headers, self._client_host(), body, perf_counter()
        )
        parts = [STATUS_LINE[status]]
        for name, value in self.server_state.default_headers:
            parts += (name, b": ", value, b"\r\n")
        parts.append(JSON_OF_LENGTH % len(content))
        if wait:
            parts.append(b"retry-after: %d\r\n" % wait)
        parts += (b"\r\n", content)
        self.transport.write(b"".join(parts))
        self.on_response_complete()

    # --- a connection that nobody uses is closed -------------------------------------------
    # One timer looks now and then, where uvicorn makes a new one for every request.
    def on_response_complete(self) -> None:
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_after(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_after(left)
        else:
            super().timeout_keep_alive_handler()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        super()._unset_keepalive_if_required()

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None

    def _look_after(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    # --------------------------------------------------------------------------------------
    def _client_host(self) -> str | None:
        """Who asks, behind the proxies that uvicorn trusts."""
        host = self.client[0] if self.client else None
        if self._proxies is None:
            return host
        forwarded = [value for name, value in self.headers if name == b"x-forwarded-for"]
        if not forwarded or host not in self._proxies.trusted_hosts:
            return host
        hosts = b", ".join(forwarded).decode("latin1")
        return self._proxies.trusted_hosts.get_trusted_client_address(hosts)[0] or host
