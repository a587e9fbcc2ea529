"""The RDFM dialect: RDFM's server API over the fleet's resources."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace

import structlog
from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from polyfleet.api.core.documentation import documented, name_credentials
from polyfleet.api.core.enrollments import Enrollments
from polyfleet.api.core.errors import PolyfleetError, from_api_error
from polyfleet.api.core.facade import Facade
from polyfleet.api.core.routing import Endpoint
from polyfleet.api.dialects.rdfm import auth, devices, errors, group_routes, packages, update
from polyfleet.api.dialects.rdfm.access import Access
from polyfleet.api.dialects.rdfm.connections import Connections
from polyfleet.api.dialects.rdfm.groups import GroupRoutes
from polyfleet.api.dialects.rdfm.routes import DEVICE_TOKEN, MANAGEMENT_TOKEN, Route, register
from polyfleet.api.dialects.rdfm.storage import StorageRoutes
from polyfleet.api.dialects.rdfm.websocket import PATH as SOCKET_PATH
from polyfleet.api.dialects.rdfm.websocket import DeviceSockets
from polyfleet.kube.errors import ApiError

PREFIXES = (
    # What no longer prefix of another dialect claims: so that errors there have RDFM's form.
    "/api/v1",
    "/api/v1/packages",
    "/api/v1/groups",
    "/api/v1/devices",
    "/api/v1/update",
    "/api/v1/auth",
    "/api/v1/permissions",
    "/api/v2",
    "/local_storage",
)

_DEVICE_PREFIX = "/api/v1/devices/"
_LONGEST_SERIAL = 15

log = structlog.get_logger("polyfleet.rdfm")


def create_dialect(facade: Facade) -> ASGIApp:
    """Return the application that answers RDFM's clients."""
    access = Access(facade)
    connections = Connections(facade.cache.devices)
    single = devices.DeviceRoutes(
        facade, access, devices.DeviceDocuments(facade, connections, v2=False)
    )
    table = [*_table(facade, access, connections), *devices.routes(single, v2=False)]
    application = _application(table, connections)
    storage = StorageRoutes(facade)
    application.router.add_route("/local_storage/{path:path}", storage.get, ["GET", "HEAD"])
    application.router.add_websocket_route(SOCKET_PATH, DeviceSockets(facade, connections).serve)
    return RdfmApplication(application, table, single)


class RdfmApplication:
    """Answers the busiest requests at once and hands all others to the framework.

    A device fleet asks mainly three things; for these the way through the framework would cost
    more than the answer.
    """

    def __init__(
        self, application: FastAPI, table: list[Route], single: devices.DeviceRoutes
    ) -> None:
        self._application = application
        self._single = single
        self._hot: Mapping[tuple[str, str], tuple[Endpoint, object]] = {
            (route.method, route.path): (route.endpoint, SimpleNamespace(path=route.path))
            for route in table
            if route.path in {"/api/v1/update/check", "/api/v1/auth/device"}
        }
        self._device = SimpleNamespace(path=f"{_DEVICE_PREFIX}{{identifier:serial}}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or serve a WebSocket."""
        if scope["type"] == "http":
            hot = self._hot.get((scope["method"], scope["path"]))
            if hot is not None:
                scope["route"] = hot[1]  # the metrics' name for it
                await _run(hot[0], scope, receive, send)
                return
            serial = _single_device(scope)
            if serial is not None:
                scope["route"] = self._device

                async def show(request: Request) -> Response:
                    return await self._single.show(request, serial)

                await _run(show, scope, receive, send)
                return
        await self._application(scope, receive, send)


async def _run(endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
    try:
        response = await endpoint(Request(scope, receive))
    except PolyfleetError as error:
        response = errors.render(error)
    except ApiError as error:
        response = errors.render(from_api_error(error))
    except ClientDisconnect:
        response = errors.gone()
    except Exception:
        log.exception("request failed", path=scope["route"].path)
        response = errors.unexpected()
    await response(scope, receive, send)


def _single_device(scope: Scope) -> int | None:
    path: str = scope["path"]
    if scope["method"] != "GET" or not path.startswith(_DEVICE_PREFIX):
        return None
    text = path[len(_DEVICE_PREFIX) :]
    numeric = text.isascii() and text.isdigit() and len(text) <= _LONGEST_SERIAL
    return int(text) if numeric else None


def _table(facade: Facade, access: Access, connections: Connections) -> list[Route]:
    enrollments = Enrollments(
        facade.cache.enrollments,
        facade.writer,
        facade.appearances,
        clock=facade.clock,
        limits=facade.settings.enrollment,
        reports=facade.settings.reports,
    )
    second = devices.DeviceDocuments(facade, connections, v2=True)
    return [
        *update.routes(update.UpdateRoutes(facade)),
        *auth.routes(auth.AuthRoutes(facade, access, enrollments)),
        *packages.routes(packages.PackageRoutes(facade, access)),
        *group_routes.routes(GroupRoutes(facade, access, v2=False), v2=False),
        *group_routes.routes(GroupRoutes(facade, access, v2=True), v2=True),
        *devices.routes(devices.DeviceRoutes(facade, access, second), v2=True),
    ]


def _application(table: list[Route], connections: Connections) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        connections.stop()

    application = documented(
        title="RDFM server API",
        version="v1",
        description="The API of RDFM's management server, answered by Polyfleet.",
        url="/api/v2/openapi.json",
        lifespan=lifespan,
    )
    errors.register(application)
    for route in table:
        register(application, route)
    scheme = {"type": "apiKey", "in": "header", "name": "Authorization"}
    name_credentials(
        application,
        {
            MANAGEMENT_TOKEN: scheme | {"description": "`Bearer token=<token>`"},
            DEVICE_TOKEN: scheme | {"description": "`Bearer token=<token of auth/device>`"},
        },
    )
    return application
