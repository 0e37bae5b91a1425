"""Who may do what, and how often."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from fastapi import HTTPException, Request
from throttled import RateLimiterType, Throttled, rate_limiter
from throttled.store import MemoryStore

MAX_KNOWN_CLIENTS = 10_000


@dataclass(frozen=True)
class TokenGuard:
    """Knows the admin token; comparing takes the same time whatever is shown."""

    token: str

    def is_shown(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether `Authorization: Bearer <token>` is among the headers of an ASGI scope."""
        for name, value in headers:
            if name == b"authorization":
                scheme, _, secret = value.partition(b" ")
                same = hmac.compare_digest(secret.strip(), self._secret)
                return same and scheme.lower() == b"bearer"
        return False

    @cached_property
    def _secret(self) -> bytes:
        return self.token.encode()

    def require(self, request: Request) -> None:
        """A dependency that answers 401 unless the caller shows the token.

        Loopback is no exception: behind a reverse proxy everybody comes from there.
        """
        if not self.is_shown(request.scope["headers"]):
            raise HTTPException(
                status_code=401,
                detail="A valid admin token is needed: Authorization: Bearer <token>",
                headers={"WWW-Authenticate": "Bearer"},
            )


def share_of(limit: int, n_workers: int) -> int:
    """What each worker process grants, so that all of them together grant about the limit.

    Workers do not share their buckets: a client that keeps to one connection, and so to one
    worker, gets one share.
    """
    return -(-limit // n_workers)


class ClientLimits:
    """A token bucket per client address; the least recently seen clients are forgotten."""

    def __init__(self, requests_per_second: int, burst: int) -> None:
        self.requests_per_second = requests_per_second
        self.burst = burst
        self._throttle = Throttled(
            using=RateLimiterType.TOKEN_BUCKET.value,
            quota=rate_limiter.per_sec(requests_per_second, burst=burst),
            store=MemoryStore(options={"MAX_SIZE": MAX_KNOWN_CLIENTS}),
        )

    def seconds_to_wait(self, client: str) -> float:
        """0 if the client may go on; else how long it should wait."""
        result = self._throttle.limit(client)
        return max(result.state.retry_after, 1e-3) if result.limited else 0.0
