"""A route of this dialect, and how it is documented."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.dialects.otao import schemas
from polyfleet.api.dialects.otao.errors import Side

Endpoint = Callable[[Request], Awaitable[Response]]

READ = "application:software:read"
UPDATE = "application:software:update"
ENDPOINT = "endpoint:read"
SCOPES = {
    READ: "Read the software of applications.",
    UPDATE: "Make and change software.",
    ENDPOINT: "Read what devices run.",
}

_DESCRIPTIONS = {
    200: "Successful response.",
    201: "Software created successfully.",
    204: "Software updated successfully.",
    400: "Invalid request.",
    401: "No credentials, or none that hold.",
    404: "Not found, or the caller does not have permissions to perform this operation.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    429: "Too many requests.",
    503: "The API server, or something else that the request needs, does not answer.",
}
_FIRST_ERROR = 400
_OF_ALL = (401, 404, 429, 503)
"""What comes of what all routes do first: they ask who calls, and what that one may see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route; without a scope it is a device's, which its endpoint token lets in."""

    method: str
    path: str
    endpoint: Endpoint
    summary: str
    scope: str | None = None
    body: type[BaseModel] | None = None
    body_required: bool = True
    reply: Any = None
    status: int = 200
    statuses: tuple[int, ...] = ()

    @property
    def side(self) -> Side:
        """Who calls."""
        return "people" if self.scope is not None else "device"


def describe(application: FastAPI, route: Route) -> None:
    """Add the route to the OpenAPI document."""
    error = schemas.ErrorBody if route.side == "people" else schemas.DeviceErrorBody
    models: dict[int | str, dict[str, Any]] = {
        status: {"description": _DESCRIPTIONS[status]}
        | ({"model": error} if status >= _FIRST_ERROR else {})
        for status in sorted({route.status, *route.statuses, *_OF_ALL})
    }
    if route.reply is not None:
        models[route.status]["model"] = route.reply
    if route.status == 201:  # noqa: PLR2004 - Created
        location = {"required": True, "schema": {"type": "string"}}
        models[route.status]["headers"] = {"Location": location}
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


def parts_of(route: Route) -> dict[str, Any]:
    """Return the schemas that the route's body refers to, by name."""
    parts: dict[str, Any] = _schema(route.body).get("$defs", {}) if route.body is not None else {}
    return parts


def _schema(body: type[BaseModel]) -> dict[str, Any]:
    return body.model_json_schema(ref_template="#/components/schemas/{model}")


def _extra(route: Route) -> dict[str, Any]:
    extra: dict[str, Any] = {
        "parameters": [
            {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}
            for part in route.path.split("/")
            if part.startswith("{")
        ],
        "security": [{"oauth_2_0": [route.scope]}] if route.scope is not None else [],
    }
    if route.body is not None:
        schema = _schema(route.body)
        schema.pop("$defs", None)
        extra["requestBody"] = {
            "required": route.body_required,
            "content": {"application/json": {"schema": schema}},
        }
    return extra
