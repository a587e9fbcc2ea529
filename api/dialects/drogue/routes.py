"""The routes of this dialect: matched on the path as it was sent.

The names of devices may hold slashes, sent as `%2F`; a path that is decoded before it is split
would break them.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from polyfleet.api.core.errors import Invalid
from polyfleet.api.dialects.drogue.schemas import ErrorBody

Endpoint = Callable[[Request], Awaitable[Response]]

_DESCRIPTIONS = {
    200: "Done",
    201: "Created",
    202: "Accepted",
    204: "Done; nothing to show",
    400: "The request is malformed",
    401: "No credentials, or none that hold",
    403: "Not authorized",
    404: "There is no such object, or the caller has no access to it",
    406: "The device cannot be given a command",
    409: "The request does not fit the present state",
    413: "The body is too large",
    429: "Too many failed logins, or too many at once",
    503: "Something that the request needs does not answer, or a queue is full",
}
_FIRST_ERROR = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route; `statuses` begins with the one of success."""

    method: str
    path: str
    endpoint: Endpoint
    summary: str
    statuses: tuple[int, ...]
    query: tuple[str, ...] = ()
    body: type[BaseModel] | None = None
    reply: Any = None
    heads: bool = True
    """Whether a GET route answers HEAD too."""
    unauthenticated: int | None = None
    """The status for credentials that do not hold, where it is not 403."""


@dataclass(frozen=True, slots=True)
class _Entry:
    route: Route
    segments: tuple[str | None, ...]
    """None for a parameter."""
    parameters: tuple[str, ...]
    shown: SimpleNamespace

    def match(self, segments: list[str]) -> dict[str, str] | None:
        values = []
        for wanted, given in zip(self.segments, segments, strict=True):
            if wanted is None:
                if not given:
                    return None
                values.append(given)
            elif wanted != given:
                return None
        return dict(zip(self.parameters, values, strict=True))


class RouteTable:
    """Finds the route of a request."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._entries: dict[tuple[str, int], list[_Entry]] = {}
        for route in routes:
            entry = _entry(route)
            methods = [route.method]
            if route.method == "GET" and route.heads:
                methods.append("HEAD")
            for method in methods:
                key = (method, len(entry.segments))
                self._entries.setdefault(key, []).append(entry)

    def find(self, scope: Scope) -> Route | None:
        """Return the route, and note in the scope which it is and its parameters, undecoded."""
        segments = raw_path(scope).split("/")[1:]
        for entry in self._entries.get((scope["method"], len(segments)), ()):
            parameters = entry.match(segments)
            if parameters is not None:
                scope["path_params"] = parameters
                scope["route"] = entry.shown  # the metrics' name for it
                return entry.route
        return None


def raw_path(scope: Scope) -> str:
    """Return the path as it was sent."""
    raw: bytes | None = scope.get("raw_path")
    return scope["path"] if raw is None else raw.decode("latin-1").partition("?")[0]


def parameter(request: Request, name: str) -> str:
    """Return a decoded part of the path. Raises Invalid if it is no UTF-8."""
    try:
        return unquote(request.path_params[name], errors="strict")
    except UnicodeDecodeError:
        raise Invalid(name, "is not UTF-8") from None


def register(application: FastAPI, route: Route) -> None:
    """Add the route to the application that documents all of them."""
    responses: dict[int | str, dict[str, Any]] = {}
    for status in _statuses(route):
        responses[status] = {"description": _DESCRIPTIONS[status]}
        if status >= _FIRST_ERROR:
            responses[status]["model"] = ErrorBody
    if route.reply is not None:
        responses[route.statuses[0]]["model"] = route.reply
    application.add_api_route(
        route.path,
        route.endpoint,
        methods=[route.method],
        summary=route.summary,
        name=f"{route.method.lower()} {route.path}",
        status_code=route.statuses[0],
        response_class=Response,
        response_model=None,
        responses=responses,
        openapi_extra=_openapi(route),
    )


def _statuses(route: Route) -> list[int]:
    """Return its own statuses, and those that come of what all such routes do first."""
    success, *failures = route.statuses
    found = set(failures)
    if failures:
        found |= {429, 503}  # somebody logs in
    if route.body is not None:
        found |= {400, 413}
    if "{" in route.path:
        found.add(400)  # a name that is no UTF-8
    return [success, *sorted(found)]


def _entry(route: Route) -> _Entry:
    segments = [
        None if part.startswith("{") else part for part in route.path.removeprefix("/").split("/")
    ]
    return _Entry(route, tuple(segments), _parameters(route.path), SimpleNamespace(path=route.path))


def _parameters(path: str) -> tuple[str, ...]:
    return tuple(part[1:-1] for part in path.split("/") if part.startswith("{"))


def _openapi(route: Route) -> dict[str, Any]:
    places = [("path", name) for name in _parameters(route.path)]
    places += [("query", name) for name in route.query]
    extra: dict[str, Any] = {
        "parameters": [
            {
                "name": name.rstrip("!"),
                "in": place,
                "required": place == "path" or name.endswith("!"),
                "schema": {"type": "string"},
            }
            for place, name in places
        ]
    }
    if route.body is not None:
        schema = route.body.model_json_schema(ref_template="#/components/schemas/{model}")
        extra["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    return extra
