"""The token endpoint `POST /oauth/token` (RFC 6749) for clients that fetch tokens.

`client_credentials`: the client id is a user's name or the prefix of an access token, the secret
a password or an access token. `password`: a user's name and password (or access token).
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote_plus

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from polyfleet.api.core.errors import (
    Invalid,
    PolyfleetError,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from polyfleet.api.core.facade import Facade
from polyfleet.api.core.identity.authenticator import Identity
from polyfleet.api.core.identity.credentials import Basic, parse_authorization
from polyfleet.api.core.identity.endpoint_document import FORM, OPENAPI, PATH, complete, description
from polyfleet.api.core.identity.login import Login
from polyfleet.api.core.requests import read_body

PREFIXES = ("/oauth",)
MAX_BODY = 16 * 1024
MAX_FIELDS = 16

_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class OAuthError(Exception):
    """An answer of RFC 6749, section 5.2."""

    def __init__(self, code: str, description: str, *, status: int = 400) -> None:
        """Take the error code, what is wrong in ASCII words, and the HTTP status."""
        super().__init__(description)
        self.code = code
        self.description = description
        self.status = status


def create_dialect(facade: Facade) -> ASGIApp:
    """Return the application that answers below `/oauth`."""
    return create_token_endpoint(facade.identity)


def create_token_endpoint(identity: Identity) -> ASGIApp:
    """Return the application that gives out tokens of `identity`."""

    async def token(request: Request) -> Response:
        try:
            return await _token(identity, request)
        except OAuthError as error:
            return _refusal(error)
        except PolyfleetError as error:
            return _refusal(_translated(error), getattr(error, "retry_after", None))
        except ClientDisconnect:
            return Response(status_code=400)

    application = FastAPI(
        title="Token endpoint",
        version="1",
        description="Tokens for clients that fetch them (RFC 6749).",
        openapi_url=OPENAPI,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    application.add_exception_handler(HTTPException, _http_error)
    application.add_exception_handler(Exception, _fault)
    application.add_api_route(PATH, token, methods=["POST"], **description())
    complete(application)
    return application


async def _token(identity: Identity, request: Request) -> Response:
    form = await _form(request)
    client = await _client(identity, request, form)
    match form.get("grant_type"):
        case "client_credentials":
            if client is None:
                raise OAuthError("invalid_client", "client credentials are needed", status=401)
            login = client
        case "password":
            login = await _resource_owner(identity, form)
        case None:
            raise OAuthError("invalid_request", "grant_type is needed")
        case _:
            raise OAuthError("unsupported_grant_type", "client_credentials or password")
    asked = form["scope"].split() if form.get("scope") else None
    issued = identity.issue_user_token(login, scopes=asked)
    if asked is not None and not issued.scopes.issuperset(asked):
        raise OAuthError("invalid_scope", "the login does not have all of these scopes")
    answer = {
        "access_token": issued.text,
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "scope": " ".join(sorted(issued.scopes)),
    }
    return JSONResponse(answer, headers=_NO_STORE)


async def _form(request: Request) -> dict[str, str]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise OAuthError("invalid_request", f"the body must be {FORM}")
    body = await read_body(request, MAX_BODY)
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError as error:
        raise OAuthError("invalid_request", "the body is no form") from error
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OAuthError("invalid_request", "a field is given more than once")
    return form


async def _client(identity: Identity, request: Request, form: Mapping[str, str]) -> Login | None:
    """Return the client that the request names with a secret; None if it has no secret."""
    lines = request.headers.getlist("authorization")
    if not lines:
        name, secret = form.get("client_id"), form.get("client_secret")
        return await identity.log_in(name, secret) if name and secret else None
    if len(lines) > 1 or "client_secret" in form:
        raise OAuthError("invalid_request", "the client authenticates in more than one way")
    credential = parse_authorization(lines[0])
    if not isinstance(credential, Basic):
        raise OAuthError("invalid_client", "clients authenticate by Basic", status=401)
    return await _basic_client(identity, credential)


async def _basic_client(identity: Identity, credential: Basic) -> Login:
    """Take the pair as it is, as most clients send it, or form-encoded (RFC 6749, 2.3.1)."""
    plain = (credential.user, credential.secret)
    decoded = (unquote_plus(credential.user), unquote_plus(credential.secret))
    try:
        return await identity.log_in(*plain)
    except Unauthenticated:
        if decoded == plain:
            raise
    return await identity.log_in(*decoded)


async def _resource_owner(identity: Identity, form: Mapping[str, str]) -> Login:
    name, secret = form.get("username"), form.get("password")
    if not name or not secret:
        raise OAuthError("invalid_request", "username and password are needed")
    try:
        return await identity.log_in(name, secret)
    except Unauthenticated as error:
        raise OAuthError("invalid_grant", error.message) from error


def _translated(error: PolyfleetError) -> OAuthError:
    match error:
        case Unauthenticated():
            return OAuthError("invalid_client", error.message, status=401)
        case RateLimited():
            return OAuthError("temporarily_unavailable", error.message, status=429)
        case Unavailable():
            return OAuthError("temporarily_unavailable", error.message, status=503)
        case TooLarge():
            return OAuthError("invalid_request", error.message, status=413)
        case Invalid():
            return OAuthError("invalid_request", error.message)
        case _:
            return OAuthError("server_error", "the token cannot be given", status=500)


def _refusal(error: OAuthError, retry_after: float | None = None) -> Response:
    headers = dict(_NO_STORE)
    if error.status == 401:  # noqa: PLR2004 - Unauthorized
        headers["WWW-Authenticate"] = 'Basic realm="polyfleet"'
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, round(retry_after)))
    body = {"error": error.code, "error_description": error.description}
    return JSONResponse(body, status_code=error.status, headers=headers)


def _http_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    refusal = _refusal(OAuthError("invalid_request", error.detail, status=error.status_code))
    refusal.headers.update(error.headers or {})
    return refusal


def _fault(_request: Request, _error: Exception) -> Response:
    return _refusal(OAuthError("server_error", "the token cannot be given", status=500))
