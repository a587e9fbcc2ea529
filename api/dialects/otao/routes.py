"""A route of this dialect, and how it is documented."""

from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from polyfleet.api.core import documentation, routing
from polyfleet.api.dialects.otao import schemas
from polyfleet.api.dialects.otao.errors import Side

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
_OF_ALL = (401, 404, 429, 503)
"""What comes of what all routes do first: they ask who calls, and what that one may see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(routing.Route):
    """A route; without a scope it is a device's, which its endpoint token lets in."""

    scope: str | None = None
    body: type[BaseModel] | None = None
    body_required: bool = True
    status: int = 200
    statuses: tuple[int, ...] = ()

    @property
    def side(self) -> Side:
        """Who calls."""
        return "people" if self.scope is not None else "device"


def describe(application: FastAPI, route: Route) -> None:
    """Add the route to the OpenAPI document."""
    error = schemas.ErrorBody if route.side == "people" else schemas.DeviceErrorBody
    statuses = {route.status, *route.statuses, *_OF_ALL}
    responses = documentation.responses_of(statuses, _DESCRIPTIONS, error)
    if route.reply is not None:
        responses[route.status]["model"] = route.reply
    if route.status == 201:  # noqa: PLR2004 - Created
        location = {"required": True, "schema": {"type": "string"}}
        responses[route.status]["headers"] = {"Location": location}
    documentation.describe(application, route, responses, _extra(route), status=route.status)


def _extra(route: Route) -> dict[str, Any]:
    extra: dict[str, Any] = {
        "parameters": documentation.parameters(route.path),
        "security": [{"oauth_2_0": [route.scope]}] if route.scope is not None else [],
    }
    if route.body is not None:
        extra["requestBody"] = documentation.body_of(
            documentation.schema_of(route.body), required=route.body_required
        )
    return extra
