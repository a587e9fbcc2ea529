"""What the OpenAPI document says about the token endpoint (RFC 6749, sections 4.3, 4.4 and 5)."""

from typing import Any, Literal

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

PATH = "/oauth/token"
OPENAPI = "/oauth/openapi.json"
FORM = "application/x-www-form-urlencoded"
BASIC = "ClientSecret"

_TEXT = {"schema": {"type": "string"}}
_NO_STORE = {"Cache-Control": _TEXT | {"required": True}, "Pragma": _TEXT | {"required": True}}
_DESCRIPTIONS = {
    400: "The request is malformed, or the grant, or a scope, is none that is given",
    401: "The client did not authenticate, or its credentials do not hold",
    413: "The form is too large",
    429: "Too many failed logins, or too many at once",
    503: "The API server does not answer",
}


class TokenRequest(BaseModel):
    """A form; the client may authenticate by Basic instead of the two fields."""

    grant_type: Literal["client_credentials", "password"]
    scope: str | None = Field(default=None, description="Scopes, separated by spaces")
    client_id: str | None = Field(
        default=None, description="A user's name, or the first ten characters of an access token"
    )
    client_secret: str | None = Field(default=None, description="A password or an access token")
    username: str | None = None
    password: str | None = None


class TokenAnswer(BaseModel):
    """A token, for how many seconds it holds, and the scopes that it has."""

    model_config = ConfigDict(extra="forbid")

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    scope: str


class TokenError(BaseModel):
    """What went wrong: a code for programs and words for people."""

    model_config = ConfigDict(extra="forbid")

    error: Literal[
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "temporarily_unavailable",
        "unsupported_grant_type",
    ]
    error_description: str


def description() -> dict[str, Any]:
    """Return what the framework is told about the route."""
    responses: dict[int | str, dict[str, Any]] = {
        200: {"description": "A token", "model": TokenAnswer, "headers": _NO_STORE}
    }
    for status, text in _DESCRIPTIONS.items():
        responses[status] = {"description": text, "model": TokenError, "headers": _NO_STORE}
    return {
        "summary": "Give a token for a name and a secret",
        "name": "token",
        "response_class": Response,
        "response_model": None,
        "responses": responses,
        "openapi_extra": {
            "security": [{BASIC: []}, {}],
            "requestBody": {
                "required": True,
                "content": {FORM: {"schema": TokenRequest.model_json_schema()}},
            },
        },
    }


def complete(application: FastAPI) -> None:
    """Add to the document how clients authenticate."""
    describe = application.openapi

    def described() -> dict[str, Any]:
        document = describe()
        schemes = {BASIC: {"type": "http", "scheme": "basic"}}
        document.setdefault("components", {})["securitySchemes"] = schemes
        return document

    application.openapi = described  # type: ignore[method-assign]
