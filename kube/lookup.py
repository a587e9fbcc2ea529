"""All indexes of one store: named ones, serials, and labels on their first use."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Generic, cast

import structlog

from polyfleet.fleet.objects.group import LabelSelector
from polyfleet.fleet.objects.kinds import Object
from polyfleet.fleet.selectors import matches
from polyfleet.kube.changes import Change
from polyfleet.kube.indexes import Index, Kept, Keys, Order, OrderedIndex

_MOST_LABEL_INDEXES = 64
# With more than a quarter of all objects changed, building an index again beats changing it;
# not for a few objects, for which neither matters.
_REBUILD_SHARE = 4
_REBUILD_ABOVE = 16

_log = structlog.get_logger(__name__)


class Lookup(Generic[Object]):
    """Finds objects of a store by what they hold. `objects` is the store's own dict by name."""

    def __init__(self, objects: Mapping[str, Object]) -> None:
        self._objects = objects
        self._named: dict[str, Kept[Object]] = {}
        self._labels: dict[str, Index[Object]] = {}
        self._serials: OrderedIndex[Object] | None = None

    def add(self, name: str, key: Keys[Object], order: Order[Object] | None) -> None:
        """Keep an index from now on; one of that name is kept as it is."""
        if name in self._named:
            return
        kept: Kept[Object] = (
            Index(key, self._objects) if order is None else OrderedIndex(key, order)
        )
        kept.rebuild(self._objects.values())
        self._named[name] = kept

    def __contains__(self, name: str) -> bool:
        return name in self._named

    def find(self, index: str, key: Hashable) -> Sequence[Object]:
        """Return the objects that have a key in an index."""
        return self._named[index].find(key)

    def names(self, index: str, key: Hashable) -> Sequence[str]:
        """Return the names of the objects that have a key in an index."""
        return self._named[index].names(key)

    def count(self, index: str, key: Hashable) -> int:
        """Return how many objects have a key in an index."""
        return self._named[index].count(key)

    def by_serial(self, serial: int) -> Object | None:
        """Return the oldest object with that serial."""
        found = self._serial_index().first_from(None, (serial,))
        return found if found is not None and _serial(found) == serial else None

    def in_serial_order(self) -> Sequence[Object]:
        """Return a live view of the objects that have a serial, lowest first."""
        return self._serial_index().find(None)

    def select(self, selector: LabelSelector) -> list[Object]:
        """Return the objects that a label selector matches, in no particular order."""
        candidates = self._candidates(selector)
        pool = self._objects.values() if candidates is None else candidates
        return [item for item in pool if matches(selector, item.metadata.labels)]

    def change(self, changes: Sequence[Change[Object]]) -> None:
        """Take note of what happened to the objects."""
        rebuild = len(changes) > _REBUILD_ABOVE and len(changes) * _REBUILD_SHARE > len(
            self._objects
        )
        for kept in self._all():
            try:
                if rebuild:
                    kept.rebuild(self._objects.values())
                else:
                    for change in changes:
                        kept.change(change.old, change.new)
            except Exception:  # noqa: BLE001 - a wrong index must not stop the cache
                _log.exception("index failed")

    def _all(self) -> Iterable[Kept[Object]]:
        if self._serials is not None:
            yield self._serials
        yield from self._named.values()
        yield from self._labels.values()

    def _serial_index(self) -> OrderedIndex[Object]:
        if self._serials is None:
            self._serials = OrderedIndex(_has_serial, _serial_order)
            self._serials.rebuild(self._objects.values())
        return self._serials

    def _candidates(self, selector: LabelSelector) -> list[Object] | None:
        """Return the objects that the narrowest indexed part of a selector leaves; None is all."""
        best: list[tuple[Index[Object], str]] | None = None
        fewest = len(self._objects)
        for key, values in _wanted(selector):
            index = self._label_index(key)
            if index is None:
                continue
            count = sum(index.count(value) for value in values)
            if count <= fewest:
                best, fewest = [(index, value) for value in values], count
        if best is None:
            return None
        return [item for index, value in best for item in index.find(value)]

    def _label_index(self, key: str) -> Index[Object] | None:
        index = self._labels.get(key)
        if index is None and len(self._labels) < _MOST_LABEL_INDEXES:
            index = Index(lambda item: _label(item, key), self._objects)
            index.rebuild(self._objects.values())
            self._labels[key] = index
        return index


def _wanted(selector: LabelSelector) -> list[tuple[str, set[str]]]:
    """Return the parts of a selector that name the values that a label must have."""
    wanted = [(key, {value}) for key, value in selector.match_labels.items()]
    wanted += [
        (part.key, set(part.values)) for part in selector.match_expressions if part.operator == "In"
    ]
    return wanted


def _label(item: Object, key: str) -> tuple[str, ...]:
    value = item.metadata.labels.get(key)
    return () if value is None else (value,)


def _serial(item: Object) -> int | None:
    found: int | None = getattr(item, "serial", None)  # not every kind has one
    return found


def _has_serial(item: Object) -> tuple[None, ...]:
    return () if _serial(item) is None else (None,)


def _serial_order(item: Object) -> tuple[int | None, str, str, str]:
    # A serial that was claimed twice belongs to the older object: it comes first.
    metadata, spec = item.metadata, cast("Any", item).spec
    return (_serial(item), metadata.creation_timestamp, spec.created_at, metadata.uid)
