"""What the operator counts and times, for Prometheus."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Outcome:
    """How one look at an object ended."""

    def __init__(self) -> None:
        self.text = "ok"

    def failed(self, how: str) -> None:
        """Take note of a failure."""
        self.text = how


class LeaseMetrics:
    """Whether this replica is the active one."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._held = Gauge(
            "polyfleet_lease_held",
            "1 if this replica holds the Lease and works, 0 if it waits for it.",
            registry=registry,
        )

    def watch(self, held: Callable[[], bool]) -> None:
        """Have it read from the Lease."""
        self._held.set_function(held)


class QueueMetrics:
    """The metrics of the work queues."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._depth = Gauge(
            "polyfleet_queue_depth",
            "Objects that wait to be looked at.",
            ("queue",),
            registry=registry,
        )
        self._looks = Counter(
            "polyfleet_reconciles",
            "Looks at an object, by how they ended.",
            ("controller", "outcome"),
            registry=registry,
        )
        self._seconds = Histogram(
            "polyfleet_reconcile_seconds",
            "Time that a look at an object took.",
            ("controller",),
            registry=registry,
        )

    def watch(self, queue: str, depth: Callable[[], float]) -> None:
        """Have the depth of a queue read from it."""
        self._depth.labels(queue).set_function(depth)

    @contextmanager
    def timed(self, controller: str) -> Iterator[Outcome]:
        """Count and time what is done meanwhile."""
        outcome = Outcome()
        start = time.perf_counter()
        try:
            yield outcome
        finally:
            self._seconds.labels(controller).observe(time.perf_counter() - start)
            self._looks.labels(controller, outcome.text).inc()
