"""What was asked and how it went: plain counters, summed over the workers."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from viecomrec.domain.api_state import Traffic

LATENCY_BOUNDS = tuple(1e-4 * 1.25**step for step in range(50))
"""Upper bounds of the latency buckets in seconds, 0.1 ms to 5.6 s, 25 % apart."""

SERVER_ERROR = 500


@dataclass
class TrafficCounters:
    """Counts of one worker; changed by its event loop alone."""

    requests: Counter[str] = field(default_factory=Counter)
    """By `endpoint status`."""

    events: Counter[str] = field(default_factory=Counter)
    """accepted, duplicates, refused."""

    model_id: str | None = None
    n_requests: int = 0
    n_errors: int = 0
    n_empty: int = 0
    latencies: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS) + 1))
    seconds: float = 0.0

    def count_list(self, model_id: str | None, status: int, n_items: int, seconds: float) -> None:
        """One answer of /recommend by a model; another model than before counts anew."""
        if model_id != self.model_id:
            self._start(model_id)
        self.n_requests += 1
        self.n_errors += status >= SERVER_ERROR
        self.n_empty += status < SERVER_ERROR and n_items == 0
        self.latencies[bisect_left(LATENCY_BOUNDS, seconds)] += 1
        self.seconds += seconds

    def _start(self, model_id: str | None) -> None:
        self.model_id = model_id
        self.n_requests = self.n_errors = self.n_empty = 0
        self.latencies = [0] * (len(LATENCY_BOUNDS) + 1)
        self.seconds = 0.0

    def state(self) -> dict[str, Any]:
        return {
            "requests": dict(self.requests),
            "events": dict(self.events),
            "model": {
                "model_id": self.model_id,
                "n_requests": self.n_requests,
                "n_errors": self.n_errors,
                "n_empty": self.n_empty,
                "latencies": self.latencies,
                "seconds": self.seconds,
            },
        }


def total(states: Iterable[dict[str, Any]], model_id: str | None) -> TrafficCounters:
    """The sum of the workers' states; of models only what belongs to `model_id`."""
    sums = TrafficCounters(model_id=model_id)
    for state in states:
        sums.requests.update(state["requests"])
        sums.events.update(state["events"])
        model = state["model"]
        if model["model_id"] != model_id:
            continue
        sums.n_requests += model["n_requests"]
        sums.n_errors += model["n_errors"]
        sums.n_empty += model["n_empty"]
        sums.seconds += model["seconds"]
        sums.latencies = [a + b for a, b in zip(sums.latencies, model["latencies"], strict=True)]
    return sums


def summary(counters: TrafficCounters) -> Traffic:
    return Traffic(
        n_requests=counters.n_requests,
        n_errors=counters.n_errors,
        n_empty=counters.n_empty,
        latency_ms_p50=_quantile_ms(counters.latencies, 0.50),
        latency_ms_p95=_quantile_ms(counters.latencies, 0.95),
    )


def _quantile_ms(latencies: Sequence[int], share: float) -> float | None:
    """The upper bound of the bucket that holds the quantile; None without any request."""
    left = share * sum(latencies)
    if left == 0:
        return None
    bounds = (*LATENCY_BOUNDS, 2 * LATENCY_BOUNDS[-1])
    for bound, count in zip(bounds, latencies, strict=True):
        left -= count
        if left <= 0:
            return round(bound * 1000, 3)
    return round(bounds[-1] * 1000, 3)
