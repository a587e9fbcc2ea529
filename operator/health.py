"""What an installation is watched by: /healthz, /readyz and /metrics."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    disable_created_metrics,
    generate_latest,
)

Check = Callable[[], list[str]]
"""Returns what is wrong; empty if all is well."""


@asynccontextmanager
async def serve_health(
    host: str, port: int, *, alive: Check, ready: Check, registry: CollectorRegistry
) -> AsyncIterator[int]:
    """Serve the three routes; yields the port, which is any free one if 0 was asked for."""
    # When each counter began doubles the series and tells nobody anything.
    disable_created_metrics()  # type: ignore[no-untyped-call]

    def probe(check: Check) -> Callable[[web.Request], object]:
        async def handler(_request: web.Request) -> web.Response:
            reasons = check()
            body = {"status": "unready" if reasons else "ok", "reasons": reasons}
            return web.json_response(body, status=503 if reasons else 200)

        return handler

    async def metrics(_request: web.Request) -> web.Response:
        body = generate_latest(registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.router.add_get("/healthz", probe(alive))  # type: ignore[arg-type]  # a coroutine
    application.router.add_get("/readyz", probe(ready))  # type: ignore[arg-type]
    application.router.add_get("/metrics", metrics)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        # To asyncio `::` is IPv6 alone, and no host is every address.
        site = web.TCPSite(runner, None if host == "::" else host, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
