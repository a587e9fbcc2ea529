"""The Drogue Cloud dialect: its registry, administration, tokens and commands over the fleet."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from polyfleet.api.core.documentation import documented, name_parts
from polyfleet.api.core.errors import PolyfleetError, from_api_error
from polyfleet.api.core.facade import Facade
from polyfleet.api.core.routing import RouteTable, raw_path
from polyfleet.api.dialects.drogue import (
    admin,
    application_routes,
    commands,
    device_routes,
    errors,
    system,
    tokens,
)
from polyfleet.api.dialects.drogue.documents import Documents
from polyfleet.api.dialects.drogue.inboxes import Inboxes
from polyfleet.api.dialects.drogue.listing import Order
from polyfleet.api.dialects.drogue.routes import Route, methods_of, register
from polyfleet.kube.errors import ApiError

PREFIXES = (
    "/api/registry",
    "/api/admin",
    "/api/tokens",
    "/api/command",
    "/api/console",
    "/.well-known/drogue-version",
    "/.well-known/drogue-endpoints",
    system.DISCOVERY,
)

log = structlog.get_logger("polyfleet.drogue")


def create_dialect(facade: Facade) -> ASGIApp:
    """Return the application that answers Drogue Cloud's clients."""
    documents = Documents()
    order = Order(facade.cache.applications, facade.cache.devices)
    inboxes = Inboxes(
        facade.cache.commands,
        facade.cache.devices,
        facade.writer,
        clock=facade.clock,
        most_waiting=facade.settings.drogue.waiting_devices,
    )
    table = [
        *tokens.routes(tokens.TokenRoutes(facade)),
        *application_routes.routes(application_routes.ApplicationRoutes(facade, documents, order)),
        *device_routes.routes(device_routes.DeviceRoutes(facade, documents, order)),
        *admin.routes(admin.AdminRoutes(facade)),
        *commands.routes(facade, inboxes),
        *system.routes(system.SystemRoutes(facade)),
    ]
    # Scripts in browsers may call; they carry their token themselves, never a cookie.
    return CORSMiddleware(
        DrogueApplication(table, inboxes),
        allow_origins=["*"],
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["Location", "Command", "Request"],
    )


class DrogueApplication:
    """Answers a request by the path as it was sent; all else is the framework's to refuse."""

    def __init__(self, table: Iterable[Route], inboxes: Inboxes) -> None:
        routes = list(table)
        self._table = RouteTable(routes)
        self._application = _documented(routes, inboxes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        methods = methods_of(self._table, scope) if scope["type"] == "http" else {}
        if route := methods.get(scope.get("method", "")):
            await _run(route, scope, receive, send)
        elif methods:
            await errors.not_allowed(methods)(scope, receive, send)
        else:
            if scope["type"] == "http":
                scope["path"] = raw_path(scope)  # in place, as the metrics read the route there
            await self._application(scope, receive, send)


async def _run(route: Route, scope: Scope, receive: Receive, send: Send) -> None:
    try:
        response = await route.endpoint(Request(scope, receive))
    except PolyfleetError as error:
        response = errors.render(error, unauthenticated=route.unauthenticated)
    except ApiError as error:
        response = errors.render(from_api_error(error))
    except ClientDisconnect:
        return
    except Exception:
        log.exception("request failed", path=route.path)
        response = errors.unexpected()
    await response(scope, receive, send)


def _documented(routes: Sequence[Route], inboxes: Inboxes) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        inboxes.stop()

    application = documented(
        title="Drogue Cloud API",
        version="v1alpha1",
        description="The management API of Drogue Cloud, answered by Polyfleet.",
        url="/api/registry/v1alpha1/openapi.json",
        lifespan=lifespan,
    )
    errors.register(application)
    for route in routes:
        register(application, route)
    name_parts(application, [route.body for route in routes if route.body is not None])
    return application
