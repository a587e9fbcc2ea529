"""Indexes that a store keeps up to date with each change."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Generic, Protocol

import structlog
from sortedcontainers import SortedDict

from polyfleet.fleet.objects.kinds import Object

Keys = Callable[[Object], Iterable[Hashable]]
Order = Callable[[Object], Any]

_log = structlog.get_logger(__name__)


class Kept(Protocol[Object]):
    """Something derived from all objects of a store."""

    def change(self, old: Object | None, new: Object | None) -> None:
        """Take note that `old` became `new`; None is absence."""
        ...

    def rebuild(self, objects: Iterable[Object]) -> None:
        """Start again from these objects."""
        ...

    def find(self, key: Hashable) -> Sequence[Object]:
        """Return the objects that have a key."""
        ...

    def names(self, key: Hashable) -> list[str]:
        """Return their names."""
        ...

    def count(self, key: Hashable) -> int:
        """Return how many they are."""
        ...


class Index(Kept[Object], Generic[Object]):
    """Which objects have a key, in no particular order."""

    def __init__(self, key: Keys[Object], objects: Mapping[str, Object]) -> None:
        self._key = key
        self._objects = objects
        # Most keys of a large index belong to one object only: a bare name then, no dict.
        self._buckets: dict[Hashable, str | dict[str, None]] = {}

    def change(self, old: Object | None, new: Object | None) -> None:
        """Move the object from its old keys to its new ones."""
        before = keys_of(self._key, old)
        after = keys_of(self._key, new)
        if old is not None:
            for key in before - after:
                self._remove(key, old.metadata.name)
        if new is not None:
            for key in after - before:
                self._add(key, new.metadata.name)

    def rebuild(self, objects: Iterable[Object]) -> None:
        """Start again from these objects."""
        self._buckets.clear()
        for item in objects:
            self.change(None, item)

    def find(self, key: Hashable) -> list[Object]:
        """Return the objects that have a key."""
        return [self._objects[name] for name in self.names(key)]

    def names(self, key: Hashable) -> list[str]:
        """Return the names of the objects that have a key."""
        bucket = self._buckets.get(key)
        if bucket is None:
            return []
        return [bucket] if isinstance(bucket, str) else list(bucket)

    def count(self, key: Hashable) -> int:
        """Return how many objects have a key."""
        bucket = self._buckets.get(key)
        if bucket is None:
            return 0
        return 1 if isinstance(bucket, str) else len(bucket)

    def keys(self) -> list[Hashable]:
        """Return all keys."""
        return list(self._buckets)

    def _add(self, key: Hashable, name: str) -> None:
        bucket = self._buckets.get(key)
        if bucket is None:
            self._buckets[key] = name
        elif isinstance(bucket, dict):
            bucket[name] = None
        elif bucket != name:
            self._buckets[key] = {bucket: None, name: None}

    def _remove(self, key: Hashable, name: str) -> None:
        bucket = self._buckets.get(key)
        if isinstance(bucket, dict):
            bucket.pop(name, None)
            if not bucket:
                del self._buckets[key]
        elif bucket == name:
            del self._buckets[key]


class OrderedIndex(Kept[Object], Generic[Object]):
    """Which objects have a key, kept in order: a slice costs what it returns, not a sort."""

    def __init__(self, key: Keys[Object], order: Order[Object]) -> None:
        self._key = key
        self._order = order
        self._buckets: dict[Hashable, SortedDict[tuple[Any, str], Object]] = {}

    def change(self, old: Object | None, new: Object | None) -> None:
        """Move the object from its old keys and place to its new ones."""
        before = keys_of(self._key, old)
        after = keys_of(self._key, new)
        if old is not None:
            left = self._place(old)
            stays = new is not None and self._place(new) == left
            for key in before - after if stays else before:
                bucket = self._buckets[key]
                del bucket[left]
                if not bucket:
                    del self._buckets[key]
        if new is not None:
            place = self._place(new)
            for key in after:
                if key not in self._buckets:
                    self._buckets[key] = SortedDict()
                self._buckets[key][place] = new

    def rebuild(self, objects: Iterable[Object]) -> None:
        """Start again from these objects."""
        # Sorting once is several times cheaper than inserting one by one.
        plain: dict[Hashable, dict[tuple[Any, str], Object]] = {}
        for item in objects:
            place = self._place(item)
            for key in keys_of(self._key, item):
                plain.setdefault(key, {})[place] = item
        self._buckets = {key: SortedDict(bucket) for key, bucket in plain.items()}

    def find(self, key: Hashable) -> Sequence[Object]:
        """Return the objects that have a key, in order.

        It is a live view: slices are lists of their own, but do not iterate over it across an
        await.
        """
        bucket = self._buckets.get(key)
        return () if bucket is None else bucket.values()

    def first_from(self, key: Hashable, order: Any) -> Object | None:
        """Return the first object of a key whose order is at or above the given one."""
        bucket = self._buckets.get(key)
        if bucket is None:
            return None
        position = bucket.bisect_left((order, ""))
        return bucket.values()[position] if position < len(bucket) else None

    def count(self, key: Hashable) -> int:
        """Return how many objects have a key."""
        return len(self._buckets.get(key, ()))

    def names(self, key: Hashable) -> list[str]:
        """Return the names of the objects that have a key, in order."""
        return [item.metadata.name for item in self.find(key)]

    def _place(self, item: Object) -> tuple[Any, str]:
        return (self._order(item), item.metadata.name)


def keys_of(key: Keys[Object], item: Object | None) -> set[Hashable]:
    """Return an object's keys; a failing key function must not stop the cache."""
    if item is None:
        return set()
    try:
        return set(key(item))
    except Exception:  # noqa: BLE001 - whatever a key function raises
        _log.exception("index key failed", object=item.metadata.name)
        return set()
