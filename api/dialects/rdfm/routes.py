"""A route of this dialect: what answers it, and what its documentation says."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.dialects.rdfm.schemas import ErrorBody

MANAGEMENT_TOKEN = "ManagementToken"  # noqa: S105 - the name of a kind of token
DEVICE_TOKEN = "DeviceToken"  # noqa: S105 - likewise

Endpoint = Callable[[Request], Awaitable[Response]]

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
class Route:
    """A route; `security` says which kind of token it asks for, None for a public one."""

    method: str
    path: str
    endpoint: Endpoint
    summary: str
    security: str | None = MANAGEMENT_TOKEN
    body: type[BaseModel] | None = None
    reply: Any = None
    statuses: tuple[int, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


def register(application: FastAPI, route: Route) -> None:
    """Add the route; one that answers GET answers HEAD too."""
    success: dict[int | str, dict[str, Any]] = {200: {"description": _DESCRIPTIONS[200]}}
    if route.reply is not None:
        success[200]["model"] = route.reply
    failures: dict[int | str, dict[str, Any]] = {
        status: {"description": _DESCRIPTIONS[status]}
        | ({} if status < 400 else {"model": ErrorBody})  # noqa: PLR2004 - HTTP statuses
        for status in sorted(_failures(route))
    }
    application.add_api_route(
        route.path,
        route.endpoint,
        methods=[route.method],
        summary=route.summary,
        name=f"{route.method.lower()} {route.path}",
        response_class=Response,
        response_model=None,
        responses=success | failures,
        openapi_extra=_openapi(route),
    )
    if route.method == "GET":
        application.router.add_route(route.path, route.endpoint, ["HEAD"], include_in_schema=False)


def _failures(route: Route) -> set[int]:
    """Return its own statuses, and those that come of what all such routes do first."""
    found = {*route.statuses, 503}
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
        schema = route.body.model_json_schema(ref_template="#/components/schemas/{model}")
        extra["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    return extra
