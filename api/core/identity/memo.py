"""What was verified a moment ago, remembered without remembering the credential."""

import hashlib
import secrets
from typing import Generic, TypeVar

from polyfleet.api.core.identity.clock import Clock, Monotonic, monotonic_clock, wall_clock

Value = TypeVar("Value")


class Memo(Generic[Value]):
    """Values by a keyed hash of what they were made from, for a while, and so many of them.

    The key is drawn anew in each process: a dump of the memory gives no hash to test guesses on
    elsewhere.
    """

    def __init__(
        self,
        *,
        lifetime: float,
        capacity: int,
        clock: Clock = wall_clock,
        monotonic: Monotonic = monotonic_clock,
    ) -> None:
        """Keep values for `lifetime` seconds, the newest `capacity` of them.

        `clock` tells only whether the date is reached that a value may bring along.
        """
        self._lifetime = lifetime
        self._capacity = capacity
        self._clock = clock
        self._monotonic = monotonic
        self._secret = secrets.token_bytes(32)
        self._entries: dict[bytes, tuple[float, float | None, Value]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def key(self, *parts: str) -> bytes:
        """Return the key under which a value made from `parts` is kept."""
        framed = "".join([f"{len(part)}:{part}" for part in parts])
        return hashlib.blake2b(
            framed.encode("utf-8", "surrogatepass"), key=self._secret, digest_size=32
        ).digest()

    def get(self, key: bytes) -> Value | None:
        """Return the value, None if there is none or its time is over."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        ends, until, value = entry
        if self._monotonic() >= ends or (until is not None and self._clock().timestamp() >= until):
            del self._entries[key]
            return None
        return value

    def put(self, key: bytes, value: Value, *, until: float | None = None) -> None:
        """Keep a value; `until` (seconds since the epoch) may shorten its time."""
        self._entries.pop(key, None)
        while len(self._entries) >= self._capacity:
            # The oldest entry: all live equally long, so it is the nearest to its end.
            del self._entries[next(iter(self._entries))]
        self._entries[key] = (self._monotonic() + self._lifetime, until, value)

    def discard(self, key: bytes) -> None:
        """Forget one value, if it is there."""
        self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
