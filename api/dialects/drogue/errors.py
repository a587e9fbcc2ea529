"""How Drogue Cloud tells errors: `{"error": <code word>, "message": <text>}`."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core import error_answers, errors


class ReferenceNotFound(errors.NotFound):
    """What the request names to put something into does not exist."""


class LockFailed(errors.Conflict):
    """The list of members is not the one that the request is about."""


class BadSelector(errors.Invalid):
    """A label selector that cannot be read."""


class NotLoggedIn(errors.Unauthenticated):
    """The request has no credentials."""


class LoginNeeded(errors.Forbidden):
    """A route that answers nobody without credentials, and says so by 403."""


class NotAcceptable(errors.PolyfleetError):
    """A command that cannot be given to the device."""


class QueueFull(errors.Unavailable):
    """As many commands as may wait for a device do so."""


class _Told(NamedTuple):
    status: int
    word: str
    message: str | None = None
    """None: the error's own."""


_TOLD: Mapping[type[errors.PolyfleetError], _Told] = {
    errors.NotFound: _Told(404, "NotFound", "Not found"),
    ReferenceNotFound: _Told(404, "ReferenceNotFound", "Referenced a non-existing entity"),
    errors.AlreadyExists: _Told(409, "Conflict", "Conflict"),
    errors.Conflict: _Told(409, "Conflict", "Conflict"),
    LockFailed: _Told(409, "OptimisticLockFailed", "Lock failed"),
    errors.Invalid: _Told(400, "BadRequest"),
    BadSelector: _Told(400, "InvalidRequest"),
    errors.Forbidden: _Told(403, "AuthenticationError", "Not authorized"),
    LoginNeeded: _Told(403, "NotAuthorized", "Not authorized"),
    NotLoggedIn: _Told(401, "NotAuthorized", "Not authorized"),
    errors.Unauthenticated: _Told(403, "AuthenticationError", "Not authorized"),
    NotAcceptable: _Told(406, "NotAcceptable"),
    errors.TooLarge: _Told(413, "PayloadTooLarge"),
    errors.UnsupportedMediaType: _Told(400, "BadRequest"),
    errors.InsufficientStorage: _Told(507, "InsufficientStorage"),
    errors.RateLimited: _Told(429, "TooManyRequests"),
    errors.Unavailable: _Told(503, "DatabaseError"),
    QueueFull: _Told(503, "QueueFull"),
}
_UNKNOWN = _Told(500, "InternalError", "Internal error")
_WORDS = {404: ("NotFound", "Not found"), 405: ("MethodNotAllowed", "Method not allowed")}


def render(error: errors.PolyfleetError, *, unauthenticated: int | None = None) -> Response:
    """Return the answer that tells the error.

    `unauthenticated` is the status for credentials that do not hold, where it is not 403.
    """
    told = _TOLD.get(type(error), _UNKNOWN)
    status = told.status
    if unauthenticated is not None and type(error) is errors.Unauthenticated:
        status = unauthenticated
    headers = error_answers.headers_of(error)
    if status == 401:  # noqa: PLR2004 - HTTP statuses are clearer as numbers
        headers["WWW-Authenticate"] = 'Basic realm="polyfleet"'
    return answer(status, told.word, told.message or _text(error), headers)


def answer(
    status: int, word: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error answer."""
    body = {"error": word, "message": message.encode(errors="replace").decode()}
    return Response(orjson.dumps(body), status, headers, "application/json")


def not_allowed(methods: Iterable[str]) -> Response:
    """Return the answer to a method that a path does not have among its own."""
    return answer(405, *_WORDS[405], {"Allow": ", ".join(sorted(methods))})


def unexpected() -> Response:
    """Return the answer to a request that failed through our own fault."""
    return answer(_UNKNOWN.status, _UNKNOWN.word, "Internal error")


def register(application: FastAPI) -> None:
    """Make the application tell the framework's own errors in this form."""
    error_answers.register(
        application, render=render, http=_http, validation=_validation, unexpected=unexpected
    )


def _text(error: errors.PolyfleetError) -> str:
    if isinstance(error, BadSelector):
        return f"ParserError: {error.message}"
    if isinstance(error, errors.Invalid):
        where = f"{error.field}: " if error.field else ""
        return f"Bad request: {where}{error.message}"
    if isinstance(error, errors.UnsupportedMediaType):
        return f"Bad request: {error.message}"
    return error.message


def _http(_request: Request, error: HTTPException) -> Response:
    word, message = _WORDS.get(error.status_code, ("BadRequest", str(error.detail)))
    return answer(error.status_code, word, message, error.headers)


def _validation(_error: RequestValidationError) -> Response:
    return answer(400, "BadRequest", "Bad request: the request does not fit the route")
