"""How many devices may ask to be let in, and who goes when there is no more room."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import NamedTuple

from polyfleet.fleet.crowds import Crowds
from polyfleet.fleet.objects.enrollment import Enrollment
from polyfleet.fleet.sources import source_of

_Age = tuple[str, str, str]
_NO_SOURCE = ""


class Limits(NamedTuple):
    """How many Enrollments may wait: from one source, for one device id, in all.

    A source is an IPv4 address, or the first 64 bits of an IPv6 address.
    """

    per_source: int = 100
    per_device: int = 8
    total: int = 10_000


class Admit(NamedTuple):
    """There is room."""


class Refuse(NamedTuple):
    """There is no room; `reason` says which limit is reached."""

    reason: str


class Replace(NamedTuple):
    """There is room once `enrollment` is dropped."""

    enrollment: Enrollment


class WaitingRoom:
    """All who ask, counted as they come and go: no decision costs a look at all of them."""

    def __init__(self, limits: Limits, waiting: Iterable[Enrollment] = ()) -> None:
        self._limits = limits
        self._items: dict[str, Enrollment] = {}
        self._sources: Crowds[str] = Crowds()
        self._devices: Crowds[tuple[str, str]] = Crowds()
        self._may_go: Crowds[str] = Crowds()  # by source, as are the ages of these, oldest first
        self._ages: dict[str, list[_Age]] = {}
        for item in waiting:
            self.put(item)

    def __len__(self) -> int:
        return len(self._items)

    def admit(self, candidate: Enrollment) -> Admit | Refuse | Replace:
        """Decide whether one more Enrollment may be stored beside the others.

        The limits of a source and of a device id come before the limit of all. At that one the
        newest of the most crowded source goes, so that one source cannot shut out the others; an
        approved one never goes.
        """
        if candidate.metadata.name in self._items:
            return Admit()
        source = _source(candidate)
        if source != _NO_SOURCE and self._sources.count(source) >= self._limits.per_source:
            return Refuse("too many devices ask to be let in from this address")
        if self._devices.count(_device(candidate)) >= self._limits.per_device:
            return Refuse("too many keys ask to be let in for this device id")
        if len(self._items) < self._limits.total:
            return Admit()
        largest = self._may_go.largest()
        if largest is None or self._may_go.count(source) + 1 >= self._may_go.count(largest):
            return Refuse("too many devices ask to be let in")
        newest = self._ages[largest][-1]
        return Replace(self._items[newest[-1]])

    def put(self, item: Enrollment) -> None:
        """Take in one who asks, or how it is by now."""
        self.remove(item.metadata.name)
        self._items[item.metadata.name] = item
        source = _source(item)
        self._sources.add(source)
        self._devices.add(_device(item))
        if _may_go(item):
            insort(self._ages.setdefault(source, []), _age(item))
            self._may_go.add(source)

    def remove(self, name: str) -> None:
        """Let the one of that name go, if it is there."""
        item = self._items.pop(name, None)
        if item is None:
            return
        source = _source(item)
        self._sources.remove(source)
        self._devices.remove(_device(item))
        if _may_go(item):
            ages = self._ages[source]
            del ages[bisect_left(ages, _age(item))]
            if not ages:
                del self._ages[source]
            self._may_go.remove(source)


def _source(item: Enrollment) -> str:
    return source_of(item.spec.source_address or _NO_SOURCE)


def _device(item: Enrollment) -> tuple[str, str]:
    return item.spec.application, item.spec.device_id


def _may_go(item: Enrollment) -> bool:
    """Say whether it can be dropped: not while it is only being stored."""
    return item.spec.approval != "Approved" and bool(item.metadata.uid)


def _age(item: Enrollment) -> _Age:
    meta = item.metadata
    return (meta.creation_timestamp, item.spec.created_at, meta.name)
