"""Serials: the small integers by which RDFM and Mender's users know objects."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from polyfleet.fleet.objects.metadata import ObjectMeta


class _Created(Protocol):
    @property
    def created_at(self) -> str: ...


class Numbered(Protocol):
    """An object that has a serial: a device, a group, a package or a user."""

    @property
    def serial(self) -> int | None:
        """The serial: as the status remembers it, else as the label says."""
        ...

    @property
    def metadata(self) -> ObjectMeta:
        """The object's metadata, with the serial among its labels."""
        ...

    @property
    def spec(self) -> _Created:
        """The object's spec, which knows when it was made."""
        ...


Object = TypeVar("Object", bound=Numbered)


def next_serials(counter: int, highest_seen: int, count: int) -> range:
    """Return the next `count` serials, given the last one counted and the highest ever seen.

    The second one guards against a counter that was lost.
    """
    first = max(counter, highest_seen, 0) + 1
    return range(first, first + count)


def renumbered(objects: Iterable[Object]) -> list[Object]:
    """Return the objects of one kind that must get another serial, oldest first.

    A serial claimed twice belongs to the older object.
    """
    owners: set[int] = set()
    losers: list[Object] = []
    for item in sorted(objects, key=_age):
        serial = item.serial
        if serial is None:
            continue
        if serial in owners:
            losers.append(item)
        owners.add(serial)
    return losers


def _age(item: Numbered) -> tuple[str, str, str]:
    # The server's time comes first: nobody can set it to make an object older than it is.
    return (item.metadata.creation_timestamp, item.spec.created_at, item.metadata.uid)
