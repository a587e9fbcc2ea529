"""How RDFM tells errors: exactly `{"error": "<text>"}`, whatever went wrong."""

from collections.abc import Mapping

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from polyfleet.api.core import error_answers, errors
from polyfleet.api.core.requests import allowed_methods
from polyfleet.api.dialects.rdfm.translate.wire import encode

_METHOD_NOT_ALLOWED = 405
_GONE = 499
"""What is counted for a client that went away; nobody gets it."""
_TEXTS = {404: "the requested URL was not found", 405: "the method is not allowed for the URL"}

log = structlog.get_logger("polyfleet.rdfm")


def render(error: errors.PolyfleetError) -> Response:
    """Return the answer that tells the error."""
    headers = error_answers.headers_of(error, "Bearer")
    return answer(error_answers.status_of(error), _text(error), headers)


def answer(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error answer with that text."""
    return Response(encode({"error": text}), status, headers, "application/json")


def unexpected() -> Response:
    """Return the answer to a request that failed through our own fault."""
    return answer(500, "internal error")


def gone() -> Response:
    """Return what ends a request whose client went away before it was complete."""
    log.info("client went away")
    return Response(status_code=_GONE)


def register(application: FastAPI) -> None:
    """Make the application tell every error in this form, the framework's own ones too."""
    error_answers.register(
        application, render=render, http=_http, validation=_validation, unexpected=unexpected
    )
    application.add_exception_handler(ClientDisconnect, _gone)


def _text(error: errors.PolyfleetError) -> str:
    if isinstance(error, errors.Invalid) and error.field:
        field = error.field.encode(errors="replace").decode()
        return f"schema validation failed: {{{field!r}: {error.message!r}}}"
    return error.message


def _http(request: Request, error: HTTPException) -> Response:
    text = _TEXTS.get(error.status_code, str(error.detail))
    headers = dict(error.headers or {})
    if error.status_code == _METHOD_NOT_ALLOWED:
        headers["Allow"] = f"{allowed_methods(request)}, OPTIONS"
        if request.method == "OPTIONS":
            return Response(None, 200, headers)
    return answer(error.status_code, text, headers)


def _validation(_error: RequestValidationError) -> Response:
    return answer(400, "schema validation failed: the request does not fit the route")


def _gone(_request: Request, _error: Exception) -> Response:
    return gone()
