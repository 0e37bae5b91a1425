"""Exponential backoff for operations that may fail for a while."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

ONE_DAY_SECONDS = 86_400.0


def retry(
    max_attempts: int = 3,
    delay: float = 60,
    backoff: float = 2,
    on: type[Exception] | tuple[type[Exception], ...] = Exception,
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Repeat the decorated function until it succeeds; the last error passes through unchanged.

    The waits in seconds before attempts 1, 2, 3, ... n are 0, delay, delay x backoff, ...
    delay x backoff^(n-2), none longer than a day. There is no jitter: the pipelines of one
    installation do not compete for one server.
    """
    import stamina

    return stamina.retry(
        on=on,
        attempts=max_attempts,
        timeout=None,
        wait_initial=delay,
        wait_exp_base=backoff,
        wait_jitter=0,
        wait_max=ONE_DAY_SECONDS,
    )
