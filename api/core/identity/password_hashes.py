"""Password hashes: argon2id, in threads, few at once, and kept in Secrets."""

import base64
import binascii
from collections.abc import Callable
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from polyfleet.api.core.errors import Invalid
from polyfleet.api.core.identity.access_tokens import looks_like_one
from polyfleet.fleet.objects.user import User
from polyfleet.kube.client import Client
from polyfleet.kube.errors import AlreadyExists, NotFound
from polyfleet.kube.password_secrets import (
    claim,
    is_secret_of,
    owned_metadata,
    secret_name,
    unclaimed_metadata,
)
from polyfleet.kube.resources import SECRETS

AT_ONCE = 2
MIN_PASSWORD = 8
"""Characters (NIST SP 800-63B, memorized secrets)."""
MAX_PASSWORD = 1_024

_KEY = "hash"
Result = TypeVar("Result")

# One lane and 19 MiB (OWASP Password Storage Cheat Sheet): two at once fit a small pod.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)
# What an unknown user's password is compared with, so that it takes as long as a known one's.
_NOBODY = _HASHER.hash("nobody has this password")


def check_password(password: str) -> None:
    """Raise Invalid unless this can be a password."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise Invalid("password", f"must have {MIN_PASSWORD} to {MAX_PASSWORD} characters")
    if looks_like_one(password):
        raise Invalid("password", "may not begin as access tokens do")


class PasswordHashes:
    """Makes, stores and compares password hashes."""

    def __init__(self, client: Client) -> None:
        """Keep the hashes in Secrets of the client's namespace."""
        self._client = client
        self._threads = anyio.CapacityLimiter(AT_ONCE)

    async def store(self, user: User, password: str) -> None:
        """Set a user's password. Raises Invalid and ApiError."""
        metadata = owned_metadata(user)
        body = await self._secret(metadata, password)
        try:
            await self._client.create_document(SECRETS, body)
        except AlreadyExists:
            # Without a resourceVersion on purpose: the last password set is the one that counts.
            await self._client.replace_document(SECRETS, metadata["name"], body)

    async def deposit(
        self, user_name: str, created_at: str, object_name: str, password: str
    ) -> None:
        """Store the password of a user that is about to be made. Raises Invalid and ApiError.

        The operator takes it away if that user does not come.
        """
        metadata = unclaimed_metadata(user_name, created_at, object_name)
        await self._client.create_document(SECRETS, await self._secret(metadata, password))

    async def withdraw(self, user_name: str, created_at: str) -> None:
        """Take away the password of a user that was not made after all. Raises ApiError."""
        await self._client.delete_document(SECRETS, secret_name(user_name, created_at))

    async def claim(self, user: User, password: str) -> None:
        """Let a user that was just made have the password deposited for it. Raises ApiError."""
        try:
            await claim(self._client, user)
        except NotFound:
            # The user came so late that the operator no longer expected it.
            await self.store(user, password)

    async def matches(self, user: User | None, name: str, password: str) -> bool:
        """Return whether a password is that of `user`; None, or no password set: never.

        Takes as long for an unknown name as for a known one. Raises ApiError.
        """
        stored = await self._read(user, name)
        same = await self._in_thread(_verify, stored or _NOBODY, password)
        return same and stored is not None

    async def _read(self, user: User | None, name: str) -> str | None:
        created_at = "" if user is None else user.spec.created_at
        try:
            document = await self._client.get_document(SECRETS, secret_name(name, created_at))
        except NotFound:
            return None
        if user is None or not is_secret_of(document, user):
            return None
        try:
            return base64.b64decode((document.get("data") or {})[_KEY], validate=True).decode()
        except (KeyError, binascii.Error, UnicodeDecodeError):
            return None

    async def _secret(self, metadata: dict[str, Any], password: str) -> dict[str, Any]:
        check_password(password)
        text = await self._in_thread(_HASHER.hash, password)
        data = {_KEY: base64.b64encode(text.encode()).decode()}
        return {"metadata": metadata, "type": "Opaque", "data": data}

    async def _in_thread(self, work: Callable[..., Result], *arguments: str) -> Result:
        return await anyio.to_thread.run_sync(work, *arguments, limiter=self._threads)


def _verify(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
