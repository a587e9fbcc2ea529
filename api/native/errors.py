"""How the native routes tell errors: `{"error": {"reason", "message"}}`."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from polyfleet.api.core import errors
from polyfleet.api.core.requests import allowed_methods

_STATUSES: dict[type[errors.PolyfleetError], int] = {
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
_METHOD_NOT_ALLOWED = 405
_REASONS = {404: "NotFound", 405: "MethodNotAllowed"}


def render(error: errors.PolyfleetError) -> Response:
    """Return the answer that tells the error."""
    headers = {}
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="polyfleet"'
    if isinstance(error, errors.RateLimited | errors.Unavailable) and error.retry_after:
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    message = error.message
    if isinstance(error, errors.Invalid) and error.field:
        message = f"{error.field}: {message}"
    return _answer(_STATUSES.get(type(error), 500), type(error).__name__, message, headers)


def register(application: FastAPI) -> None:
    """Make the application tell every error in this form, the framework's own ones too."""
    application.add_exception_handler(errors.PolyfleetError, _domain)
    application.add_exception_handler(HTTPException, _http)
    application.add_exception_handler(RequestValidationError, _validation)
    application.add_exception_handler(Exception, _unexpected)


def _domain(_request: Request, error: Exception) -> Response:
    if not isinstance(error, errors.PolyfleetError):
        raise error
    return render(error)


def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    reason = _REASONS.get(error.status_code, "Invalid")
    headers = dict(error.headers or {})
    if error.status_code == _METHOD_NOT_ALLOWED:
        headers["Allow"] = allowed_methods(request)
    return _answer(error.status_code, reason, str(error.detail), headers)


def _validation(_request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return _answer(400, "Invalid", f"{where}: {first['msg']}", {})


def _unexpected(_request: Request, _error: Exception) -> Response:
    return _answer(500, "InternalError", "internal error", {})


def _answer(status: int, reason: str, message: str, headers: dict[str, str]) -> Response:
    body = {"error": {"reason": reason, "message": message}}
    return JSONResponse(body, status, headers=headers)
