"""How Kaa tells errors: `{"message"}` to people, `{"statusCode", "reasonPhrase"}` to devices."""

from collections.abc import Mapping
from typing import Literal

import orjson
from starlette.responses import Response

from polyfleet.api.core import error_answers, errors

JSON = "application/json"
NOT_FOUND = "there is no such path"
NOT_ALLOWED = "the method is not allowed for this path"
INTERNAL = "internal error"

Side = Literal["people", "device"]

# The document knows neither 403 nor 409: what the caller may not know of is not there, and a
# version that exists already is an invalid request.
_STATUSES: Mapping[type[errors.PolyfleetError], int] = {
    **error_answers.STATUSES,
    errors.Forbidden: 404,
    errors.AlreadyExists: 400,
    errors.Conflict: 503,
}


def render(side: Side, error: errors.PolyfleetError) -> Response:
    """Return the answer that tells the error."""
    challenge = 'Bearer realm="polyfleet"' if side == "people" else None
    headers = error_answers.headers_of(error, challenge)
    return answer(side, _STATUSES.get(type(error), 500), _text(error), headers)


def answer(
    side: Side, status: int, text: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error answer with that text."""
    text = text.encode(errors="replace").decode()
    told = {"message": text} if side == "people" else {"statusCode": status, "reasonPhrase": text}
    return Response(orjson.dumps(told), status, headers, JSON)


def _text(error: errors.PolyfleetError) -> str:
    if isinstance(error, errors.Invalid) and error.field:
        return f"{error.field}: {error.message}"
    return error.message
