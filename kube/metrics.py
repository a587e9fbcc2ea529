"""What the connection to the API server counts and times, for Prometheus."""

from collections.abc import Callable
from weakref import WeakKeyDictionary

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_made: WeakKeyDictionary[CollectorRegistry, "Metrics"] = WeakKeyDictionary()


class Metrics:
    """The metrics of one registry; use `metrics_of` to get them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "polyfleet_api_requests",
            "Requests to the Kubernetes API server; code 0 is no answer.",
            ("verb", "kind", "code"),
            registry=registry,
        )
        self._seconds = Histogram(
            "polyfleet_api_request_seconds",
            "Time until the Kubernetes API server had answered.",
            ("verb", "kind"),
            buckets=_REQUEST_SECONDS,
            registry=registry,
        )
        self.watch_restarts = Counter(
            "polyfleet_watch_restarts",
            "Watches that ended and were started again.",
            ("kind", "cause"),
            registry=registry,
        )
        self.relists = Counter(
            "polyfleet_relists",
            "Times that all objects of a kind were read anew.",
            ("kind",),
            registry=registry,
        )
        self.unreadable = Counter(
            "polyfleet_unreadable_objects",
            "Objects that came over the wire in a form we cannot read.",
            ("kind",),
            registry=registry,
        )
        self._objects = Gauge(
            "polyfleet_cache_objects",
            "Objects in the cache.",
            ("kind",),
            registry=registry,
        )
        self._progress = Gauge(
            "polyfleet_cache_seconds_since_progress",
            "Seconds since the cache last heard of the API server.",
            ("kind",),
            registry=registry,
        )
        # Looking a child up by its label values costs more than counting does.
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._timers: dict[tuple[str, str], Histogram] = {}

    def request(self, verb: str, kind: str, code: int, seconds: float) -> None:
        """Count one request and its duration."""
        counter = self._counters.get((verb, kind, code))
        if counter is None:
            counter = self._requests.labels(verb, kind, str(code))
            self._counters[verb, kind, code] = counter
        timer = self._timers.get((verb, kind))
        if timer is None:
            timer = self._timers[verb, kind] = self._seconds.labels(verb, kind)
        counter.inc()
        timer.observe(seconds)

    def watch_cache(
        self, kind: str, objects: Callable[[], float], seconds: Callable[[], float]
    ) -> None:
        """Have the gauges of a kind read from its store."""
        self._objects.labels(kind).set_function(objects)
        self._progress.labels(kind).set_function(seconds)


def metrics_of(registry: CollectorRegistry = REGISTRY) -> Metrics:
    """Return the metrics of a registry, made on first use."""
    if registry not in _made:
        _made[registry] = Metrics(registry)
    return _made[registry]
