"""The routes of this dialect: matched on the path as it was sent.

The names of devices may hold slashes, sent as `%2F`; a path that is decoded before it is split
would break them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.requests import Request
from starlette.types import Scope

from polyfleet.api.core import documentation, routing
from polyfleet.api.core.errors import Invalid
from polyfleet.api.dialects.drogue.schemas import ErrorBody

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

_NUMBER = {"type": "integer", "minimum": 0}
_QUERIED: Mapping[str, Any] = {
    "labels": {"type": "array", "items": {"type": "string"}},
    "limit": _NUMBER,
    "offset": _NUMBER,
    "timeout": {"type": "number", "minimum": 0},
}
"""Parameters of a query that are no texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(routing.Route):
    """A route; `statuses` begins with the one of success."""

    statuses: tuple[int, ...]
    query: tuple[str, ...] = ()
    body: type[BaseModel] | None = None
    body_required: bool = True
    headers: tuple[str, ...] = ()
    """Those of the answer that say something of their own."""
    heads: bool = True
    """Whether a GET route answers HEAD too."""
    unauthenticated: int | None = None
    """The status for credentials that do not hold, where it is not 403."""


def methods_of(table: routing.RouteTable[Route], scope: Scope) -> dict[str, Route]:
    """Return the routes of a request's path by method, and note its parameters in the scope."""
    found = table.find(routing.raw_path(scope))
    if found is None:
        return {}
    scope["path_params"] = found.parameters
    scope["route"] = found.template  # the metrics' name for it
    methods = dict(found.methods)
    shown = methods.get("GET")
    if shown is not None and shown.heads:
        methods["HEAD"] = shown
    return methods


def parameter(request: Request, name: str) -> str:
    """Return a decoded part of the path. Raises Invalid if it is no UTF-8."""
    try:
        return unquote(request.path_params[name], errors="strict")
    except UnicodeDecodeError:
        raise Invalid(name, "is not UTF-8") from None


def register(application: FastAPI, route: Route) -> None:
    """Add the route to the application that documents all of them."""
    success = route.statuses[0]
    responses = documentation.responses_of(_statuses(route), _DESCRIPTIONS, ErrorBody)
    if route.reply is not None:
        responses[success]["model"] = route.reply
    if route.headers:
        text = {"schema": {"type": "string"}}
        responses[success]["headers"] = dict.fromkeys(route.headers, text)
    documentation.describe(application, route, responses, _openapi(route), status=success)


def _statuses(route: Route) -> set[int]:
    """Return its own statuses, and those that come of what all such routes do first."""
    found = set(route.statuses)
    if len(found) > 1:
        found |= {429, 503}  # somebody logs in
    if route.body is not None:
        found |= {400, 413}
    if "{" in route.path:
        found.add(400)  # a name that is no UTF-8
    return found


def _openapi(route: Route) -> dict[str, Any]:
    query = [_queried(name.rstrip("!"), required=name.endswith("!")) for name in route.query]
    extra: dict[str, Any] = {"parameters": [*documentation.parameters(route.path), *query]}
    if route.body is not None:
        extra["requestBody"] = documentation.body_of(
            documentation.schema_of(route.body), required=route.body_required
        )
    return extra


def _queried(name: str, *, required: bool) -> dict[str, Any]:
    found = documentation.parameter(name, "query", required=required)
    return {**found, "schema": _QUERIED.get(name, found["schema"])}
