"""Who calls, and which applications that lets them see and change.

Whoever has no role in an application is told that there is none. Who may read it but not do what
is asked is told so.
"""

from starlette.requests import Request

from polyfleet.api.core import access
from polyfleet.api.core.errors import Forbidden, NotFound, Unauthenticated
from polyfleet.api.core.facade import Facade
from polyfleet.api.core.identity.authenticator import ANYONE
from polyfleet.api.dialects.deis.errors import NO_CREDENTIALS, NOT_ALLOWED, NOT_FOUND
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.user import User
from polyfleet.fleet.rights import Right

INVALID_TOKEN = "Invalid token"  # noqa: S105 - a text, not a token
_HEADER = "Invalid token header."
_SCHEME = "token"
_KNOWN = frozenset({_SCHEME, "bearer", "basic"})


async def caller_of(facade: Facade, request: Request) -> "Caller":
    """Return who sent a request. Raises Unauthenticated in the words of the Controller."""
    if facade.identity.insecure:
        return Caller(facade, ANYONE)
    lines = request.headers.getlist("authorization")
    scheme, _, rest = (lines[0] if lines else "").strip().partition(" ")
    if scheme.lower() not in _KNOWN:
        raise Unauthenticated(NO_CREDENTIALS)
    if scheme.lower() == _SCHEME:
        if not rest.strip():
            raise Unauthenticated(f"{_HEADER} No credentials provided.")
        if " " in rest.strip():
            raise Unauthenticated(f"{_HEADER} Token string should not contain spaces.")
    try:
        return Caller(facade, await facade.identity.authenticate_management(request.headers))
    except Unauthenticated:
        raise Unauthenticated(INVALID_TOKEN) from None


class Caller(access.Caller):
    """A person or program, and what it may do."""

    @property
    def name(self) -> str:
        """The caller's name, for people who read what happened."""
        return self.principal.name

    @property
    def administers(self) -> bool:
        """Whether the caller is an administrator, and not by a token that narrows this."""
        return self.principal.administrator and not self.principal.restricted

    def application(self, name: str, right: Right = Right.READ) -> Application:
        """Return the application of that name.

        Raises NotFound unless there is one that the caller may read, and Forbidden if the caller
        lacks the further right.
        """
        found = self._facade.cache.applications.get(name)
        if found is None or not found.present or not self.has(Right.READ, found):
            raise NotFound(NOT_FOUND)
        self.require_in(right, found)
        return found

    def require_in(self, right: Right, application: Application) -> None:
        """Raise Forbidden unless the caller has the right in the application as it is now."""
        if not self.has(right, application):
            raise Forbidden(NOT_ALLOWED)

    def require_administrator(self) -> None:
        """Raise Forbidden unless the caller is an administrator."""
        if not self.administers:
            raise Forbidden(NOT_ALLOWED)

    def person(self) -> User:
        """Return the User that the caller is. Raises Forbidden for programs and narrowed tokens."""
        user = self._facade.identity.directory.user_by_uid(self.principal.uid)
        if user is None or self.principal.restricted:
            raise Forbidden(NOT_ALLOWED)
        return user


def user_of_name(facade: Facade, name: str) -> User:
    """Return the user of that name. Raises NotFound."""
    user = facade.identity.directory.user(name)
    if user is None:
        raise NotFound(NOT_FOUND)
    return user
