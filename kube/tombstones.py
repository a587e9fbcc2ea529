"""Remembers for a while what we deleted, until the watch tells it too."""

import time
from itertools import islice
from typing import NamedTuple

_SECONDS = 600.0
_MOST = 50_000


class _Tombstone(NamedTuple):
    uid: str
    version: int
    since: float


class Tombstones:
    """The last deleted bearer of each name, for ten minutes and at most 50,000 names.

    What is dropped early can at worst be seen again until the watch confirms its deletion.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, _Tombstone] = {}

    def __len__(self) -> int:
        return len(self._by_name)

    def cover(self, name: str, uid: str, version: int) -> bool:
        """Whether an object is the deleted bearer of its name, or an earlier one."""
        stone = self._by_name.get(name)
        if stone is None or time.monotonic() - stone.since > _SECONDS:
            return False
        return stone.uid == uid or version <= stone.version

    def add(self, name: str, uid: str, version: int) -> None:
        """Remember that the bearer of a name was deleted, last seen at a version."""
        now = time.monotonic()
        former = self._by_name.pop(name, None)
        if former is not None and former.version > version:
            uid, version = former.uid, former.version
        self._by_name[name] = _Tombstone(uid, version, now)
        # A dict keeps the order of insertion, so the oldest come first.
        for old, stone in list(islice(self._by_name.items(), 2)):
            if len(self._by_name) > _MOST or now - stone.since > _SECONDS:
                del self._by_name[old]

    def discard(self, name: str, uid: str | None = None) -> None:
        """Forget the bearer of a name, or only that one."""
        stone = self._by_name.get(name)
        if stone is not None and uid in {None, stone.uid}:
            del self._by_name[name]

    def clear(self) -> None:
        """Forget all."""
        self._by_name.clear()
