"""Which route answers a request, and what its documentation says.

Every path is answered with and without one slash at its end: the Python command lines send none,
the Go command line always does.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import unquote

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.dialects.deis import bodies
from polyfleet.api.dialects.deis.schemas import Mistakes, Problem, VersionMismatch

Endpoint = Callable[[Request], Awaitable[Response]]

BASE = "/v1"
_REST = ":rest"
_FIRST_ERROR = 400
_DESCRIPTIONS = {
    200: "Done",
    201: "Created",
    204: "Done; nothing to show",
    400: "The request is malformed; the fields at fault are named",
    401: "No credentials, or none that hold",
    403: "The caller may not do this",
    404: "There is no such object, or the caller has no access to it",
    405: "The client speaks another version",
    409: "The request does not fit the present state",
    413: "The body is too large",
    415: "The body is of a type that is not read",
    429: "Too many requests of this sort",
    503: "The cluster did not do it in time",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route; `status` is that of success, `statuses` are those beside the ones of all routes.

    Path parameters are single segments, but `{id:rest}` is all that is left.
    """

    method: str
    path: str
    endpoint: Endpoint
    summary: str
    status: int = 200
    statuses: tuple[int, ...] = ()
    body: type[BaseModel] | None = None
    body_needed: bool = True
    reply: Any = None
    media_type: str = bodies.JSON
    query: tuple[str, ...] = ()
    open: bool = False
    """Whether callers without credentials are answered."""
    builder: bool = False
    """Whether it is for the builder, which has a key of its own."""


@dataclass(frozen=True, slots=True)
class Place:
    """A path and what answers there, by method."""

    pattern: re.Pattern[str]
    shown: SimpleNamespace
    methods: dict[str, Route] = field(default_factory=dict)


class Found(NamedTuple):
    """The place that a path leads to, and its decoded parameters."""

    place: Place
    parameters: Mapping[str, str]


class RouteTable:
    """Finds places by the path as it was sent, so that a key's id may hold a slash."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._places: dict[str, list[Place]] = {}
        by_path: dict[str, Place] = {}
        for route in routes:
            place = by_path.get(route.path)
            if place is None:
                shown = SimpleNamespace(path=route.path.replace(_REST, ""))
                place = by_path[route.path] = Place(_pattern(route.path), shown)
                self._places.setdefault(_section(route.path), []).append(place)
            place.methods[route.method] = route
        for places in self._places.values():
            # What is spelled out comes before what is a parameter.
            places.sort(key=lambda place: place.shown.path.count("{"))

    def find(self, path: str) -> Found | None:
        """Return the place of a path; None if it is none."""
        for place in self._places.get(_section(path), ()):
            match = place.pattern.fullmatch(path)
            if match is not None:
                try:
                    values = {
                        name: unquote(value, errors="strict")
                        for name, value in match.groupdict().items()
                    }
                except UnicodeDecodeError:
                    return None
                return Found(place, values)
        return None


def describe(application: FastAPI, route: Route) -> None:
    """Add the route to the OpenAPI document."""
    responses: dict[int | str, dict[str, Any]] = {}
    for status in sorted({route.status, *_statuses(route)}):
        responses[status] = {"description": _DESCRIPTIONS[status]}
        if status >= _FIRST_ERROR:
            responses[status]["model"] = _error(status)
    if route.reply is not None:
        if route.media_type == bodies.JSON:
            responses[route.status]["model"] = route.reply
        else:
            schema = {"schema": route.reply}
            responses[route.status]["content"] = {route.media_type: schema}
    application.add_api_route(
        route.path.replace(_REST, ""),
        route.endpoint,
        methods=[route.method],
        summary=route.summary,
        name=f"{route.method.lower()} {route.path}",
        status_code=route.status,
        response_class=Response,
        response_model=None,
        responses=responses,
        openapi_extra=_extra(route),
    )


def _statuses(route: Route) -> set[int]:
    found = {405, 503, *route.statuses}
    if not route.builder:
        found.add(429)  # passwords are taken, too
    if not route.open:
        found.add(401)
    if route.body is not None:
        found |= {400, 413, 415}
    return found


def _error(status: int) -> Any:
    if status == 400:  # noqa: PLR2004 - HTTP statuses are clearer as numbers
        return Problem | Mistakes
    return VersionMismatch if status == 405 else Problem  # noqa: PLR2004


def _extra(route: Route) -> dict[str, Any]:
    text = {"type": "string"}
    names = re.findall(r"{(\w+)", route.path)
    parameters = [{"name": name, "in": "path", "required": True, "schema": text} for name in names]
    parameters += [
        {"name": name, "in": "query", "required": False, "schema": text} for name in route.query
    ]
    scheme = "BuilderKey" if route.builder else "Token"
    extra: dict[str, Any] = {
        "parameters": parameters,
        "security": [] if route.open else [{scheme: []}],
    }
    if route.body is not None:
        schema = route.body.model_json_schema(ref_template="#/components/schemas/{model}")
        content = {kind: {"schema": schema} for kind in bodies.READ}
        extra["requestBody"] = {"required": route.body_needed, "content": content}
    return extra


def _section(path: str) -> str:
    return path.split("/", 3)[2] if path.count("/") > 1 else ""


def _pattern(path: str) -> re.Pattern[str]:
    if path == BASE:
        return re.compile(f"{re.escape(path)}/?")
    parts = [_part(part) for part in path.split("/")]
    return re.compile("/".join(parts) + "/?", re.DOTALL)


def _part(part: str) -> str:
    if not part.startswith("{"):
        return re.escape(part)
    name = part[1:-1]
    if name.endswith(_REST):
        return f"(?P<{name.removesuffix(_REST)}>.+?)"
    return f"(?P<{name}>[^/]+)"
