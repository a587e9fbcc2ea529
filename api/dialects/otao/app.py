"""The OTAO dialect: Kaa's over-the-air orchestrator, and its device side, over the fleet."""

from collections.abc import Iterable

import structlog
from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from polyfleet.api.core.documentation import documented, name_credentials, name_parts
from polyfleet.api.core.errors import PolyfleetError, from_api_error
from polyfleet.api.core.facade import Facade
from polyfleet.api.core.routing import RouteTable, raw_path
from polyfleet.api.dialects.otao import device_side, endpoint_routes, errors, software_routes
from polyfleet.api.dialects.otao.routes import SCOPES, Route, describe
from polyfleet.api.dialects.otao.software import Software
from polyfleet.kube.errors import ApiError

PREFIXES = ("/api/v1/applications", "/api/v1/endpoints", "/otao", "/kp1", "/kpc")
BASES = ("/api/v1", "/otao/api/v1")
"""The document's base path, and the one of Kaa Cloud."""
OPENAPI = "/otao/openapi.json"

_DEVICE_PREFIXES = ("/kp1", "/kpc")
_TOKEN = "endpointToken"  # noqa: S105 - the name of a parameter

log = structlog.get_logger("polyfleet.otao")


def create_dialect(facade: Facade) -> ASGIApp:
    """Return the application that answers Kaa's clients and devices."""
    software = Software(facade)
    table: list[Route] = []
    for base in BASES:
        table += software_routes.routes(
            software_routes.SoftwareRoutes(facade, software, base), base
        )
        table += endpoint_routes.routes(endpoint_routes.EndpointRoutes(facade, software), base)
    table += device_side.routes(device_side.DeviceRoutes(facade, software))
    return OtaoApplication(table)


class OtaoApplication:
    """Answers the routes of the table; the framework documents them."""

    def __init__(self, table: list[Route]) -> None:
        self._routes = RouteTable(table)
        self._described = _described(table)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan" or (
            scope["type"] == "http" and scope["path"] == OPENAPI and scope["method"] == "GET"
        ):
            await self._described(scope, receive, send)
        elif scope["type"] == "http":
            response = await self._answer(scope, receive)
            if response is not None:
                await response(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    async def _answer(self, scope: Scope, receive: Receive) -> Response | None:
        side: errors.Side = "device" if scope["path"].startswith(_DEVICE_PREFIXES) else "people"
        found = self._routes.find(raw_path(scope))
        if found is None:
            return errors.answer(side, 404, errors.NOT_FOUND)
        scope["route"] = found.template  # the metrics' name for it
        route = found.methods.get(scope["method"])
        if route is None:
            allow = {"Allow": ", ".join(sorted(found.methods))}
            return errors.answer(side, 405, errors.NOT_ALLOWED, allow)
        try:
            parameters = found.decoded()
        except UnicodeDecodeError:
            return errors.answer(side, 404, errors.NOT_FOUND)
        scope[device_side.TOKEN] = parameters.pop(_TOKEN, "")
        scope["path_params"] = parameters
        return await _run(route, Request(scope, receive))


async def _run(route: Route, request: Request) -> Response | None:
    try:
        return await route.endpoint(request)
    except PolyfleetError as error:
        return errors.render(route.side, error)
    except ApiError as error:
        return errors.render(route.side, from_api_error(error))
    except ClientDisconnect:
        return None
    except Exception:
        log.exception("request failed", path=route.path)
        return errors.answer(route.side, 500, errors.INTERNAL)


def _described(table: Iterable[Route]) -> FastAPI:
    application = documented(
        title="Over-the-air orchestrator REST API",
        version="v1",
        description=(
            "The API of Kaa's OTAO, answered by Polyfleet; also below /otao/api/v1. Devices speak "
            "Kaa's configuration protocol over HTTP below /kp1, also below /kpc/kp1."
        ),
        url=OPENAPI,
    )
    # Below the other base paths there is the same once more.
    shown = [r for r in table if r.path.startswith((BASES[0], device_side.BASES[0] + "/"))]
    for route in shown:
        describe(application, route)
    name_parts(application, [route.body for route in shown if route.body is not None])
    flow = {"tokenUrl": "/oauth/token", "scopes": SCOPES}
    scheme = {"type": "oauth2", "flows": {"clientCredentials": flow, "password": flow}}
    name_credentials(application, {"oauth_2_0": scheme})
    return application
