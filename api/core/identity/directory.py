"""Users and access tokens as the cache has them, and what their principals are."""

import hmac
from collections.abc import Iterable
from typing import Protocol

from polyfleet.api.core.identity import access_tokens
from polyfleet.api.core.identity.clock import Clock
from polyfleet.fleet.claimants import holder
from polyfleet.fleet.instants import parse
from polyfleet.fleet.objects.user import AccessToken, User
from polyfleet.fleet.rights import READ_ONLY_SCOPE, READ_WRITE_SCOPE, Principal
from polyfleet.kube.store import Store

_BY_NAME = "identity: user name"
_BY_SUBJECT = "identity: subject"
_BY_HASH = "identity: token hash"

_IMPLIED = {
    READ_ONLY_SCOPE: frozenset({"endpoint:read", "application:software:read"}),
    READ_WRITE_SCOPE: frozenset(
        {
            READ_ONLY_SCOPE,
            "rdfm_create_group",
            "rdfm_upload_single_file",
            "rdfm_upload_rootfs_image",
            "rdfm_upload_nonstandard_artifact",
            "endpoint:read",
            "application:software:read",
            "application:software:update",
        }
    ),
}


class Accounts(Protocol):
    """The part of the cache that holds people and their tokens."""

    @property
    def users(self) -> Store[User]:
        """All users."""

    @property
    def access_tokens(self) -> Store[AccessToken]:
        """All access tokens."""


class Directory:
    """Finds who is meant.

    Never found are users that are disabled or being deleted, and those whose name an older user
    has: the operator says so of them, too.
    """

    def __init__(self, cache: Accounts, *, clock: Clock) -> None:
        """Look into the stores of `cache`."""
        self._users = cache.users
        self._tokens = cache.access_tokens
        self._clock = clock
        self._users.add_index(_BY_NAME, lambda user: (user.spec.name,))
        self._users.add_index(_BY_SUBJECT, lambda user: user.spec.subjects)
        self._tokens.add_index(_BY_HASH, lambda token: (token.spec.hash,))

    def user(self, name: str) -> User | None:
        """Return the user of this name."""
        found = holder(self._users.find(_BY_NAME, name))
        return found if found is not None and _usable(found) else None

    def is_taken(self, name: str) -> bool:
        """Return whether any user has this name, also one that cannot be found by it."""
        return bool(self._users.find(_BY_NAME, name))

    def user_by_uid(self, uid: str) -> User | None:
        """Return the user with this uid."""
        user = self._users.by_uid(uid)
        return user if user is not None and self._is_found(user) else None

    def user_by_subject(self, subject: str) -> User | None:
        """Return the one user that lists this `<issuer>#<subject>`; None if several do."""
        # Unlike a name, a subject may be added later: age does not tell whose it is.
        found = [user for user in self._users.find(_BY_SUBJECT, subject) if self._is_found(user)]
        return found[0] if len(found) == 1 else None

    def is_barred(self, name: str | None, subject: str) -> bool:
        """Return whether a name or a subject belongs to a user that may not be found."""
        if self._users.find(_BY_SUBJECT, subject):
            return self.user_by_subject(subject) is None
        if name is not None and self._users.find(_BY_NAME, name):
            return self.user(name) is None
        return False

    def access_token(self, text: str) -> tuple[User, AccessToken] | None:
        """Return whose access token a text is, and which; None if it does not hold."""
        if not access_tokens.well_formed(text):
            return None
        digest = access_tokens.digest(text)
        for token in self._tokens.find(_BY_HASH, digest):
            if hmac.compare_digest(token.spec.hash, digest):
                user = self._bearer(token)
                if user is not None:
                    return user, token
        return None

    def access_token_by_uid(self, uid: str) -> AccessToken | None:
        """Return an access token that still holds."""
        token = self._tokens.by_uid(uid)
        return token if token is not None and self._bearer(token) is not None else None

    def _is_found(self, user: User) -> bool:
        found = self.user(user.spec.name)
        return found is not None and found.metadata.uid == user.metadata.uid

    def _bearer(self, token: AccessToken) -> User | None:
        if token.metadata.terminating or self._expired(token.spec.expires_at):
            return None
        user = self.user_by_uid(token.spec.user_uid)
        # The uid alone would do; a token whose name and uid disagree was tampered with.
        return user if user is not None and user.spec.name == token.spec.user else None

    def _expired(self, expires_at: str | None) -> bool:
        if expires_at is None:
            return False
        try:
            return self._clock() >= parse(expires_at)
        except ValueError:
            return True


def principal_of(
    user: User,
    *,
    source: str,
    narrowed_to: Iterable[str] | None = None,
    added: Iterable[str] = (),
    administrator: bool = False,
) -> Principal:
    """Return the principal that a user is.

    `narrowed_to` are the scopes that a token names; None: all that the user has. `added` and
    `administrator` are what a trusted issuer grants on top.
    """
    scopes = frozenset(user.spec.scopes).union(added)
    if narrowed_to is None:
        return Principal(
            kind="user",
            name=user.spec.name,
            uid=user.metadata.uid,
            scopes=scopes,
            administrator=administrator or user.spec.administrator,
            source=source,
        )
    return Principal(
        kind="user",
        name=user.spec.name,
        uid=user.metadata.uid,
        scopes=narrowed(user, narrowed_to),
        source=source,
        restricted=True,
    )


def narrowed(user: User, scopes: Iterable[str]) -> frozenset[str]:
    """Return those of `scopes` that the user may hand on: all, for an administrator."""
    asked = frozenset(scopes)
    return asked if user.spec.administrator else asked & covered(user.spec.scopes)


def covered(scopes: Iterable[str]) -> frozenset[str]:
    """Return the scopes and all that they imply: who may write may also read."""
    held = frozenset(scopes)
    return held.union(*(_IMPLIED.get(scope, ()) for scope in held))


def _usable(user: User) -> bool:
    return not user.spec.disabled and not user.metadata.terminating
