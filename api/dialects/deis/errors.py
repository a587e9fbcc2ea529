"""How the Controller tells errors: `{"detail": <text>}`, or a list of texts for each field.

Version 1.0 answered some mistakes with a bare JSON string; its clients print either, and later
versions settled on the object, as here.
"""

from collections.abc import Mapping
from typing import NamedTuple

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core import error_answers, errors

NOT_FOUND = "Not found"
NOT_ALLOWED = "You do not have permission to perform this action."
NO_CREDENTIALS = "Authentication credentials were not provided."
REQUIRED = "This field is required."
UNEXPECTED = "Internal error"
GENERAL = "non_field_errors"


class FieldErrors(errors.Invalid):
    """What is wrong with each of several fields."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(next(iter(fields), ""), next(iter(fields.values()), ""))
        self.fields = dict(fields)


class _Told(NamedTuple):
    status: int
    message: str | None = None
    """None: the error's own."""


_TOLD: Mapping[type[errors.PolyfleetError], _Told] = {
    errors.NotFound: _Told(404, NOT_FOUND),
    errors.AlreadyExists: _Told(409),
    errors.Conflict: _Told(409),
    errors.Invalid: _Told(400),
    FieldErrors: _Told(400),
    errors.Forbidden: _Told(403),
    errors.Unauthenticated: _Told(401),
    errors.TooLarge: _Told(413),
    errors.UnsupportedMediaType: _Told(415),
    errors.RateLimited: _Told(429),
    errors.Unavailable: _Told(503),
}
_UNKNOWN = _Told(500, UNEXPECTED)


def invalid_data() -> errors.Invalid:
    """Return the error for a body that is no object."""
    return errors.Invalid(GENERAL, "Invalid data")


def render(error: errors.PolyfleetError) -> Response:
    """Return the answer that tells the error."""
    told = _TOLD.get(type(error), _UNKNOWN)
    headers = error_answers.headers_of(error, "Token")
    if isinstance(error, errors.Invalid) and error.field:
        fields = error.fields if isinstance(error, FieldErrors) else {error.field: error.message}
        return answer(told.status, {name: [text] for name, text in fields.items()}, headers)
    return detail(told.status, told.message or error.message, headers)


def detail(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error of one text."""
    return answer(status, {"detail": message}, headers)


def answer(status: int, body: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer in JSON."""
    # A client's text may hold what is no Unicode, and comes back in messages.
    text = orjson.dumps(_printable(body))
    return Response(text, status, dict(headers or {}), "application/json")


def register(application: FastAPI) -> None:
    """Make the application tell the framework's own errors in this form."""
    error_answers.register(
        application, render=render, http=_http, validation=_validation, unexpected=_unexpected
    )


def _printable(value: object) -> object:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, list) else value


def _http(_request: Request, error: HTTPException) -> Response:
    return detail(error.status_code, str(error.detail), error.headers)


def _validation(_error: RequestValidationError) -> Response:
    return detail(400, "the request does not fit the route")


def _unexpected() -> Response:
    return detail(500, UNEXPECTED)
