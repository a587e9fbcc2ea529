"""Logging in: a name and a password, or an access token, for a token of some hours."""

from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.errors import Unauthenticated
from polyfleet.api.core.facade import Facade
from polyfleet.api.core.identity.credentials import Basic, credential_of
from polyfleet.api.dialects.inventory.errors import LOGIN
from polyfleet.api.dialects.inventory.routes import Route

PATH = "/api/management/v1/useradm/auth/login"


class LoginRoutes:
    """The login route."""

    def __init__(self, facade: Facade) -> None:
        self._identity = facade.identity

    async def log_in(self, request: Request) -> Response:
        """Return a token as the whole body; a body of the request is not read."""
        credential = credential_of(request.headers)
        if not isinstance(credential, Basic):
            raise Unauthenticated("a user's name and password are needed")
        login = await self._identity.log_in(credential.user, credential.secret)
        token = self._identity.issue_user_token(login)
        headers = {"Cache-Control": "no-store"}
        return Response(token.text, 200, headers, "application/jwt")


def routes(login: LoginRoutes) -> list[Route]:
    """Return the route."""
    return [
        Route(
            method="POST",
            path=PATH,
            endpoint=login.log_in,
            summary="Log in",
            challenge=LOGIN,
            statuses=(401, 429),
        )
    ]
