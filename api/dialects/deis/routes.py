"""Which route answers a request, and what its documentation says.

Every path is answered with and without one slash at its end: the Python command lines send none,
the Go command line always does.
"""

from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from polyfleet.api.core import documentation, routing
from polyfleet.api.dialects.deis import bodies
from polyfleet.api.dialects.deis.schemas import Mistakes, Problem, VersionMismatch

BASE = "/v1"
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
class Route(routing.Route):
    """A route; `status` is that of success, `statuses` are those beside the ones of all routes."""

    status: int = 200
    statuses: tuple[int, ...] = ()
    body: type[BaseModel] | None = None
    body_needed: bool = True
    media_type: str = bodies.JSON
    query: tuple[str, ...] = ()
    open: bool = False
    """Whether callers without credentials are answered."""
    builder: bool = False
    """Whether it is for the builder, which has a key of its own."""


class RouteTable(routing.RouteTable[Route]):
    """Finds routes with and without a slash at the end of their path."""

    def find(self, path: str) -> routing.Found[Route] | None:
        """Return the routes of a path, as it was sent; None if it has none."""
        # The latter for an id that is itself a slash.
        return super().find(path.removesuffix("/")) or super().find(path)


def describe(application: FastAPI, route: Route) -> None:
    """Add the route to the OpenAPI document."""
    statuses = {route.status, *_statuses(route)}
    responses = documentation.responses_of(statuses, _DESCRIPTIONS, Problem)
    responses[405]["model"] = VersionMismatch
    if 400 in statuses:  # noqa: PLR2004 - HTTP statuses are clearer as numbers
        responses[400]["model"] = Problem | Mistakes
    if route.reply is not None:
        if route.media_type == bodies.JSON:
            responses[route.status]["model"] = route.reply
        else:
            schema = {"schema": route.reply}
            responses[route.status]["content"] = {route.media_type: schema}
    documentation.describe(application, route, responses, _extra(route), status=route.status)


def _statuses(route: Route) -> set[int]:
    found = {405, 503, *route.statuses}
    if not route.builder:
        found.add(429)  # passwords are taken, too
    if not route.open:
        found.add(401)
    if route.body is not None:
        found |= {400, 413, 415}
    return found


def _extra(route: Route) -> dict[str, Any]:
    scheme = "BuilderKey" if route.builder else "Token"
    extra: dict[str, Any] = {
        "parameters": documentation.parameters(route.path, route.query),
        "security": [] if route.open else [{scheme: []}],
    }
    if route.body is not None:
        extra["requestBody"] = documentation.body_of(
            documentation.schema_of(route.body),
            required=route.body_needed,
            media_types=bodies.READ,
        )
    return extra
