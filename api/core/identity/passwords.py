"""Checks passwords: few at once, remembered for a while, and slower for who keeps guessing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from polyfleet.api.core.call import current
from polyfleet.api.core.errors import RateLimited, Unauthenticated
from polyfleet.api.core.identity.clock import Monotonic, monotonic_clock
from polyfleet.api.core.identity.directory import Directory
from polyfleet.api.core.identity.limits import Limits
from polyfleet.api.core.identity.memo import Memo
from polyfleet.api.core.identity.password_hashes import MAX_PASSWORD, PasswordHashes
from polyfleet.api.core.identity.signed_tokens import REFUSAL
from polyfleet.api.core.identity.throttle import Throttle
from polyfleet.fleet.objects.user import User

QUEUE = 64
REMEMBERED = 4_096
MAX_NAME = 1_024


class Passwords:
    """Who a name and a password belong to."""

    def __init__(
        self,
        hashes: PasswordHashes,
        directory: Directory,
        limits: Limits,
        *,
        memory: float,
        monotonic: Monotonic = monotonic_clock,
    ) -> None:
        """Remember a password that was right for `memory` seconds."""
        self._hashes = hashes
        self._directory = directory
        self._limits = limits
        self._throttle = Throttle(monotonic=monotonic)
        self._memo: Memo[str] = Memo(lifetime=memory, capacity=REMEMBERED, monotonic=monotonic)
        self._turns: dict[bytes, tuple[asyncio.Lock, int]] = {}
        self._waiting = 0
        self._changes = 0

    def remembered(self, name: str, password: str) -> User | None:
        """Return the user if this very pair was right a moment ago."""
        uid = self._memo.get(self._memo.key(name, password))
        user = self._directory.user(name) if uid is not None else None
        return user if user is not None and user.metadata.uid == uid else None

    async def verify(self, name: str, password: str) -> User:
        """Return the user whose password this is.

        Raises Unauthenticated, RateLimited (too many waiting, or failed too often) and ApiError.
        Unknown, disabled and known users are refused alike and as slowly.
        """
        known = self.remembered(name, password)
        if known is not None:
            return known
        if len(name) > MAX_NAME or len(password) > MAX_PASSWORD:
            raise Unauthenticated(REFUSAL)
        key = self._memo.key(name, password)
        async with self._turn(key):
            known = self.remembered(name, password)
            return known if known is not None else await self._compare(key, name, password)

    def forget(self) -> None:
        """Forget which passwords were right: one of them was changed here."""
        self._changes += 1
        self._memo.clear()

    async def _compare(self, key: bytes, name: str, password: str) -> User:
        self._limits.admit(current().address)
        self._throttle.attempt(name)
        user = self._directory.user(name)
        changes = self._changes
        if not await self._hashes.matches(user, name, password) or user is None:
            raise Unauthenticated(REFUSAL)
        self._throttle.succeeded(name)
        # What was read before a change here may be the password of before.
        if changes == self._changes:
            self._memo.put(key, user.metadata.uid)
        return user

    @asynccontextmanager
    async def _turn(self, key: bytes) -> AsyncIterator[None]:
        """Let equal pairs go one after another: all but the first find the answer remembered."""
        if self._waiting >= QUEUE:
            raise RateLimited("too many logins at once", retry_after=1.0)
        lock, users = self._turns.get(key, (asyncio.Lock(), 0))
        self._turns[key] = (lock, users + 1)
        self._waiting += 1
        try:
            async with lock:
                yield
        finally:
            self._waiting -= 1
            users = self._turns[key][1] - 1
            if users:
                self._turns[key] = (lock, users)
            else:
                del self._turns[key]
