"""The Deis dialect: the Controller's API, version 1.0, over the fleet's resources."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from polyfleet.api.core.documentation import documented, name_credentials
from polyfleet.api.core.errors import PolyfleetError, from_api_error
from polyfleet.api.core.facade import Facade
from polyfleet.api.core.routing import Found, raw_path
from polyfleet.api.dialects.deis import (
    accounts,
    admin_perms,
    applications,
    bodies,
    builds,
    clients,
    configs,
    containers,
    domains,
    errors,
    hooks,
    keys,
    logs,
    perms,
    releases,
    root,
    runs,
    scaling,
)
from polyfleet.api.dialects.deis.activity import Activity
from polyfleet.api.dialects.deis.changes import Changes
from polyfleet.api.dialects.deis.documents import Documents
from polyfleet.api.dialects.deis.pods import Pods
from polyfleet.api.dialects.deis.routes import BASE, Route, RouteTable, describe
from polyfleet.kube.errors import ApiError
from polyfleet.kube.releases import index_workloads

PREFIXES = (BASE,)
OPENAPI = f"{BASE}/openapi.json"

log = structlog.get_logger("polyfleet.deis")


def create_dialect(facade: Facade) -> ASGIApp:
    """Return the application that answers Deis' clients."""
    activity = Activity(facade.client)
    pods = Pods(facade)
    documents = Documents(facade.cache)
    table = [
        *_table(facade, documents, activity),
        *containers.routes(containers.ContainerRoutes(facade, pods)),
        *logs.routes(logs.LogRoutes(facade, documents, pods)),
        *runs.routes(runs.RunRoutes(facade, documents, pods, activity)),
    ]

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with activity, pods:
            yield

    # Scripts in browsers may call; they carry their token themselves, never a cookie.
    return CORSMiddleware(
        DeisApplication(table, lifespan),
        allow_origins=["*"],
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["X-Deis-Release", "Deis-Release"],
    )


def _table(facade: Facade, documents: Documents, activity: Activity) -> list[Route]:
    index_workloads(facade.cache)
    changes = Changes(facade)
    build_routes = builds.BuildRoutes(facade, changes)
    return [
        *root.routes(root.RootRoutes(facade)),
        *accounts.routes(accounts.AccountRoutes(facade)),
        *applications.routes(applications.ApplicationRoutes(facade, documents, changes)),
        *configs.routes(configs.ConfigRoutes(facade, changes)),
        *builds.routes(build_routes),
        *hooks.routes(hooks.HookRoutes(facade, build_routes, changes, activity)),
        *releases.routes(releases.ReleaseRoutes(facade, documents, changes)),
        *scaling.routes(scaling.ScaleRoutes(facade, documents, activity)),
        *keys.routes(keys.KeyRoutes(facade)),
        *domains.routes(domains.DomainRoutes(facade, activity)),
        *perms.routes(perms.PermissionRoutes(facade, activity)),
        *admin_perms.routes(admin_perms.AdministratorRoutes(facade)),
    ]


class DeisApplication:
    """Answers the routes of the table; the framework documents them."""

    def __init__(self, table: list[Route], lifespan: Lifespan[FastAPI]) -> None:
        self._routes = RouteTable(table)
        self._described = _described(table, lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan" or (
            scope["type"] == "http" and scope["path"] == OPENAPI and scope["method"] == "GET"
        ):
            await self._described(scope, receive, send)
        elif scope["type"] == "http":
            request = Request(scope, receive)
            response = await self._answer(request)
            if response is not None:
                await clients.announce(request, response)(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    async def _answer(self, request: Request) -> Response | None:
        found = self._routes.find(raw_path(request.scope))
        if found is None:
            return errors.detail(404, errors.NOT_FOUND)
        try:
            request.scope["path_params"] = found.decoded()
        except UnicodeDecodeError:
            return errors.detail(404, errors.NOT_FOUND)
        request.scope["route"] = found.template  # the metrics' name for it
        version = clients.wrong_version(request)
        if version is not None:
            return _wrong_version(version)
        method = "GET" if request.method == "HEAD" else request.method
        route = found.methods.get(method)
        if route is None:
            return _other_method(request, found)
        return await _run(route, request)


async def _run(route: Route, request: Request) -> Response | None:
    try:
        return await route.endpoint(request)
    except PolyfleetError as error:
        return errors.render(error)
    except ApiError as error:
        return errors.render(from_api_error(error))
    except ClientDisconnect:
        return None
    except Exception:
        log.exception("request failed", path=route.path)
        return errors.detail(500, errors.UNEXPECTED)


def _wrong_version(version: str) -> Response:
    text = (
        "Client and server versions do not match. "
        f"Client version: {version} Server version: {clients.API_VERSION}"
    )
    return errors.answer(405, {"error": text})


def _other_method(request: Request, found: Found[Route]) -> Response:
    methods = found.methods
    also = ["HEAD", "OPTIONS"] if "GET" in methods else ["OPTIONS"]
    allow = {"Allow": ", ".join(sorted([*methods, *also]))}
    if request.method == "OPTIONS":
        first = next(iter(methods.values()))
        about = {
            "name": first.summary,
            "description": "",
            "renders": [bodies.JSON],
            "parses": list(bodies.READ),
        }
        return errors.answer(200, about, allow)
    return errors.detail(405, f"Method '{request.method}' not allowed.", allow)


def _described(table: list[Route], lifespan: Lifespan[FastAPI]) -> FastAPI:
    application = documented(
        title="Controller API",
        version="1.0",
        description="The API of the Deis Controller, answered by Polyfleet.",
        url=OPENAPI,
        lifespan=lifespan,
    )
    errors.register(application)
    for route in table:
        describe(application, route)
    header = {"type": "apiKey", "in": "header"}
    described = "`token` and the token of a login, or an access token"
    name_credentials(
        application,
        {
            "Token": header | {"name": "Authorization", "description": described},
            "BuilderKey": header | {"name": "X-Deis-Builder-Auth"},
        },
    )
    return application
