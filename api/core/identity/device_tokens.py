"""The short-lived token that a device gets for its signature.

The claims `device_id`, `created_at` and `expires` are those that RDFM's clients read; `uid` ties
the token to one Device object, so that a device made again under its id inherits no token.
"""

from polyfleet.api.core.errors import Unauthenticated
from polyfleet.api.core.identity.clock import Clock, Monotonic, monotonic_clock, wall_clock
from polyfleet.api.core.identity.signed_tokens import REFUSAL, SignatureMemo, sign, verified
from polyfleet.api.core.identity.signing_keys import Purpose, SigningKeys
from polyfleet.fleet.objects.device import Device

REMEMBERED = 65_536
_REQUIRED = ["device_id", "created_at", "expires", "uid"]


class DeviceTokens:
    """Makes and reads device tokens."""

    def __init__(
        self,
        keys: SigningKeys,
        *,
        lifetime: int = 300,
        clock: Clock = wall_clock,
        monotonic: Monotonic = monotonic_clock,
    ) -> None:
        """Sign with `keys`; a token holds for `lifetime` seconds."""
        self.lifetime = lifetime
        self._keys = keys
        self._clock = clock
        self._memo: SignatureMemo[str] = SignatureMemo(
            keys, lifetime=lifetime, capacity=REMEMBERED, clock=clock, monotonic=monotonic
        )

    def issue(self, device: Device) -> str:
        """Return a token for a device."""
        created = int(self._clock().timestamp())
        token = sign(
            self._keys,
            Purpose.DEVICE_TOKENS,
            {
                "device_id": device.spec.device_id,
                "created_at": created,
                "expires": self.lifetime,
                "uid": device.metadata.uid,
            },
        )
        # A client uses its token at once, and mostly here: its signature need not be checked.
        self._memo.put(self._memo.key(token), device.metadata.uid, until=created + self.lifetime)
        return token

    async def device_uid(self, token: str) -> str:
        """Return the uid of the Device that a token was made for.

        Whether that Device still exists is for the caller to see. Raises Unauthenticated.
        """
        key = self._memo.key(token)
        uid = self._memo.get(key)
        if uid is not None:
            return uid
        claims = await verified(self._keys, Purpose.DEVICE_TOKENS, token, required=_REQUIRED)
        uid, ends = claims["uid"], claims["created_at"] + claims["expires"]
        if self._clock().timestamp() >= ends:
            raise Unauthenticated(REFUSAL)
        self._memo.put(key, uid, until=ends)
        return str(uid)
