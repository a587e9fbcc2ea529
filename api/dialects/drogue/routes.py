"""The routes of this dialect: matched on the path as it was sent.

The names of devices may hold slashes, sent as `%2F`; a path that is decoded before it is split
would break them.
"""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(routing.Route):
    """A route; `statuses` begins with the one of success."""

    statuses: tuple[int, ...]
    query: tuple[str, ...] = ()
    body: type[BaseModel] | None = None
    heads: bool = True
    """Whether a GET route answers HEAD too."""
    unauthenticated: int | None = None
    """The status for credentials that do not hold, where it is not 403."""


def find(table: routing.RouteTable[Route], scope: Scope) -> Route | None:
    """Return the route of a request, and note in the scope which it is and its parameters."""
    found = table.find(routing.raw_path(scope))
    if found is None:
        return None
    route = found.methods.get(scope["method"])
    if route is None and scope["method"] == "HEAD":
        shown = found.methods.get("GET")
        route = shown if shown is not None and shown.heads else None
    if route is not None:
        scope["path_params"] = found.parameters
        scope["route"] = found.template  # the metrics' name for it
    return route


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
    query = [
        documentation.parameter(name.rstrip("!"), "query", required=name.endswith("!"))
        for name in route.query
    ]
    extra: dict[str, Any] = {"parameters": [*documentation.parameters(route.path), *query]}
    if route.body is not None:
        extra["requestBody"] = documentation.body_of(documentation.schema_of(route.body))
    return extra
