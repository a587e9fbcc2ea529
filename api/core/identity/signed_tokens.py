"""JSON Web Tokens of our own: HS256 with the shared signing keys, and nothing else.

Each purpose has its own key and its own issuer, so a device's token is no user's token and no
other issuer's token is ours.
"""

import base64
import json
from functools import lru_cache
from typing import Any, TypeVar

import jwt

from polyfleet.api.core.errors import Unauthenticated
from polyfleet.api.core.identity.clock import Clock, Monotonic, monotonic_clock
from polyfleet.api.core.identity.memo import Memo
from polyfleet.api.core.identity.signing_keys import Purpose, SigningKeys

Value = TypeVar("Value")

ALGORITHM = "HS256"
ISSUERS = {
    Purpose.DEVICE_TOKENS: "polyfleet/devices",
    Purpose.USER_TOKENS: "polyfleet/users",
}
REFUSAL = "the credentials do not hold"
"""The one text for every credential that is refused: a stranger learns nothing from it."""


def sign(keys: SigningKeys, purpose: Purpose, claims: dict[str, Any]) -> str:
    """Return a token with these claims and the issuer of the purpose."""
    key = keys.current(purpose)
    return jwt.encode(
        {"iss": ISSUERS[purpose], **claims},
        key.secret,
        algorithm=ALGORITHM,
        headers={"kid": key.id},
    )


async def verified(
    keys: SigningKeys, purpose: Purpose, token: str, *, required: list[str]
) -> dict[str, Any]:
    """Return the claims of a token that we signed for this purpose.

    Signature, issuer and presence of the `required` claims are checked; what they say about time
    is left to the caller, who has the clock. Raises Unauthenticated.
    """
    try:
        key_id = _key_id(token.partition(".")[0])
        key = None if key_id is None else await keys.find_or_reload(purpose, key_id)
        if key is None:
            raise Unauthenticated(REFUSAL)
        return jwt.decode(
            token,
            key.secret,
            algorithms=[ALGORITHM],
            issuer=ISSUERS[purpose],
            options={
                "require": ["iss", *required],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
                "verify_aud": False,
            },
        )
    except jwt.InvalidTokenError as error:
        raise Unauthenticated(REFUSAL) from error


class SignatureMemo(Memo[Value]):
    """What checked signatures said, forgotten as soon as the signing keys are others."""

    def __init__(
        self,
        keys: SigningKeys,
        *,
        lifetime: float,
        capacity: int,
        clock: Clock,
        monotonic: Monotonic = monotonic_clock,
    ) -> None:
        """Keep values for `lifetime` seconds, the newest `capacity` of them."""
        super().__init__(lifetime=lifetime, capacity=capacity, clock=clock, monotonic=monotonic)
        self._keys = keys
        self._ring = keys.ring

    def get(self, key: bytes) -> Value | None:
        """Return the value, None if there is none, its time is over, or the keys changed."""
        if self._keys.ring is not self._ring:
            self.clear()
            self._ring = self._keys.ring
        return super().get(key)


def unverified_claims(token: str) -> dict[str, Any] | None:
    """Return what a JWT says, believing nothing of it; None if the text is not a JWT.

    It only decides who is asked about the token, never whether it holds.
    """
    parts = token.split(".")
    return _fields(parts[1]) if len(parts) == 3 else None  # noqa: PLR2004 - header, payload, signature


@lru_cache(maxsize=64)
def _key_id(header: str) -> str | None:
    """Return the `kid` of an encoded header; ours are all alike, so it is read but once."""
    key_id = (_fields(header) or {}).get("kid")
    return key_id if isinstance(key_id, str) else None


def _fields(encoded: str) -> dict[str, Any] | None:
    try:
        fields = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None
