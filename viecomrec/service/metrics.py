"""The counters of all workers in the words of Prometheus."""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from viecomrec.service.traffic import LATENCY_BOUNDS, TrafficCounters
from viecomrec.service.worker import Worker


def exposition(worker: Worker) -> tuple[bytes, str]:
    """The metrics of the whole service and their media type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_WorkerCollector(worker))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _WorkerCollector:
    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def collect(self) -> Iterator[Metric]:
        counters = self._worker.total_traffic()
        yield _requests(counters)
        yield _events(counters)
        yield _latencies(counters)
        yield from self._gauges()

    def _gauges(self) -> Iterator[Metric]:
        states = self._worker.states()
        bundle = self._worker.live.serving.bundle
        is_up = GaugeMetricFamily(
            "viecomrec_model_loaded", "1 if a model answers", labels=["model"]
        )
        if bundle is not None:
            is_up.add_metric([bundle.model_id], 1)
        yield is_up
        yield GaugeMetricFamily("viecomrec_workers", "Worker processes", value=len(states))
        yield GaugeMetricFamily(
            "viecomrec_fresh_events",
            "Events that no snapshot holds yet",
            value=len(self._worker.memory.fresh),
        )


def _requests(counters: TrafficCounters) -> Metric:
    family = CounterMetricFamily(
        "viecomrec_requests", "Answers by address and status", labels=["endpoint", "status"]
    )
    for key, count in sorted(counters.requests.items()):
        endpoint, _, status = key.rpartition(" ")
        family.add_metric([endpoint, status], count)
    return family


def _events(counters: TrafficCounters) -> Metric:
    family = CounterMetricFamily("viecomrec_events", "Events by outcome", labels=["outcome"])
    for outcome, count in sorted(counters.events.items()):
        family.add_metric([outcome], count)
    return family


def _latencies(counters: TrafficCounters) -> Metric:
    family = HistogramMetricFamily(
        "viecomrec_recommend_seconds",
        "Time to answer /recommend by the model now live",
        labels=["model"],
    )
    bounds = [f"{bound:.3g}" for bound in LATENCY_BOUNDS] + ["+Inf"]
    buckets = list(zip(bounds, accumulate(counters.latencies), strict=True))
    family.add_metric([counters.model_id or "none"], buckets, counters.seconds)
    return family
