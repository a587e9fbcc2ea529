"""Registering, logging in, changing a password, leaving."""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Invalid,
    RateLimited,
    Unauthenticated,
)
from polyfleet.api.core.facade import Facade
from polyfleet.api.core.identity.accounts import create_user
from polyfleet.api.core.identity.clock import monotonic_clock
from polyfleet.api.core.rate_limits import TokenBuckets
from polyfleet.api.dialects.deis import bodies, schemas
from polyfleet.api.dialects.deis.access import Caller, caller_of, user_of_name
from polyfleet.api.dialects.deis.documents import user_document
from polyfleet.api.dialects.deis.errors import GENERAL, answer
from polyfleet.api.dialects.deis.keys import delete_keys_of
from polyfleet.api.dialects.deis.routes import BASE, Route
from polyfleet.fleet.objects.kinds import USERS
from polyfleet.fleet.objects.user import User
from polyfleet.kube import administrators, errors
from polyfleet.kube.refusal import Refused

LONGEST_NAME = 30
REGISTRATIONS = 100
"""That are let through without a pause; then one in a second."""
_NAME = re.compile(r"[\w.@+-]+")
_EMAIL = re.compile(r"[^@\s]{1,64}@(?:[\w-]{1,63}\.)+[^\W\d_]{2,63}")
_OWNED = "deis: applications by owner"
_LAST = "The last administrator cannot leave."


class AccountRoutes:
    """The routes below /v1/auth."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade
        self._registrations = TokenBuckets(burst=REGISTRATIONS, interval=1.0, maximum=1)
        facade.cache.applications.add_index(
            _OWNED,
            lambda item: (item.spec.owner.uid,) if item.spec.owner and item.present else (),
        )

    async def register(self, request: Request) -> Response:
        """Make a user; the first one is an administrator if there is none."""
        await self._require_registration(request)
        fields = await _fields(self._facade, request)
        bodies.require(fields, ("username", "password"))
        name = _user_name(fields)
        email = bodies.optional_text(fields, "email", longest=254)
        if email and not _EMAIL.fullmatch(email):
            raise Invalid("email", "Enter a valid email address.")
        found = {
            "email": email,
            "firstName": bodies.optional_text(fields, "first_name", longest=30),
            "lastName": bodies.optional_text(fields, "last_name", longest=30),
        }
        given = {key: value for key, value in found.items() if value}
        user = await self._create(name, bodies.text(fields, "password"), given)
        return answer(201, user_document(user))

    async def login(self, request: Request) -> Response:
        """Give the token of a user, the same one each time."""
        fields = await _fields(self._facade, request)
        bodies.require(fields, ("username", "password"))
        identity = self._facade.identity
        secret = bodies.text(fields, "password")
        try:
            login = await identity.log_in(bodies.text(fields, "username"), secret)
        except Unauthenticated:
            raise Invalid(GENERAL, "Unable to log in with provided credentials.") from None
        # An access token may be worth less than its user: it stays what the client calls by.
        token = identity.login_tokens.issue(login.user) if login.access_token is None else secret
        return answer(200, {"token": token}, {"Cache-Control": "no-store"})

    async def passwd(self, request: Request) -> Response:
        """Change one's own password; administrators, also another user's."""
        caller = await caller_of(self._facade, request)
        fields = await _fields(self._facade, request)
        user = self._meant(caller, bodies.optional_text(fields, "username"))
        new = bodies.text(fields, "new_password")
        if user.metadata.uid == caller.principal.uid:
            await self._verify(user, bodies.text(fields, "password"))
        try:
            await self._facade.identity.set_password(user, new)
        except Invalid as error:
            raise Invalid("new_password", error.message) from None
        return answer(200, {"status": "password set"})

    async def regenerate(self, request: Request) -> Response:
        """End every login of the caller, or, for administrators, of another user."""
        caller = await caller_of(self._facade, request)
        fields = await _fields(self._facade, request)
        user = self._meant(caller, bodies.optional_text(fields, "username"))
        changed = await self._facade.writer.update(
            USERS,
            user.metadata.name,
            lambda item: {"spec": {"loginEpoch": item.spec.login_epoch + 1}},
        )
        token = self._facade.identity.login_tokens.issue(changed)
        return answer(200, {"token": token}, {"Cache-Control": "no-store"})

    async def cancel(self, request: Request) -> Response:
        """Remove one's own account; administrators, also another user's."""
        caller = await caller_of(self._facade, request)
        fields = await _fields(self._facade, request)
        user = self._meant(caller, bodies.optional_text(fields, "username"))
        facade = self._facade
        if facade.cache.applications.find(_OWNED, user.metadata.uid):
            raise Conflict(
                f"{user.spec.name} still has applications assigned. "
                "Delete or transfer ownership of them first."
            )
        try:
            await administrators.remove(facade.writer, user, facade.clock())
        except Refused:
            raise Conflict(_LAST) from None
        await delete_keys_of(facade, user)
        return Response(status_code=204)

    async def _require_registration(self, request: Request) -> None:
        mode = self._facade.settings.deis.registration
        if mode == "disabled":
            raise Forbidden("Registration is disabled")
        if mode == "admin_only":
            (await caller_of(self._facade, request)).require_administrator()
        elif not self._registrations.take("", monotonic_clock()):
            raise RateLimited("too many registrations", retry_after=1.0)

    async def _create(self, name: str, password: str, fields: dict[str, Any]) -> User:
        facade = self._facade
        taken = Invalid("username", "User with this Username already exists.")
        if facade.identity.directory.is_taken(name):
            raise taken
        now = facade.clock()
        try:
            user = await create_user(
                facade.writer,
                facade.identity.hashes,
                name,
                password,
                fields=fields,
                serials=facade.serials,
                now=now,
            )
        except (errors.AlreadyExists, AlreadyExists):
            raise taken from None
        except Invalid as error:
            field = "username" if error.field == "name" else error.field
            raise Invalid(field, error.message) from None
        if any(_is_administrator(item) for item in facade.cache.users.values()):
            return user
        return await administrators.make_first(facade.writer, user, now)

    def _meant(self, caller: Caller, name: str) -> User:
        """Return the user that a request is about: the caller, unless another is named."""
        if not name or name == caller.principal.name:
            return caller.person()
        caller.require_administrator()
        return user_of_name(self._facade, name)

    async def _verify(self, user: User, password: str) -> None:
        try:
            await self._facade.identity.passwords.verify(user.spec.name, password)
        except Unauthenticated:
            raise Invalid("", "Current password does not match") from None


def routes(accounts: AccountRoutes) -> list[Route]:
    """Return the routes below /v1/auth."""
    return [
        Route(
            method="POST",
            path=f"{BASE}/auth/register",
            endpoint=accounts.register,
            summary="Register a new user",
            status=201,
            statuses=(401, 403, 409),
            body=schemas.Registration,
            reply=schemas.UserBody,
            open=True,
        ),
        Route(
            method="POST",
            path=f"{BASE}/auth/login",
            endpoint=accounts.login,
            summary="Log in",
            body=schemas.Credentials,
            reply=schemas.Token,
            open=True,
        ),
        Route(
            method="POST",
            path=f"{BASE}/auth/passwd",
            endpoint=accounts.passwd,
            summary="Change a password",
            statuses=(403, 404),
            body=schemas.NewPassword,
            reply=schemas.Status,
        ),
        Route(
            method="POST",
            path=f"{BASE}/auth/tokens",
            endpoint=accounts.regenerate,
            summary="End every login of a user",
            statuses=(403, 404, 409),
            body=schemas.OtherUser,
            body_needed=False,
            reply=schemas.Token,
        ),
        Route(
            method="DELETE",
            path=f"{BASE}/auth/cancel",
            endpoint=accounts.cancel,
            summary="Cancel an account",
            status=204,
            statuses=(403, 404, 409),
            body=schemas.OtherUser,
            body_needed=False,
        ),
    ]


async def _fields(facade: Facade, request: Request) -> bodies.Fields:
    return await bodies.read_fields(request, facade.settings.maximum_body)


def _user_name(fields: bodies.Fields) -> str:
    name = bodies.text(fields, "username", longest=LONGEST_NAME)
    if not _NAME.fullmatch(name):
        raise Invalid("username", "Enter a valid username.")
    return name


def _is_administrator(user: User) -> bool:
    return user.spec.administrator and not user.spec.disabled and not user.metadata.terminating
