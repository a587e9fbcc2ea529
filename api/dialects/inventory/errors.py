"""How Mender tells errors: `{"error": "<text>", "request_id": "<id>"}`, whatever went wrong."""

from collections.abc import Mapping

import orjson
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core import error_answers, errors
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


def render(request: Request, error: errors.PolyfleetError) -> Response:
    """Return the answer that tells the error."""
    headers = error_answers.headers_of(error, request.scope.get(CHALLENGE, MANAGEMENT))
    return answer(request, error_answers.status_of(error), error.message, headers)


def answer(
    request: Request, status: int, text: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error answer with that text."""
    body = orjson.dumps({"error": _encodable(text), "request_id": request_id_of(request.scope)})
    return Response(body, status, headers, JSON)


def _encodable(text: str) -> str:
    return text.encode(errors="replace").decode()
