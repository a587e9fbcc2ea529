"""Access tokens of an OpenID Connect issuer: JWTs, checked against the issuer's keys."""

from typing import Any

import aiohttp
import jwt

from polyfleet.api.core.errors import Unauthenticated, Unavailable
from polyfleet.api.core.identity.clock import Clock, Monotonic, monotonic_clock
from polyfleet.api.core.identity.foreign import Foreigner, scopes_of
from polyfleet.api.core.identity.issuer_keys import IssuerKeys
from polyfleet.api.core.identity.memo import Memo
from polyfleet.api.core.identity.settings import OidcSettings
from polyfleet.api.core.identity.signed_tokens import REFUSAL
from polyfleet.api.core.identity.web import Unreachable

SOURCE = "oidc"
REMEMBERED = 4_096
MEMORY_SECONDS = 60.0


class OidcTokens:
    """Reads the tokens of one issuer."""

    def __init__(
        self,
        settings: OidcSettings,
        session: aiohttp.ClientSession,
        *,
        clock: Clock,
        monotonic: Monotonic = monotonic_clock,
    ) -> None:
        """Take the tokens that the settings describe."""
        self.issuer = settings.issuer
        self._settings = settings
        self._keys = IssuerKeys(settings, session, monotonic=monotonic)
        self._memo: Memo[Foreigner] = Memo(
            lifetime=MEMORY_SECONDS, capacity=REMEMBERED, clock=clock, monotonic=monotonic
        )

    async def read(self, token: str) -> Foreigner:
        """Return who bears a token.

        Raises Unauthenticated, and Unavailable if the issuer's keys are not known. A key that the
        issuer withdraws may be believed for another minute.
        """
        memo_key = self._memo.key(token)
        known = self._memo.get(memo_key)
        if known is not None:
            return known
        try:
            claims = await self._claims(token)
        except jwt.PyJWTError as error:
            raise Unauthenticated(REFUSAL) from error
        except Unreachable as error:
            raise Unavailable("the identity provider does not answer", 10.0) from error
        foreigner = self._foreigner(claims)
        self._memo.put(memo_key, foreigner, until=foreigner.ends)
        return foreigner

    async def _claims(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        # Before the keys are asked for: a token that cannot hold costs the issuer nothing.
        algorithm = header.get("alg")
        if algorithm not in self._settings.algorithms:
            raise Unauthenticated(REFUSAL)
        key_id = header.get("kid")
        key = await self._keys.find(key_id if isinstance(key_id, str) else None)
        if key is None or not key.fits(algorithm):
            raise Unauthenticated(REFUSAL)
        # Some fifty microseconds, and remembered: a thread would cost more than the check.
        return jwt.decode(
            token,
            key.key,
            algorithms=[algorithm],
            audience=self._settings.audiences,
            issuer=self._settings.issuer,
            leeway=self._settings.leeway,
            options={"require": ["iss", "aud", "exp", "sub"]},
        )

    def _foreigner(self, claims: dict[str, Any]) -> Foreigner:
        claim = self._settings.username_claim
        name = claims.get(claim) if claim is not None else None
        return Foreigner(
            source=SOURCE,
            issuer=self._settings.issuer,
            subject=claims["sub"],
            scopes=scopes_of(claims),
            user_name=name if isinstance(name, str) else None,
            ends=float(claims["exp"]),
        )
