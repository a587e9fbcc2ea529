"""The signature by which a device proves its key: RSASSA-PKCS1-v1_5 with SHA-256 over the body."""

import base64
import binascii
import os
from functools import lru_cache
from typing import NamedTuple

import anyio
from anyio.to_thread import run_sync
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from polyfleet.api.core.errors import Invalid, RateLimited
from polyfleet.fleet.keys import fingerprint, public_key

SIGNATURE_HEADER = "x-rdfm-device-signature"

_REMEMBERED_KEYS = 4096
_MOST_WAITING = 512


class DeviceKey(NamedTuple):
    """A public key as sent, and ready for use."""

    pem: str
    key: RSAPublicKey

    @property
    def fingerprint(self) -> str:
        """What is the same for the key in any of its forms."""
        return fingerprint(self.pem)

    def is_same_as(self, pem: str) -> bool:
        """Whether a stored text holds this key, in whatever form."""
        if pem == self.pem:
            return True
        try:
            return fingerprint(pem) == self.fingerprint
        except ValueError:
            return False


class Signatures:
    """Checks signatures in worker threads, a bounded number at once."""

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(max(2, os.cpu_count() or 2))
        self._waiting = 0

    async def check(self, key: DeviceKey, signature: bytes, body: bytes) -> None:
        """Raise Invalid unless it is the key's signature of the body.

        Raises RateLimited if too many signatures wait to be checked.
        """
        if self._waiting >= _MOST_WAITING:
            raise RateLimited("too many devices ask for a token at once")
        self._waiting += 1
        try:
            good = await run_sync(_verify, key.key, signature, body, limiter=self._limiter)
        finally:
            self._waiting -= 1
        if not good:
            raise Invalid("", "the signature does not fit the body and the public key")


@lru_cache(_REMEMBERED_KEYS)
def device_key(pem: str) -> DeviceKey:
    """Read a device's public key. Raises Invalid, which names what is wrong with it."""
    try:
        return DeviceKey(pem, public_key(pem))
    except ValueError as error:
        raise Invalid("public_key", str(error)) from None


def signature_of(header: str | None) -> bytes:
    """Read the header of a request's signature. Raises Invalid."""
    if not header:
        raise Invalid("", "the header X-RDFM-Device-Signature is missing")
    try:
        return base64.b64decode(header, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("", "the header X-RDFM-Device-Signature is not base64") from None


def _verify(key: RSAPublicKey, signature: bytes, body: bytes) -> bool:
    try:
        key.verify(signature, body, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True
