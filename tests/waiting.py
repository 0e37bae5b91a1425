"""Waiting for what other processes do, as long as a busy machine may need."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(question: Callable[[], T], what: str = "what was asked", seconds: float = 120) -> T:
    """The first answer that counts as true; AssertionError after so many seconds without one."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)
    return answer
