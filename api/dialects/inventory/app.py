"""The Mender dialect: Mender's device inventory over the fleet's resources."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from polyfleet.api.core.documentation import documented, name_credentials, name_parts
from polyfleet.api.core.errors import PolyfleetError, from_api_error
from polyfleet.api.core.facade import Facade
from polyfleet.api.core.routing import Found, RouteTable, raw_path
from polyfleet.api.dialects.inventory import device_side, devices, errors, groups, login
from polyfleet.api.dialects.inventory.access import Access
from polyfleet.api.dialects.inventory.documents import Documents
from polyfleet.api.dialects.inventory.index.fleet_index import FleetIndex
from polyfleet.api.dialects.inventory.request_ids import with_request_id
from polyfleet.api.dialects.inventory.routes import Route, describe, models_of
from polyfleet.kube.errors import ApiError

PREFIXES = ("/api/management", "/api/devices", "/api/0.1.0")
SERVICE = "/api/0.1.0"
BASES = ("/api/management/v1/inventory", SERVICE)
"""The document's paths, and those of the service itself behind its gateway."""
OPENAPI = "/api/management/v1/inventory/openapi.json"

log = structlog.get_logger("polyfleet.inventory")


def create_dialect(facade: Facade) -> ASGIApp:
    """Return the application that answers Mender's clients."""
    access = Access(facade)
    documents = Documents(facade)
    index = FleetIndex(facade, name_of=documents.name_of, group_of=documents.group_of)
    table = _table(facade, access, index, documents)
    return InventoryApplication(table, _described(table, index))


class InventoryApplication:
    """Answers the routes of the table; the framework documents them."""

    def __init__(self, table: list[Route], described: FastAPI) -> None:
        self._routes = RouteTable(table)
        self._described = described

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan" or (
            scope["type"] == "http" and scope["path"] == OPENAPI and scope["method"] == "GET"
        ):
            await self._described(scope, receive, send)
        elif scope["type"] == "http":
            response = await self._answer(scope, receive)
            if response is not None:
                await response(scope, receive, with_request_id(scope, send))
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    async def _answer(self, scope: Scope, receive: Receive) -> Response | None:
        request = Request(scope, receive)
        found = self._routes.find(raw_path(scope))
        if found is None:
            return errors.answer(request, 404, errors.NOT_FOUND)
        scope["route"] = found.template  # the metrics' name for it
        route = found.methods.get(scope["method"])
        if route is None:
            return _other_method(request, found)
        scope[errors.CHALLENGE] = route.challenge
        try:
            scope["path_params"] = found.decoded()
        except UnicodeDecodeError:
            return errors.answer(request, 404, errors.NOT_FOUND)
        return await _run(route, request)


async def _run(route: Route, request: Request) -> Response | None:
    try:
        return await route.endpoint(request)
    except PolyfleetError as error:
        return errors.render(request, error)
    except ApiError as error:
        return errors.render(request, from_api_error(error))
    except ClientDisconnect:
        return None
    except Exception:
        log.exception("request failed", path=route.path)
        return errors.answer(request, 500, errors.INTERNAL)


def _other_method(request: Request, found: Found[Route]) -> Response:
    methods = sorted(found.methods)
    if request.method == "OPTIONS":
        response = Response(None, 200)
        response.raw_headers += [(b"allow", method.encode()) for method in methods]
        return response
    allow = {"Allow": ", ".join(methods)}
    return errors.answer(request, 405, errors.NOT_ALLOWED, allow)


def _table(facade: Facade, access: Access, index: FleetIndex, documents: Documents) -> list[Route]:
    device_routes = devices.DeviceRoutes(facade, access, index, documents)
    group_routes = groups.GroupRoutes(facade, access, index, documents)
    table = [
        *login.routes(login.LoginRoutes(facade)),
        *device_side.routes(device_side.AttributeRoutes(facade)),
        devices.search_route(device_routes),
    ]
    for base in BASES:
        table += devices.routes(device_routes, base)
        table += groups.routes(group_routes, base)
    return table


def _described(table: list[Route], index: FleetIndex) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        index.close()

    application = documented(
        title="Device inventory",
        version="1",
        description="The API of Mender's device inventory, answered by Polyfleet.",
        url=OPENAPI,
        lifespan=lifespan,
    )
    # Below the service's own path there is the same once more.
    shown = [route for route in table if not route.path.startswith(SERVICE)]
    for route in shown:
        describe(application, route)
    name_parts(application, models_of(shown))
    bearer = {"type": "http", "scheme": "bearer"}
    password = {"type": "http", "scheme": "basic"}
    name_credentials(
        application, {"ManagementToken": bearer, "DeviceToken": bearer, "Password": password}
    )
    return application
