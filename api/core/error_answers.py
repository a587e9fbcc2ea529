"""What the dialects have in common when they answer errors: statuses, headers, where they arise."""

from collections.abc import Callable, Mapping

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core import errors
from polyfleet.kube.errors import ApiError

STATUSES: Mapping[type[errors.PolyfleetError], int] = {
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
"""The statuses of a dialect that has no others of its own."""


def status_of(error: errors.PolyfleetError) -> int:
    """Return the usual status of an error."""
    return STATUSES.get(type(error), 500)


def headers_of(error: errors.PolyfleetError, challenge: str | None = None) -> dict[str, str]:
    """Return the headers that tell when to try again, and what kind of credential is wanted."""
    headers = {}
    if challenge is not None and isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = challenge
    if isinstance(error, errors.RateLimited | errors.Unavailable) and error.retry_after:
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    return headers


def register(
    application: FastAPI,
    *,
    render: Callable[[errors.PolyfleetError], Response],
    http: Callable[[Request, HTTPException], Response],
    validation: Callable[[RequestValidationError], Response],
    unexpected: Callable[[], Response],
) -> None:
    """Make the application tell every error in a dialect's form, the framework's own ones too."""

    def domain(_: Request, error: Exception) -> Response:
        if not isinstance(error, errors.PolyfleetError):
            raise error
        return render(error)

    def api_server(_: Request, error: Exception) -> Response:
        if not isinstance(error, ApiError):
            raise error
        return render(errors.from_api_error(error))

    def framework(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        return http(request, error)

    def parameters(_: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise error
        return validation(error)

    def fault(_: Request, __: Exception) -> Response:
        return unexpected()

    application.add_exception_handler(errors.PolyfleetError, domain)
    application.add_exception_handler(ApiError, api_server)
    application.add_exception_handler(HTTPException, framework)
    application.add_exception_handler(RequestValidationError, parameters)
    application.add_exception_handler(Exception, fault)
