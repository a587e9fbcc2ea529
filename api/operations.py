"""The routes that an installation is watched by: /healthz, /readyz and /metrics."""

from collections.abc import Iterable

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from polyfleet.api.core.facade import Facade

PREFIXES = ("/healthz", "/readyz", "/metrics")


def create_operations(facade: Facade, registry: CollectorRegistry) -> Starlette:
    """Return the application that answers the probes and the metrics' scraper."""

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
    """How many objects the cache holds, and whether this replica makes offers."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade

    def collect(self) -> Iterable[Metric]:
        """Yield the present figures."""
        allowed = GaugeMetricFamily(
            "polyfleet_offers_allowed", "1 if this replica's knowledge is fresh enough for offers."
        )
        allowed.add_metric((), float(self._facade.offers_allowed()))
        yield allowed


def _json(status: int, body: object) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
