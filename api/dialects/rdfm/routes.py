"""A route of this dialect: what answers it, and what its documentation says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request

from polyfleet.api.core import documentation, routing
from polyfleet.api.dialects.rdfm.schemas import ErrorBody

MANAGEMENT_TOKEN = "ManagementToken"  # noqa: S105 - the name of a kind of token
DEVICE_TOKEN = "DeviceToken"  # noqa: S105 - likewise

_DESCRIPTIONS = {
    200: "No error",
    204: "No updates are available",
    400: "The request is malformed",
    401: "No authorization was given, or it has expired",
    403: "The authorization does not give sufficient access",
    404: "There is no such object",
    409: "The request does not fit the present state",
    413: "The body is too large",
    415: "The body is not of a type that is read here",
    429: "Too many failed logins, or too many at once",
    503: "The API server, or something else that the request needs, does not answer",
    507: "There is no room for the file",
}


class SerialConvertor(Convertor[int]):
    """Identifiers in paths: digits only, few enough for an integer of any language."""

    regex = "[0-9]{1,15}"

    def convert(self, value: str) -> int:
        """Return the number."""
        return int(value)

    def to_string(self, value: int) -> str:
        """Return its digits."""
        return str(value)


register_url_convertor("serial", SerialConvertor())


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(routing.Route):
    """A route; `security` says which kind of token it asks for, None for a public one.

    `also` is another path that it answers, of which the documentation says nothing.
    """

    security: str | None = MANAGEMENT_TOKEN
    body: type[BaseModel] | None = None
    statuses: tuple[int, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    also: str | None = None


def register(application: FastAPI, route: Route) -> None:
    """Add the route; one that answers GET answers HEAD too."""
    responses = documentation.responses_of({200, *_failures(route)}, _DESCRIPTIONS, ErrorBody)
    if route.reply is not None:
        responses[200]["model"] = route.reply
    documentation.describe(application, route, responses, _openapi(route))
    more = ["HEAD"] if route.method == "GET" else []
    if more:
        application.router.add_route(route.path, route.endpoint, more, include_in_schema=False)
    if route.also is not None:
        methods = [route.method, *more]
        application.router.add_route(route.also, route.endpoint, methods, include_in_schema=False)


def _failures(route: Route) -> set[int]:
    """Return its own statuses, and those that come of what all such routes do first."""
    found = set(route.statuses)
    if route.security is not None:
        found.add(503)
    if route.security == MANAGEMENT_TOKEN:
        found.add(429)  # passwords are taken, too
    if route.body is not None:
        found |= {413, 415}
    return found


def serial_of(request: Request) -> int:
    """Return the identifier in the request's path."""
    serial: int = request.path_params["identifier"]
    return serial


def _openapi(route: Route) -> dict[str, Any]:
    extra: dict[str, Any] = dict(route.extra)
    extra["security"] = [{route.security: []}] if route.security else []
    if "{identifier" in route.path:
        schema = {"type": "integer", "minimum": 0}
        extra["parameters"] = [
            {"name": "identifier", "in": "path", "required": True, "schema": schema}
        ]
    if route.body is not None:
        extra["requestBody"] = documentation.body_of(documentation.schema_of(route.body))
    return extra
