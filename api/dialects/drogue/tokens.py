"""A person's own access tokens."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core import errors
from polyfleet.api.core.facade import Facade
from polyfleet.api.core.identity.accounts import create_access_token
from polyfleet.api.dialects.drogue import schemas
from polyfleet.api.dialects.drogue.access import Caller, caller_of
from polyfleet.api.dialects.drogue.errors import LoginNeeded
from polyfleet.api.dialects.drogue.routes import Route, parameter
from polyfleet.fleet.objects.kinds import ACCESS_TOKENS
from polyfleet.fleet.objects.user import AccessToken, User
from polyfleet.kube.errors import NotFound

BASE = "/api/tokens/v1alpha1"
MAX_TOKENS = 500
"""Of one user."""
MAX_DESCRIPTION = 1024
_BY_USER = "drogue: tokens of a user"


class TokenRoutes:
    """The routes below /api/tokens."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade
        self._tokens = facade.cache.access_tokens
        self._tokens.add_index(
            _BY_USER, lambda item: (item.spec.user_uid,), order=lambda item: item.spec.created_at
        )

    async def show(self, request: Request) -> Response:
        """List the caller's tokens, the oldest first."""
        _, user = await self._person(request)
        return _json([_document(token) for token in self._of(user)])

    async def create(self, request: Request) -> Response:
        """Make a token of the caller; it may do no more than what the caller came with."""
        caller, user = await self._person(request)
        descriptions = request.query_params.getlist("description")
        if len(descriptions) > 1 or any(len(text) > MAX_DESCRIPTION for text in descriptions):
            raise errors.Invalid(
                "description", f"must be one text of at most {MAX_DESCRIPTION} characters"
            )
        if len(self._of(user)) >= MAX_TOKENS:
            raise errors.Conflict(f"a user has at most {MAX_TOKENS} tokens")
        principal = caller.principal
        made = await create_access_token(
            self._facade.writer,
            user,
            description=descriptions[0] if descriptions else None,
            scopes=principal.scopes if principal.restricted else None,
            now=self._facade.clock(),
        )
        return _json({"prefix": made.prefix, "token": made.text, "key": made.text})

    async def delete(self, request: Request) -> Response:
        """Delete a token of the caller, if there is one of that prefix."""
        _, user = await self._person(request)
        prefix = parameter(request, "prefix")
        for token in self._of(user):
            if token.spec.prefix == prefix:
                try:
                    await self._facade.writer.delete(ACCESS_TOKENS, token, checked=False)
                except NotFound:
                    continue
        return Response(status_code=204)

    async def _person(self, request: Request) -> tuple[Caller, User]:
        caller = await caller_of(self._facade, request, hidden=True)
        user = self._facade.identity.directory.user_by_uid(caller.principal.uid)
        if user is None:
            raise LoginNeeded("only people have access tokens")
        return caller, user

    def _of(self, user: User) -> list[AccessToken]:
        found = self._tokens.find(_BY_USER, user.metadata.uid)
        return [token for token in found if not token.metadata.terminating]


def routes(tokens: TokenRoutes) -> list[Route]:
    """Return the routes below /api/tokens."""
    return [
        Route(
            method="GET",
            path=BASE,
            endpoint=tokens.show,
            summary="List one's own access tokens",
            statuses=(200, 403),
            reply=list[schemas.AccessToken],
        ),
        Route(
            method="POST",
            path=BASE,
            endpoint=tokens.create,
            summary="Make an access token",
            statuses=(200, 400, 403, 409),
            query=("description",),
            reply=schemas.NewAccessToken,
        ),
        Route(
            method="DELETE",
            path=f"{BASE}/{{prefix}}",
            endpoint=tokens.delete,
            summary="Delete an access token",
            statuses=(204, 403),
        ),
    ]


def _document(token: AccessToken) -> dict[str, str]:
    document = {
        "prefix": token.spec.prefix,
        "created": token.spec.created_at or token.metadata.creation_timestamp,
    }
    if token.spec.description is not None:
        document["description"] = token.spec.description
    return document


def _json(document: object) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(orjson.dumps(document), headers=headers, media_type="application/json")
