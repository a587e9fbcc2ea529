"""The facade as one ASGI application: one port, one prefix table, one dialect behind each."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol, cast

import structlog
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
)
from starlette.types import ASGIApp, Receive, Scope, Send

from polyfleet.api.core.facade import Facade
from polyfleet.api.core.identity.clock import Clock, wall_clock
from polyfleet.api.core.metrics import RequestMetrics
from polyfleet.api.dispatcher import Dispatcher
from polyfleet.api.lifespan import lifespan_of
from polyfleet.api.operations import PREFIXES as OPERATIONS_PREFIXES
from polyfleet.api.operations import CacheMetrics, create_operations
from polyfleet.api.operations_port import is_misplaced, no_such_path
from polyfleet.api.settings import Settings
from polyfleet.api.startup import open_facade
from polyfleet.api.tracing import traced

PARTS = {
    "native": "polyfleet.api.native.app",
    "identity": "polyfleet.api.core.identity.endpoint",
    "rdfm": "polyfleet.api.dialects.rdfm.app",
    "inventory": "polyfleet.api.dialects.inventory.app",
    "drogue": "polyfleet.api.dialects.drogue.app",
    "deis": "polyfleet.api.dialects.deis.app",
    "otao": "polyfleet.api.dialects.otao.app",
}
"""What answers requests; a dialect that is switched off is not even imported."""

DOCUMENTS = {
    "native": "/polyfleet/v1/openapi.json",
    "identity": "/oauth/openapi.json",
    "rdfm": "/api/v2/openapi.json",
    "deis": "/v1/openapi.json",
    "otao": "/otao/openapi.json",
    "inventory": "/api/management/v1/inventory/openapi.json",
    "drogue": "/api/registry/v1alpha1/openapi.json",
}
"""Where the parts that have an OpenAPI document serve it."""

log = structlog.get_logger("polyfleet.api")


class Part(Protocol):
    """A module that answers the paths below its prefixes."""

    PREFIXES: tuple[str, ...]

    def create_dialect(self, facade: Facade) -> ASGIApp:
        """Return the application that answers them."""
        ...


class FacadeApplication:
    """The ASGI application; `facade` is set from its startup to its shutdown."""

    def __init__(self, settings: Settings, clock: Clock = wall_clock) -> None:
        self._settings = settings
        self._clock = clock
        self._dispatcher: ASGIApp | None = None
        self.facade: Facade | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or a WebSocket, or run the lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif self._dispatcher is None:
            raise RuntimeError("the application is not started: its lifespan must run first")
        elif self._settings.operations_port is not None and is_misplaced(
            scope, self._settings.operations_port
        ):
            await no_such_path(scope, receive, send)
        else:
            await self._dispatcher(scope, receive, send)

    def stop_waiting(self) -> None:
        """Have requests that wait for news answered now: the process is to end."""
        if self.facade is not None:
            self.facade.stopping.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Facade]:
        """Open the facade and its dialects for the length of the block."""
        registry = CollectorRegistry()
        metrics = RequestMetrics()
        registry.register(metrics)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        async with AsyncExitStack() as stack:
            facade = await stack.enter_async_context(
                open_facade(self._settings, registry, clock=self._clock)
            )
            registry.register(CacheMetrics(facade))
            dispatcher = Dispatcher(metrics)
            off = self._settings.dialects_off
            documents = {name: path for name, path in DOCUMENTS.items() if name not in off}
            operations = create_operations(facade, registry, documents)
            dispatcher.mount("operations", operations, OPERATIONS_PREFIXES)
            for name, part in _parts(self._settings):
                application = part.create_dialect(facade)
                await stack.enter_async_context(lifespan_of(application))
                dispatcher.mount(name, application, part.PREFIXES)
            self._dispatcher = await stack.enter_async_context(
                traced(dispatcher, self._settings.tracing)
            )
            self.facade = facade
            try:
                yield facade
            finally:
                self.facade = None

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        started = False
        try:
            async with self.running():
                await send({"type": "lifespan.startup.complete"})
                started = True
                log.info("facade started", namespace=self._settings.namespace)
                await receive()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("facade failed", while_starting=not started)
            phase = "shutdown" if started else "startup"
            await send({"type": f"lifespan.{phase}.failed", "message": str(error)})
        else:
            await send({"type": "lifespan.shutdown.complete"})


def create_app(settings: Settings, clock: Clock = wall_clock) -> FacadeApplication:
    """Return the facade; it opens the API server and fills its cache in its lifespan."""
    return FacadeApplication(settings, clock)


def _parts(settings: Settings) -> list[tuple[str, Part]]:
    return [
        (name, cast("Part", importlib.import_module(module)))
        for name, module in PARTS.items()
        if name not in settings.dialects_off
    ]
