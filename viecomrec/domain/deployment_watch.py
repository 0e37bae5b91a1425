"""Whether answers got worse after a deployment, and by more than chance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from viecomrec.domain.deployment import Asked, DeploymentRecord, DeploymentState, TrafficSeen


@dataclass(frozen=True)
class WatchLimits:
    """When a model counts as worse than the one before it."""

    window: timedelta = timedelta(hours=3)
    min_requests: int = 100
    """Fewer answers than this, before or after, prove nothing about shares."""

    min_increase: float = 0.02
    """Rise of the share of errors or empty answers that matters at all."""

    max_chance: float = 1e-5
    """And how unlikely it must be by chance alone; there are several looks at a deployment."""

    latency_factor: float = 2.0
    min_latency_ms: float = 50.0
    """A p95 below this is fast enough, whatever it was before."""


def deployment_to_watch(
    history: Sequence[DeploymentRecord], now: datetime, window: timedelta
) -> DeploymentRecord | None:
    """The deployment that is still within its window and has a way back; the last record only.

    What a rollback brought live is not watched: two bad models would take turns for ever.
    """
    last = history[-1] if history else None
    if last is None or last.state is not DeploymentState.DEPLOYED:
        return None
    if last.asked not in {Asked.BEST, Asked.BY_NAME} or last.previous_model_id is None:
        return None
    return last if timedelta(0) <= now - last.timestamp_utc <= window else None


def what_got_worse(
    before: TrafficSeen | None, after: TrafficSeen, limits: WatchLimits
) -> str | None:
    """Name what is worse than before by more than chance, or None.

    Without enough answers of the model before, it counts as one that never failed.
    """
    if after.n_requests < limits.min_requests:
        return None
    is_known = before is not None and before.n_requests >= limits.min_requests
    base = before if before is not None and is_known else TrafficSeen(n_requests=after.n_requests)
    shares = (
        ("errors", base.n_errors, after.n_errors),
        ("empty answers", base.n_empty, after.n_empty),
    )
    for name, was, now in shares:
        if _is_worse(was, base.n_requests, now, after.n_requests, limits):
            return f"{name}: {now / after.n_requests:.1%} instead of {was / base.n_requests:.1%}"
    was_ms, now_ms = base.latency_ms_p95, after.latency_ms_p95
    if was_ms is None or now_ms is None or now_ms < limits.min_latency_ms:
        return None
    if now_ms > limits.latency_factor * was_ms:
        return f"latency (p95): {now_ms:.0f} ms instead of {was_ms:.0f} ms"
    return None


def _is_worse(was: int, n_was: int, now: int, n_now: int, limits: WatchLimits) -> bool:
    if now / n_now - was / n_was < limits.min_increase:
        return False
    return chance_of_as_many(was, n_was, now, n_now) <= limits.max_chance


def chance_of_as_many(was: int, n_was: int, now: int, n_now: int) -> float:
    """Chance of `now` or more among the recent answers if both models fail alike.

    Fisher's exact test, one-sided: the tail of the hypergeometric distribution.
    """
    total, failures = n_was + n_now, was + now
    log_choose = [
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        for n, k in ((failures, now), (total - failures, n_now - now), (total, n_now))
    ]
    term = math.exp(log_choose[0] + log_choose[1] - log_choose[2])
    tail, k = 0.0, now
    while term > tail * 1e-12 and term > 0:
        tail += term
        term *= (failures - k) * (n_now - k) / ((k + 1) * (total - failures - n_now + k + 1))
        k += 1
    return min(tail, 1.0)
