"""Which route answers a request, and what its documentation says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from fastapi import FastAPI
from pydantic import BaseModel

from polyfleet.api.core import documentation, routing
from polyfleet.api.dialects.inventory.errors import DEVICE, LOGIN, MANAGEMENT
from polyfleet.api.dialects.inventory.listing import DEFAULT_PER_PAGE, MOST_PER_PAGE
from polyfleet.api.dialects.inventory.schemas import Error

_SCHEMES = {MANAGEMENT: "ManagementToken", DEVICE: "DeviceToken", LOGIN: "Password"}
_DESCRIPTIONS = {
    200: "Successful response",
    201: "The device was created",
    204: "Done",
    400: "The request is malformed",
    401: "No authorization was given, or it has expired",
    403: "The authorization does not give sufficient access",
    404: "There is no such device or group",
    409: "The request does not fit the present state",
    413: "The body is too large",
    415: "The body is not JSON in UTF-8",
    429: "The device reports too often, or too many logins failed",
    503: "The API server, or something else that the request needs, does not answer",
}
_QUERY: Mapping[str, Any] = {
    "page": {"type": "integer", "minimum": 1, "default": 1},
    "per_page": {
        "type": "integer",
        "minimum": 1,
        "maximum": MOST_PER_PAGE,
        "default": DEFAULT_PER_PAGE,
    },
    "has_group": {"type": "boolean"},
}
"""Query parameters that are no texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(routing.Route):
    """A route; `challenge` is what a caller without a credential is asked for."""

    challenge: str = MANAGEMENT
    body: Any = None
    status: int = 200
    statuses: tuple[int, ...] = ()
    query: tuple[str, ...] = ()


def describe(application: FastAPI, route: Route) -> None:
    """Add the route to the OpenAPI document."""
    statuses = {route.status, *_failures(route)}
    responses = documentation.responses_of(statuses, _DESCRIPTIONS, Error)
    if route.reply is not None:
        responses[route.status]["model"] = route.reply
    documentation.describe(application, route, responses, _extra(route), status=route.status)


def models_of(table: Iterable[Route]) -> list[type[BaseModel]]:
    """Return the models of the routes' bodies, and of the items of lists."""
    items = [item for route in table for item in get_args(route.body) or [route.body]]
    return [item for item in items if item not in (None, str)]


def _failures(route: Route) -> set[int]:
    """Return its own statuses, and those that come of what all such routes do first."""
    found = {*route.statuses, 429, 503}
    if route.body is not None:
        found |= {413, 415}
    if "{" in route.path:
        found.add(404)  # what is no UTF-8 names nothing
    return found


def _extra(route: Route) -> dict[str, Any]:
    parameters = documentation.parameters(route.path, route.query)
    for parameter in parameters:
        parameter["schema"] = _QUERY.get(parameter["name"], parameter["schema"])
    extra: dict[str, Any] = {
        "security": [{_SCHEMES[route.challenge]: []}],
        "parameters": parameters,
    }
    if route.body is not None:
        extra["requestBody"] = documentation.body_of(_schema(route.body))
    return extra


def _schema(body: Any) -> dict[str, Any]:
    [item] = get_args(body) or [body]
    schema = {"type": "string"} if item is str else documentation.schema_of(item)
    return schema if item is body else {"type": "array", "items": schema}
