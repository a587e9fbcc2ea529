"""Endpoint tokens of Kaa's device protocol: a device names itself by a secret in the path.

Tokens made here have 192 random bits; people may also give a device the token that it was born
with. Only the SHA-256 of the text is kept, in `spec.endpointTokenHashes` of the Device.
"""

import hashlib
import hmac
import re
import secrets

from polyfleet.api.core.call import current
from polyfleet.api.core.errors import Invalid, Unauthenticated
from polyfleet.api.core.identity.clock import Monotonic, monotonic_clock
from polyfleet.api.core.identity.limits import Limits
from polyfleet.api.core.identity.memo import Memo
from polyfleet.fleet.objects.device import Device
from polyfleet.kube.store import Store

SHORTEST = 10
LONGEST = 256
REMEMBERED = 65_536
REMEMBERED_SECONDS = 3600.0

_BY_HASH = "identity: endpoint token hash"
_RANDOM_BYTES = 24
_FORM = re.compile(r"[A-Za-z0-9._~-]+")
_REFUSAL = "the endpoint token does not hold"


def generate() -> str:
    """Return a new token, fit for a path."""
    return secrets.token_urlsafe(_RANDOM_BYTES)


def check(token: str) -> None:
    """Raise Invalid unless a text can be a token: visible ASCII that a path need not encode."""
    if not SHORTEST <= len(token) <= LONGEST:
        raise Invalid("token", f"must have {SHORTEST} to {LONGEST} characters")
    if not all(
        character.isascii() and (character.isalnum() or character in "-._~") for character in token
    ):
        raise Invalid("token", "may hold letters, digits and -._~ only")


def digest(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


class EndpointTokens:
    """Tells which device a token belongs to, and slows who guesses.

    An address that was wrong too often must wait even with a token that holds, or else guesses
    would cost nothing; not with one that was seen here within the last hour.
    """

    def __init__(
        self,
        devices: Store[Device],
        limits: Limits,
        *,
        monotonic: Monotonic = monotonic_clock,
    ) -> None:
        devices.add_index(_BY_HASH, lambda device: device.spec.endpoint_token_hashes)
        self._devices = devices
        self._limits = limits
        self._known: Memo[bool] = Memo(
            lifetime=REMEMBERED_SECONDS, capacity=REMEMBERED, monotonic=monotonic
        )

    def device(self, token: str) -> Device:
        """Return the one device that has the token. Raises Unauthenticated and RateLimited."""
        address = current().address
        hashed = digest(token)
        key = self._known.key(hashed)
        if self._known.get(key) is None:
            self._limits.admit(address)
        found = self._find(hashed)
        if found is None:
            self._known.discard(key)
            self._limits.mistake(address)
            raise Unauthenticated(_REFUSAL)
        self._known.put(key, True)
        return found

    def _find(self, hashed: str) -> Device | None:
        """Return the device; of several that have the token nobody can say which is meant."""
        found = [
            device
            for device in self._devices.find(_BY_HASH, hashed)
            if any(hmac.compare_digest(kept, hashed) for kept in device.spec.endpoint_token_hashes)
            and not device.spec.disabled
            and device.present
        ]
        return found[0] if len(found) == 1 else None
