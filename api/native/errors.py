"""How the native routes tell errors: `{"error": {"reason", "message"}}`."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from polyfleet.api.core import error_answers, errors
from polyfleet.api.core.requests import allowed_methods

_METHOD_NOT_ALLOWED = 405
_REASONS = {404: "NotFound", 405: "MethodNotAllowed"}


def render(error: errors.PolyfleetError) -> Response:
    """Return the answer that tells the error."""
    headers = error_answers.headers_of(error, 'Bearer realm="polyfleet"')
    message = error.message
    if isinstance(error, errors.Invalid) and error.field:
        message = f"{error.field}: {message}"
    return _answer(error_answers.status_of(error), type(error).__name__, message, headers)


def register(application: FastAPI) -> None:
    """Make the application tell every error in this form, the framework's own ones too."""
    error_answers.register(
        application, render=render, http=_http, validation=_validation, unexpected=_unexpected
    )


def _http(request: Request, error: HTTPException) -> Response:
    reason = _REASONS.get(error.status_code, "Invalid")
    headers = dict(error.headers or {})
    if error.status_code == _METHOD_NOT_ALLOWED:
        headers["Allow"] = allowed_methods(request)
    return _answer(error.status_code, reason, str(error.detail), headers)


def _validation(error: RequestValidationError) -> Response:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return _answer(400, "Invalid", f"{where}: {first['msg']}", {})


def _unexpected() -> Response:
    return _answer(500, "InternalError", "internal error", {})


def _answer(status: int, reason: str, message: str, headers: dict[str, str]) -> Response:
    body = {"error": {"reason": reason, "message": message}}
    return JSONResponse(body, status, headers=headers)
