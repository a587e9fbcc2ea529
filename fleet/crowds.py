"""How many there are of each, and of which there are most, known without counting."""

from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Crowds(Generic[Key]):
    """Counts by key that grow and shrink by one."""

    def __init__(self) -> None:
        self._counts: dict[Key, int] = {}
        self._by_count: dict[int, dict[Key, None]] = {}
        self._most = 0

    def count(self, key: Key) -> int:
        """Return how many there are of a key."""
        return self._counts.get(key, 0)

    def largest(self) -> Key | None:
        """Return a key of which there are as many as of any; None if there is nothing."""
        return next(iter(self._by_count[self._most])) if self._most else None

    def add(self, key: Key) -> None:
        """Count one more."""
        self._set(key, self.count(key) + 1)

    def remove(self, key: Key) -> None:
        """Count one less of a key that is there."""
        self._set(key, self._counts[key] - 1)

    def _set(self, key: Key, count: int) -> None:
        before = self._counts.pop(key, 0)
        if before:
            alike = self._by_count[before]
            del alike[key]
            if not alike:
                del self._by_count[before]
        if count:
            self._counts[key] = count
            self._by_count.setdefault(count, {})[key] = None
        if count > self._most:
            self._most = count
        elif self._most not in self._by_count:
            self._most -= 1  # where the one that was counted is now
