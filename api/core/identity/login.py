"""A user who proved to be that, and the token that this is worth."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from polyfleet.api.core.identity.directory import covered, narrowed
from polyfleet.fleet.objects.user import AccessToken, User


@dataclass(frozen=True, slots=True)
class Login:
    """A user who proved to be that, by a password or by an access token."""

    user: User
    access_token: AccessToken | None = None

    @property
    def scopes(self) -> tuple[str, ...] | None:
        """What the access token names; None: all that the user has."""
        return None if self.access_token is None else self.access_token.spec.scopes

    def granted(self, asked: Iterable[str] | None) -> frozenset[str] | None:
        """Return what a token for this login may name: of the `asked` what both halves allow.

        None for all that the user has, if neither asks for less.
        """
        own = None if self.scopes is None else narrowed(self.user, self.scopes)
        if asked is None:
            return own
        wanted = narrowed(self.user, asked)
        return wanted if own is None else wanted & covered(own)


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token of ours: its text, the seconds that it holds, and the scopes to show."""

    text: str = field(repr=False)
    expires_in: int
    scopes: frozenset[str]
