"""How Mender tells errors: `{"error": "<text>", "request_id": "<id>"}`, whatever went wrong."""

from collections.abc import Mapping

import orjson
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core import errors
from polyfleet.api.dialects.inventory.request_ids import request_id_of

JSON = "application/json; charset=utf-8"
NOT_FOUND = "Resource not found"
NOT_ALLOWED = "Method not allowed"
INTERNAL = "internal error"

CHALLENGE = "polyfleet.mender_challenge"
"""Where a request's scope says what a caller without a credential is asked for."""
MANAGEMENT = 'Bearer realm="ManagementJWT"'
DEVICE = 'Bearer realm="DeviceJWT"'
LOGIN = 'Basic realm="ManagementJWT"'

_STATUSES: Mapping[type[errors.PolyfleetError], int] = {
    errors.NotFound: 404,
    errors.AlreadyExists: 409,
    errors.Conflict: 409,
    errors.Invalid: 400,
    errors.Forbidden: 403,
    errors.Unauthenticated: 401,
    errors.TooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.InsufficientStorage: 507,
    errors.RateLimited: 429,
    errors.Unavailable: 503,
}


def render(request: Request, error: errors.PolyfleetError) -> Response:
    """Return the answer that tells the error."""
    headers = {}
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = request.scope.get(CHALLENGE, MANAGEMENT)
    if isinstance(error, errors.RateLimited | errors.Unavailable) and error.retry_after:
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    return answer(request, _STATUSES.get(type(error), 500), error.message, headers)


def answer(
    request: Request, status: int, text: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error answer with that text."""
    body = orjson.dumps({"error": _encodable(text), "request_id": request_id_of(request.scope)})
    return Response(body, status, headers, JSON)


def _encodable(text: str) -> str:
    return text.encode(errors="replace").decode()
