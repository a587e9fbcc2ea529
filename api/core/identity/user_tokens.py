"""The short-lived token that our own token endpoint gives to people and programs.

It names a User by uid. What its bearer may do is read from the User at each use, so rights that
are taken away are gone at once; `scope` can only narrow them.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from polyfleet.api.core.errors import Unauthenticated
from polyfleet.api.core.identity.clock import Clock, Monotonic, monotonic_clock, wall_clock
from polyfleet.api.core.identity.signed_tokens import REFUSAL, SignatureMemo, sign, verified
from polyfleet.api.core.identity.signing_keys import Purpose, SigningKeys
from polyfleet.fleet.objects.user import AccessToken, User

REMEMBERED = 8_192


@dataclass(frozen=True, slots=True)
class UserTokenClaims:
    """What a token says, once it is known to be ours and of today."""

    user_uid: str
    scopes: frozenset[str] | None
    """None: all that the user has."""
    access_token_uid: str | None
    """The AccessToken it was given for; it dies with that."""


class UserTokens:
    """Makes and reads user tokens."""

    def __init__(
        self,
        keys: SigningKeys,
        *,
        lifetime: int = 3600,
        clock: Clock = wall_clock,
        monotonic: Monotonic = monotonic_clock,
    ) -> None:
        """Sign with `keys`; a token holds for `lifetime` seconds."""
        self.lifetime = lifetime
        self._keys = keys
        self._clock = clock
        self._memo: SignatureMemo[UserTokenClaims] = SignatureMemo(
            keys, lifetime=lifetime, capacity=REMEMBERED, clock=clock, monotonic=monotonic
        )

    def issue(
        self,
        user: User,
        *,
        scopes: Iterable[str] | None = None,
        access_token: AccessToken | None = None,
        shown_roles: Iterable[str] = (),
    ) -> str:
        """Return a token for a user, narrowed to `scopes` unless that is None.

        `shown_roles` is what clients that look into the token get to see; it grants nothing.
        """
        now = int(self._clock().timestamp())
        claims: dict[str, object] = {
            "sub": user.metadata.uid,
            "preferred_username": user.spec.name,
            "iat": now,
            "exp": now + self.lifetime,
            "jti": secrets.token_hex(8),
            "realm_access": {"roles": sorted(shown_roles)},
        }
        if scopes is not None:
            claims["scope"] = " ".join(sorted(scopes))
        if access_token is not None:
            claims["access_token"] = access_token.metadata.uid
        return sign(self._keys, Purpose.USER_TOKENS, claims)

    async def read(self, token: str) -> UserTokenClaims:
        """Return what a token says. Raises Unauthenticated if it does not hold."""
        key = self._memo.key(token)
        known = self._memo.get(key)
        if known is not None:
            return known
        claims = await verified(
            self._keys, Purpose.USER_TOKENS, token, required=["sub", "iat", "exp"]
        )
        if self._clock().timestamp() >= claims["exp"]:
            raise Unauthenticated(REFUSAL)
        scope = claims.get("scope")
        known = UserTokenClaims(
            user_uid=claims["sub"],
            scopes=None if scope is None else frozenset(scope.split()),
            access_token_uid=claims.get("access_token"),
        )
        self._memo.put(key, known, until=claims["exp"])
        return known
