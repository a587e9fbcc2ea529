"""The routes that an installation is watched by, and / that says where everything is."""

from collections.abc import Iterable, Mapping

import orjson
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from polyfleet.api.core.facade import Facade

PREFIXES = ("/", "/healthz", "/readyz", "/metrics")


def create_operations(
    facade: Facade, registry: CollectorRegistry, documents: Mapping[str, str]
) -> Starlette:
    """Return the application that answers the probes and the metrics' scraper.

    `documents` are the paths of the OpenAPI documents, by dialect.
    """
    # When each counter began doubles the series and tells nobody anything.
    disable_created_metrics()  # type: ignore[no-untyped-call]

    async def home(_request: Request) -> Response:
        return _json(
            200,
            {
                "name": "polyfleet",
                "openapi": dict(documents),
                "probes": ["/healthz", "/readyz"],
                "metrics": "/metrics",
            },
        )

    async def healthz(_request: Request) -> Response:
        return _json(200, {"status": "ok"})

    async def readyz(_request: Request) -> Response:
        reasons = unready(facade)
        status = 503 if reasons else 200
        return _json(status, {"status": "unready" if reasons else "ok", "reasons": reasons})

    def metrics(_request: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[
            Route("/", home),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),  # not a coroutine: runs in a worker thread
        ]
    )


def unready(facade: Facade) -> list[str]:
    """Return why this replica should get no requests; empty if it should."""
    reasons = []
    if not facade.cache.synced:
        reasons.append("the cache is not filled yet")
    if not facade.offers_allowed():
        seconds = facade.settings.stale_after
        reasons.append(f"no news of groups, packages or rollouts for {seconds:.0f} seconds")
    return reasons


class CacheMetrics(Collector):
    """Whether this replica makes offers, who waits to be let in, and what waits to be written."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade

    def collect(self) -> Iterable[Metric]:
        """Yield the present figures."""
        allowed = GaugeMetricFamily(
            "polyfleet_offers_allowed", "1 if this replica's knowledge is fresh enough for offers."
        )
        allowed.add_metric((), float(self._facade.offers_allowed()))
        yield allowed
        waiting = GaugeMetricFamily(
            "polyfleet_enrollments_waiting", "Devices that ask to be let in and have no answer."
        )
        enrollments = self._facade.cache.enrollments.values()
        waiting.add_metric((), sum(item.spec.approval is None for item in enrollments))
        yield waiting
        pending = GaugeMetricFamily(
            "polyfleet_reports_pending", "Devices whose reports wait in memory to be written."
        )
        pending.add_metric((), self._facade.reports.pending)
        yield pending


def _json(status: int, body: object) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
