"""Counts of requests, cheap enough for every request; no label has a value for each device."""

import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds of the classes that request times are counted in."""

Route = tuple[str, str, str]
"""Dialect, method, and the template of the path."""


class RequestMetrics(Collector):
    """Requests by dialect, route and status, and how long they took.

    Plain dictionaries rather than the library's own counters: those take a lock and look up
    their labels on each request, ten times the cost.
    """

    def __init__(self) -> None:
        self._statuses: dict[tuple[str, str, str, int], int] = {}
        self._times: dict[Route, list[int]] = {}
        self._sums: dict[Route, float] = {}
        self._sockets: dict[str, int] = {}

    @contextmanager
    def open_websocket(self, dialect: str) -> Iterator[None]:
        """Count a WebSocket while it is open."""
        self._sockets[dialect] = self._sockets.get(dialect, 0) + 1
        try:
            yield
        finally:
            self._sockets[dialect] -= 1

    def count(self, dialect: str, method: str, route: str, status: int, started: float) -> None:
        """Count a request that began at `started` of `time.perf_counter()`."""
        seconds = time.perf_counter() - started
        exact = (dialect, method, route, status)
        self._statuses[exact] = self._statuses.get(exact, 0) + 1
        key = (dialect, method, route)
        times = self._times.get(key)
        if times is None:
            times = self._times[key] = [0] * (len(BUCKETS) + 1)
            self._sums[key] = 0.0
        times[bisect_left(BUCKETS, seconds)] += 1
        self._sums[key] += seconds

    def collect(self) -> Iterable[Metric]:
        """Yield the counts in the library's form."""
        requests = CounterMetricFamily(
            "polyfleet_http_requests",
            "Requests answered.",
            labels=("dialect", "method", "route", "status"),
        )
        for (dialect, method, route, status), number in list(self._statuses.items()):
            requests.add_metric((dialect, method, route, str(status)), number)
        yield requests
        seconds = HistogramMetricFamily(
            "polyfleet_http_request_seconds",
            "Time from a request's headers to the end of its answer.",
            labels=("dialect", "method", "route"),
        )
        for key, times in list(self._times.items()):
            seconds.add_metric(key, _cumulative(times), self._sums[key])
        yield seconds
        sockets = GaugeMetricFamily(
            "polyfleet_websockets", "WebSockets that are open now.", labels=("dialect",)
        )
        for dialect, number in list(self._sockets.items()):
            sockets.add_metric((dialect,), number)
        yield sockets


class DecisionMetrics(Collector):
    """Decisions that devices asked for, by dialect and by the reason of the answer."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}

    def count(self, dialect: str, reason: str) -> None:
        """Count a decision; `reason` is one of a fixed set, never data of a device."""
        key = (dialect, reason)
        self._counts[key] = self._counts.get(key, 0) + 1

    def collect(self) -> Iterable[Metric]:
        """Yield the counts in the library's form."""
        decisions = CounterMetricFamily(
            "polyfleet_decisions",
            "Times that a device asked what it gets, by the reason of the answer.",
            labels=("dialect", "reason"),
        )
        for labels, number in list(self._counts.items()):
            decisions.add_metric(labels, number)
        yield decisions


def _cumulative(times: list[int]) -> list[tuple[str, float]]:
    total = 0
    buckets: list[tuple[str, float]] = []
    for bound, number in zip((*map(str, BUCKETS), "+Inf"), times, strict=True):
        total += number
        buckets.append((bound, total))
    return buckets
