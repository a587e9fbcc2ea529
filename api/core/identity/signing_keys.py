"""The keys with which this installation signs tokens and links.

All replicas share one Secret. It holds random master keys; every use derives a key of its own
from them, so that a signature made for one use never holds for another.
"""

import asyncio
import base64
import binascii
import secrets
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

import structlog
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from polyfleet.api.core.identity.clock import Monotonic, monotonic_clock
from polyfleet.kube.client import Client
from polyfleet.kube.errors import AlreadyExists, ApiError, NotFound
from polyfleet.kube.resources import SECRETS
from polyfleet.kube.tasks import cancel_and_wait

SECRET_NAME = "polyfleet-signing-keys"  # noqa: S105 - the name of a Secret, not one
KEY_BYTES = 32
REREAD_SECONDS = 60.0
REREAD_PAUSE_SECONDS = 5.0

_CURRENT = "current"
_PREVIOUS = "previous"
_ID_PREFIX = "key-"

_log = structlog.get_logger(__name__)


class Purpose(StrEnum):
    """What a key is for."""

    DEVICE_TOKENS = "device-tokens"
    USER_TOKENS = "user-tokens"
    LINKS = "links"
    CURSORS = "cursors"
    LOGINS = "logins"


class InvalidSigningKeys(Exception):  # noqa: N818 - says what is wrong with the Secret
    """The Secret is there but does not hold what it should."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key for one purpose, and the id (`kid`) that signatures made with it carry."""

    id: str
    secret: bytes = field(repr=False)


class KeyRing:
    """The keys as one reading of the Secret gave them: the current and the previous one."""

    def __init__(self, current: str, masters: dict[str, bytes]) -> None:
        """Take master keys by id; `current` is the id of the one to sign with."""
        self.current_id = current
        self._masters = masters
        self._derived: dict[tuple[Purpose, str], SigningKey] = {}

    def current(self, purpose: Purpose) -> SigningKey:
        """Return the key to sign with."""
        return self._derive(purpose, self.current_id)

    def find(self, purpose: Purpose, key_id: str) -> SigningKey | None:
        """Return the key that a signature names; None if we have no such key."""
        return self._derive(purpose, key_id) if key_id in self._masters else None

    def all(self, purpose: Purpose) -> tuple[SigningKey, ...]:
        """Return the keys that signatures may be made with: the one to sign with comes first."""
        others = sorted(set(self._masters) - {self.current_id})
        return tuple(self._derive(purpose, key_id) for key_id in (self.current_id, *others))

    def holds(self, current: str, masters: dict[str, bytes]) -> bool:
        """Return whether these are its keys."""
        return self.current_id == current and self._masters == masters

    def _derive(self, purpose: Purpose, key_id: str) -> SigningKey:
        derived = self._derived.get((purpose, key_id))
        if derived is None:
            info = f"polyfleet {purpose.value}".encode()
            hkdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info)
            derived = SigningKey(key_id, hkdf.derive(self._masters[key_id]))
            self._derived[purpose, key_id] = derived
        return derived


class SigningKeys(AbstractAsyncContextManager["SigningKeys"]):
    """The shared keys, read again from time to time.

    Entering reads the Secret, makes it if it is absent (whichever replica is first), and keeps it
    fresh until the exit. Raises ApiError or InvalidSigningKeys if that fails at the start.
    """

    def __init__(self, client: Client, *, monotonic: Monotonic = monotonic_clock) -> None:
        """Read the keys through `client`."""
        self._client = client
        self._monotonic = monotonic
        self._ring: KeyRing | None = None
        self._lock = asyncio.Lock()
        self._asked_at = float("-inf")
        self._refresher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.reload()
        self._refresher = asyncio.create_task(self._keep_fresh(), name="signing keys")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._refresher is not None:
            await cancel_and_wait(self._refresher)

    @property
    def ring(self) -> KeyRing:
        """The keys as last read."""
        if self._ring is None:
            raise RuntimeError("the signing keys were not read yet")
        return self._ring

    def current(self, purpose: Purpose) -> SigningKey:
        """Return the key to sign with."""
        return self.ring.current(purpose)

    def find(self, purpose: Purpose, key_id: str) -> SigningKey | None:
        """Return the key that a signature names, among those read so far."""
        return self.ring.find(purpose, key_id)

    async def find_or_reload(self, purpose: Purpose, key_id: str) -> SigningKey | None:
        """Return the key that a signature names; read the Secret again if it is a new one.

        Another replica may have rotated the keys a moment ago. Made-up ids cost at most one
        reading in five seconds.
        """
        found = self.ring.find(purpose, key_id)
        if found is not None:
            return found
        async with self._lock:
            now = self._monotonic()
            if now - self._asked_at >= REREAD_PAUSE_SECONDS:
                self._asked_at = now
                await self._reload_quietly()
        return self.ring.find(purpose, key_id)

    async def reload(self) -> None:
        """Read the Secret; make it if it is absent. Raises ApiError and InvalidSigningKeys."""
        try:
            document = await self._client.get_document(SECRETS, SECRET_NAME)
        except NotFound:
            document = await self._create()
        current, masters = _keys(document)
        # The same ring while nothing changed: whoever remembers verdicts sees that it may.
        if self._ring is None or not self._ring.holds(current, masters):
            self._ring = KeyRing(current, masters)

    async def rotate(self) -> None:
        """Sign with a new key from now on; what the current key signed still holds.

        What the key before that signed does not: rotate no more often than links and tokens live.
        Other replicas learn of the new key from the first token that names it, or within a
        minute; until then they refuse links made with it.
        """
        document = await self._client.get_document(SECRETS, SECRET_NAME)
        data = document.get("data") or {}
        old, _ = _keys(document)
        new, entries = _new_key()
        body = {
            **document,
            "data": {_CURRENT: _encoded(new), _PREVIOUS: _encoded(old), old: data[old], **entries},
        }
        # The document carries its resourceVersion: of two rotations at once one is refused.
        await self._client.replace_document(SECRETS, SECRET_NAME, body)
        await self.reload()

    async def _create(self) -> dict[str, Any]:
        current, entries = _new_key()
        body = {
            "metadata": {"name": SECRET_NAME, "labels": {"app.kubernetes.io/part-of": "polyfleet"}},
            "type": "Opaque",
            "data": {_CURRENT: _encoded(current), **entries},
        }
        try:
            return await self._client.create_document(SECRETS, body)
        except AlreadyExists:
            return await self._client.get_document(SECRETS, SECRET_NAME)

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(REREAD_SECONDS)
            await self._reload_quietly()

    async def _reload_quietly(self) -> None:
        try:
            await self.reload()
        except (ApiError, InvalidSigningKeys) as error:
            _log.warning("signing keys could not be read again", error=str(error))
        except Exception:  # noqa: BLE001 - it is to go on, whatever that was
            _log.exception("signing keys could not be read again")


def _new_key() -> tuple[str, dict[str, str]]:
    key_id = f"{_ID_PREFIX}{secrets.token_hex(8)}"
    return key_id, {key_id: base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _keys(document: dict[str, Any]) -> tuple[str, dict[str, bytes]]:
    data = document.get("data") or {}
    try:
        current = base64.b64decode(data[_CURRENT], validate=True).decode()
        masters = {
            name: base64.b64decode(value, validate=True)
            for name, value in data.items()
            if name.startswith(_ID_PREFIX)
        }
    except (KeyError, binascii.Error, UnicodeDecodeError) as error:
        raise InvalidSigningKeys(f"Secret {SECRET_NAME} holds no usable keys") from error
    if current not in masters or any(len(master) < KEY_BYTES for master in masters.values()):
        raise InvalidSigningKeys(f"Secret {SECRET_NAME} lacks its current key or has short ones")
    return current, masters
