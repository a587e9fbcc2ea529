"""The objects of one kind as last heard of: what every read is answered from."""

import asyncio
import math
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Generic

import structlog

from polyfleet.fleet.objects.group import LabelSelector
from polyfleet.fleet.objects.kinds import Kind, Object
from polyfleet.kube.changes import Change, Subscriber, changes_between
from polyfleet.kube.compaction import compact
from polyfleet.kube.lookup import Lookup
from polyfleet.kube.tombstones import Tombstones
from polyfleet.kube.versions import version_number

__all__ = ["Change", "Store", "Subscriber"]

_log = structlog.get_logger(__name__)


class Store(Generic[Object]):
    """Holds the newest known version of each object; for one event loop, not for threads.

    Objects come in from a watch, from lists, and from the answers to our own writes, in any order
    and late. Two facts sort them out. Versions of a kind are comparable, so an older one never
    replaces a newer one. And a watch sends everything in order, so an object that is absent, at
    or below the version that the watch has reached, is deleted, whoever still speaks of it.
    """

    def __init__(self, kind: Kind[Object]) -> None:
        self.kind = kind
        self.revision = 0
        self._objects: dict[str, Object] = {}
        self._uids: dict[str, Object] = {}
        self._lookup: Lookup[Object] = Lookup(self._objects)
        self._subscribers: dict[object, Subscriber[Object]] = {}
        self._tombstones = Tombstones()
        self._reached = 0
        self._progress_at = -math.inf
        self._synced = asyncio.Event()
        self._waiting: list[tuple[str, int, asyncio.Future[None]]] = []
        self._snapshot: tuple[Object, ...] | None = ()

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, name: str) -> Object | None:
        """Return the object of that name."""
        return self._objects.get(name)

    def by_uid(self, uid: str) -> Object | None:
        """Return the object of that uid."""
        return self._uids.get(uid)

    def values(self) -> Sequence[Object]:
        """Return all objects as they are now."""
        if self._snapshot is None:
            self._snapshot = tuple(self._objects.values())
        return self._snapshot

    def add_index(
        self,
        name: str,
        key: Callable[[Object], Iterable[Hashable]],
        *,
        order: Callable[[Object], Any] | None = None,
    ) -> None:
        """Keep an index from now on: `key` names the keys of an object and must be pure.

        With `order` the objects of a key are kept sorted by it, then by name. An index of that
        name is kept as it is.
        """
        self._lookup.add(name, key, order)

    def has_index(self, name: str) -> bool:
        """Whether an index of that name is kept."""
        return name in self._lookup

    def find(self, index: str, key: Hashable) -> Sequence[Object]:
        """Return the objects that have a key in an index.

        Of an ordered index this is a live view: slice it, or copy it before an await.
        """
        return self._lookup.find(index, key)

    def names(self, index: str, key: Hashable) -> Sequence[str]:
        """Return the names of the objects that have a key in an index."""
        return self._lookup.names(index, key)

    def count(self, index: str, key: Hashable) -> int:
        """Return how many objects have a key in an index."""
        return self._lookup.count(index, key)

    def by_serial(self, serial: int) -> Object | None:
        """Return the object with that serial; of several the oldest, to which it belongs."""
        return self._lookup.by_serial(serial)

    def in_serial_order(self) -> Sequence[Object]:
        """Return the objects that have a serial, lowest first.

        It is a live view: slice it, or copy it before an await.
        """
        return self._lookup.in_serial_order()

    def select(self, selector: LabelSelector) -> list[Object]:
        """Return the objects that a label selector matches, in no particular order."""
        return self._lookup.select(selector)

    @property
    def synced(self) -> bool:
        """Whether all objects have been read once."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Wait until all objects have been read once."""
        await self._synced.wait()

    def seconds_since_progress(self) -> float:
        """Return for how long nothing was heard of the API server; infinite before the first."""
        return time.monotonic() - self._progress_at

    async def wait_for_version(self, name: str, resource_version: str, timeout: float) -> bool:  # noqa: ASYNC109 - the caller's budget, not a way to cancel
        """Wait until the object is known at that version or later, or gone since; False if not."""
        wanted = version_number(resource_version)
        if self._has(name, wanted):
            return True
        entry = (name, wanted, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(timeout):
                await entry[2]
        except TimeoutError:
            return False
        finally:
            if entry in self._waiting:
                self._waiting.remove(entry)
        return True

    def subscribe(self, callback: Subscriber[Object]) -> Callable[[], None]:
        """Have each change told, after it has happened; returns how to end that.

        Callbacks are synchronous and must be quick; what they raise is logged.
        """
        token = object()
        self._subscribers[token] = callback

        def unsubscribe() -> None:
            self._subscribers.pop(token, None)

        return unsubscribe

    def admit(self, item: Object) -> Object:
        """Return the object in the form that may be kept: ours if we have that very version."""
        known = self._objects.get(item.metadata.name)
        if known is not None and _same_version(known, item):
            return known
        return compact(item)

    def apply(self, item: Object) -> bool:
        """Take an object in if it is news; False if it is old or known to be deleted."""
        name = item.metadata.name
        version = _version(item)
        if self._tombstones.cover(name, item.metadata.uid, version):
            return False
        known = self._objects.get(name)
        if version <= (self._reached if known is None else _version(known)):
            return False
        self._tombstones.discard(name)
        self._put(known, compact(item))
        return True

    def remove(self, item: Object, *, confirmed: bool) -> bool:
        """Take note that an object is deleted; returns whether one is gone that was here.

        One of the same name that came later stays. `confirmed` says that the watch tells it; else
        our own deletion was answered, and it is remembered, for the watch may still send what
        happened before.
        """
        name, uid = item.metadata.name, item.metadata.uid
        known = self._objects.get(name)
        if known is not None and known.metadata.uid != uid and _version(known) > _version(item):
            return False
        if confirmed:
            self._tombstones.discard(name, uid)
        else:
            self._tombstones.add(name, uid, _version(item))
        if known is not None:
            self._drop(known)
        return known is not None

    def forget(self, name: str, resource_version: str) -> None:
        """Drop an object whose newest version cannot be read."""
        known = self._objects.get(name)
        if known is not None and _version(known) < version_number(resource_version):
            self._drop(known)

    def replace_all(self, items: Iterable[Object], resource_version: str) -> None:
        """Take over a complete list as of a version, at once; the items come from `admit`.

        What was written here after that version stays. A list from before what the watch had
        reached means that the server's history was put back (a restored backup): then the list
        alone counts.
        """
        listed = version_number(resource_version)
        if listed < self._reached:
            _log.warning("history went back", kind=self.kind.name, version=resource_version)
            self._tombstones.clear()
            merged = {item.metadata.name: item for item in items}
        else:
            merged = self._merged(items, listed)
        self._swap(merged)
        self._reached = listed
        self._progressed_now()
        self._synced.set()

    def progressed(self, resource_version: str) -> None:
        """Take note that the watch has sent everything up to a version."""
        self._reached = max(self._reached, version_number(resource_version))
        self._progressed_now()

    @property
    def reached(self) -> str:
        """The version up to which everything is known; empty before the first list."""
        return str(self._reached) if self._reached else ""

    def _merged(self, items: Iterable[Object], listed: int) -> dict[str, Object]:
        covered = self._tombstones.cover
        merged = {
            item.metadata.name: item
            for item in items
            if not covered(item.metadata.name, item.metadata.uid, _version(item))
        }
        for name, known in self._objects.items():
            version = _version(known)
            if version > listed:
                other = merged.get(name)
                if other is None or _version(other) < version:
                    merged[name] = known
        return merged

    def _swap(self, merged: dict[str, Object]) -> None:
        changes: list[Change[Object]] = []
        for name, old in self._objects.items():
            new = merged.get(name)
            if new is not old:
                changes += changes_between(old, new)
        changes += [
            Change("added", None, new) for name, new in merged.items() if name not in self._objects
        ]
        if changes:
            # In place: the indexes look objects up in this very dict.
            self._objects.clear()
            self._objects.update(merged)
            self._uids = {item.metadata.uid: item for item in merged.values()}
            self._changed(changes)

    def _put(self, known: Object | None, item: Object) -> None:
        if known is not None and known.metadata.uid != item.metadata.uid:
            del self._uids[known.metadata.uid]
        self._objects[item.metadata.name] = item
        self._uids[item.metadata.uid] = item
        self._changed(changes_between(known, item))

    def _drop(self, known: Object) -> None:
        del self._objects[known.metadata.name]
        del self._uids[known.metadata.uid]
        self._changed(changes_between(known, None))

    def _changed(self, changes: Sequence[Change[Object]]) -> None:
        self._snapshot = None
        self.revision += len(changes)
        self._lookup.change(changes)
        for change in changes:
            for subscriber in tuple(self._subscribers.values()):
                try:
                    subscriber(change)
                except Exception:  # noqa: BLE001 - a wrong one must not stop the cache
                    _log.exception("subscriber failed", kind=self.kind.name)
        self._wake()

    def _progressed_now(self) -> None:
        self._progress_at = time.monotonic()
        self._wake()

    def _wake(self) -> None:
        for name, wanted, future in self._waiting:
            if not future.done() and self._has(name, wanted):
                future.set_result(None)

    def _has(self, name: str, wanted: int) -> bool:
        if self._reached >= wanted:
            return True
        known = self._objects.get(name)
        return known is not None and _version(known) >= wanted


def _same_version(one: Object, other: Object) -> bool:
    return (
        one.metadata.resource_version == other.metadata.resource_version
        and one.metadata.uid == other.metadata.uid
    )


def _version(item: Object) -> int:
    return version_number(item.metadata.resource_version)
