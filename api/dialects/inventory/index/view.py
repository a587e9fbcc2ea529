"""The answer to one query, kept in order while devices change."""

import asyncio
from collections.abc import Container, Iterable, Mapping
from typing import Any

from sortedcontainers import SortedList

from polyfleet.api.dialects.inventory.index.field import Field
from polyfleet.api.dialects.inventory.index.query import FieldName, Query, Value, predicate

Entry = Any
"""A device key, or with a sort order a tuple that ends with it."""

_CHUNK = 2_000
"""Devices looked at before other requests get their turn."""
_ENTRY_BYTES, _SORT_KEY_BYTES = 16, 100
"""What a device takes in a view, and what each key to sort by adds, roughly."""
_INVERTED = bytes(255 - number for number in range(256))


class View:
    """All devices that a query finds. A page costs what it returns, whatever their number.

    `rows` holds the keys of all devices, `fields` every field that the query reads.
    """

    def __init__(
        self, query: Query, fields: Mapping[FieldName, Field], rows: Container[int]
    ) -> None:
        self.query = query
        self._query_size = query.size()
        self._rows = rows
        self._fields = fields
        self._tests = [
            (fields[condition.field].values, predicate(condition)) for condition in query.conditions
        ]
        self._order = [(fields[key.field].values, key.descending) for key in query.order]
        self._entries: SortedList[Entry] = SortedList()
        # Only with a sort order: else the entry is the key itself.
        self._entry_of: dict[int, Entry] = {}
        self._touched: set[int] | None = set()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        entry = _ENTRY_BYTES + _SORT_KEY_BYTES * len(self._order)
        return self._query_size + entry * len(self._entries)

    async def build(self, every: Iterable[int]) -> None:
        """Find the devices; changes that happen meanwhile are taken in at the end."""
        keys = list(self._candidates(every))
        runs: list[list[Entry]] = []
        for start in range(0, len(keys), _CHUNK):
            chunk = keys[start : start + _CHUNK]
            found = [(key, self._entry(key)) for key in chunk if self._holds(key)]
            if self._order:
                self._entry_of.update(found)
            runs.append(sorted([entry for _, entry in found]))
            if len(keys) > _CHUNK:
                await asyncio.sleep(0)
        self._entries = SortedList(await _merged(runs))
        touched, self._touched = self._touched or set(), None
        for key in touched:
            self.refresh(key)

    def refresh(self, key: int) -> None:
        """Look at a device again: it is new, changed, or gone."""
        if self._touched is not None:
            self._touched.add(key)
            return
        old = self._present(key)
        new = self._entry(key) if self._holds(key) else None
        if old == new:
            return
        if old is not None:
            self._entries.remove(old)
            self._entry_of.pop(key, None)
        if new is not None:
            self._entries.add(new)
            if self._order:
                self._entry_of[key] = new

    def page(self, start: int, count: int) -> list[int]:
        """Return the keys of so many devices, from the one at `start` (0 is the first)."""
        entries = self._entries[start : start + count]
        return [entry[-1] for entry in entries] if self._order else entries

    def _present(self, key: int) -> Entry | None:
        if self._order:
            return self._entry_of.get(key)
        return key if key in self._entries else None

    def _candidates(self, every: Iterable[int]) -> Iterable[int]:
        """Return the fewest devices that are surely enough."""
        some = (
            self._fields[condition.field].candidates(condition)
            for condition in self.query.conditions
        )
        return min((found for found in some if found is not None), key=len, default=every)

    def _holds(self, key: int) -> bool:
        return key in self._rows and all(test(values.get(key)) for values, test in self._tests)

    def _entry(self, key: int) -> Entry:
        if not self._order:
            return key
        parts: list[Any] = []
        for values, descending in self._order:
            value = values.get(key)
            parts += _descending(value) if descending else _ascending(value)
        return (*parts, key)


def _ascending(value: Value | None) -> tuple[int, Any]:
    """Return what sorts a value: none at all, then numbers, then texts; a list by its least."""
    if isinstance(value, tuple):
        value = min(value, default=None)
    if value is None:
        return (0, 0)
    return (2, value) if isinstance(value, str) else (1, value)


def _descending(value: Value | None) -> tuple[int, Any]:
    """Return what sorts a value the other way round; a list by its greatest."""
    if isinstance(value, tuple):
        value = max(value, default=None)
    if value is None:
        return (2, 0)
    if isinstance(value, str):
        # Higher than all but an inverted NUL, the end puts a text after those it is the start of.
        return (0, value.encode("utf-8", "surrogatepass").translate(_INVERTED) + b"\xff")
    return (1, -value)


async def _merged(runs: list[list[Entry]]) -> list[Entry]:
    """Merge sorted runs, pair by pair, so that no step keeps the loop for long."""
    while len(runs) > 1:
        following = []
        for position in range(0, len(runs), 2):
            pair = runs[position] + (runs[position + 1] if position + 1 < len(runs) else [])
            pair.sort()
            following.append(pair)
            await asyncio.sleep(0)
        runs = following
    return runs[0] if runs else []
