"""Which route answers a request, and what its documentation says."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.dialects.inventory.errors import DEVICE, LOGIN, MANAGEMENT
from polyfleet.api.dialects.inventory.schemas import ErrorBody

Endpoint = Callable[[Request], Awaitable[Response]]

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
_FIRST_ERROR = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route; `challenge` is what a caller without a credential is asked for.

    Path parameters are single segments, `{id}` and `{name}`.
    """

    method: str
    path: str
    endpoint: Endpoint
    summary: str
    challenge: str = MANAGEMENT
    body: Any = None
    reply: Any = None
    status: int = 200
    statuses: tuple[int, ...] = ()
    query: tuple[str, ...] = ()


def describe(application: FastAPI, route: Route) -> None:
    """Add the route to the OpenAPI document."""
    models: dict[int | str, dict[str, Any]] = {
        status: {"description": _DESCRIPTIONS[status]}
        | ({"model": ErrorBody} if status >= _FIRST_ERROR else {})
        for status in sorted({route.status, *_failures(route)})
    }
    if route.reply is not None:
        models[route.status]["model"] = route.reply
    application.add_api_route(
        route.path,
        route.endpoint,
        methods=[route.method],
        summary=route.summary,
        name=f"{route.method.lower()} {route.path}",
        status_code=route.status,
        response_class=Response,
        response_model=None,
        responses=models,
        openapi_extra=_extra(route),
    )


def _failures(route: Route) -> set[int]:
    """Return its own statuses, and those that come of what all such routes do first."""
    found = {*route.statuses, 429, 503}
    if route.body is not None:
        found |= {413, 415}
    if "{" in route.path:
        found.add(404)  # what is no UTF-8 names nothing
    return found


def _extra(route: Route) -> dict[str, Any]:
    text = {"type": "string"}
    in_path = [
        {"name": segment[1:-1], "in": "path", "required": True, "schema": text}
        for segment in route.path.split("/")
        if segment.startswith("{")
    ]
    in_query = [
        {"name": name, "in": "query", "required": False, "schema": text} for name in route.query
    ]
    extra: dict[str, Any] = {
        "security": [{_SCHEMES[route.challenge]: []}],
        "parameters": [*in_path, *in_query],
    }
    if route.body is not None:
        extra["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _schema(route.body)}},
        }
    return extra


def _schema(body: Any) -> dict[str, Any]:
    if isinstance(body, type) and issubclass(body, BaseModel):
        return body.model_json_schema()
    [item] = body.__args__
    items = {"type": "string"} if item is str else item.model_json_schema()
    return {"type": "array", "items": items}
