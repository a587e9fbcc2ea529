"""Indexes of all devices by their fields: built on first use, then kept by the cache's changes."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from zlib import crc32

from polyfleet.api.core.errors import Unavailable
from polyfleet.api.core.facade import Facade
from polyfleet.api.core.members import candidates
from polyfleet.api.dialects.inventory.index.facts import GROUP, ID, Facts, created_at
from polyfleet.api.dialects.inventory.index.field import Field
from polyfleet.api.dialects.inventory.index.query import Condition, FieldName, Query
from polyfleet.api.dialects.inventory.index.view import View
from polyfleet.fleet.instants import microseconds, parse
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.kube.changes import Change
from polyfleet.kube.membership_tidy import marked_devices

MOST_FIELDS = 24
MOST_VIEWS = 256
MOST_BYTES = 128 * 2**20
"""What all views may take together, but for the view used last: 8 of 100,000 sorted devices."""
_AT_ONCE = 200
"""Devices read before other requests get their turn."""
_MOST_REGROUPED = 2_000
"""Devices whose group is looked up at once; with more, all are at the next request."""
_SERIAL_BITS = 64
_ATTEMPTS = 4


class Page(NamedTuple):
    """A part of a query's devices, and how many there are in all."""

    devices: Sequence[Device]
    total: int


class FleetIndex:
    """Answers queries about devices; what was asked before is answered at once.

    Devices on their way out are left out. `name_of` gives a device's id in the flat space of
    ids, `group_of` the name of its active group.
    """

    def __init__(
        self,
        facade: Facade,
        *,
        name_of: Callable[[Device], str | None],
        group_of: Callable[[Device], str | None],
    ) -> None:
        self._cache = facade.cache
        self._name_of = name_of
        self._group_of = group_of
        self._open = False
        self._rows: dict[int, str] = {}
        self._keys: dict[str, int] = {}
        self._fields: OrderedDict[FieldName, Field] = OrderedDict()
        self._views: OrderedDict[Query, View] = OrderedDict()
        self._building: View | None = None
        self._lock = asyncio.Lock()
        self.applications: Counter[str] = Counter()
        """How many devices each application has, by its object name."""
        self.revision = 0
        """Counts changes of devices' groups and of which devices there are."""
        self._leave = (
            self._cache.devices.subscribe(self._device_changed),
            self._cache.groups.subscribe(self._group_changed),
            self._cache.applications.subscribe(self._application_changed),
        )

    def close(self) -> None:
        """Follow the cache no longer."""
        for leave in self._leave:
            leave()

    async def open(self) -> None:
        """Read which devices there are, if that was not done yet."""
        if not self._open:
            async with self._lock:
                await self._read_rows()

    async def page(self, query: Query, start: int, count: int) -> Page:
        """Return so many devices that the query finds, from the one at `start` (0: the first)."""
        view = self._views.get(query)
        if view is None:
            view = await self._build(query)
        else:
            self._views.move_to_end(query)
        names = [self._rows[key] for key in view.page(start, count)]
        return Page([item for name in names if (item := self._cache.devices.get(name))], len(view))

    async def first_keys(self, field: FieldName) -> dict[str, int]:
        """Return each text that the field holds, with the key of its first device in creation."""
        await self.page(Query((Condition(field, "exists", operand=True),)), 0, 0)
        found = self._fields[field]
        return {text: min(found.having(text)) for text in found.held() if isinstance(text, str)}

    async def _build(self, query: Query) -> View:
        names = query.fields()
        async with self._lock:
            for _ in range(_ATTEMPTS):
                known = self._views.get(query)
                if known is not None:
                    return known
                await self._read_rows()
                await self._read_fields(names)
                fields = {name: self._fields[name] for name in names & self._fields.keys()}
                # A large change of groups drops what is known of them, even while it is read.
                if len(fields) == len(names) and (view := await self._built(query, fields)):
                    return view
        raise Unavailable("the devices' groups change too quickly", 1.0)

    async def _built(self, query: Query, fields: Mapping[FieldName, Field]) -> View | None:
        view = View(query, fields, self._rows)
        self._building = view
        try:
            await view.build(self._rows)
        finally:
            self._building = None
        if any(self._fields.get(name) is not field for name, field in fields.items()):
            return None
        self._views[query] = view
        self._make_room()
        return view

    async def _read_rows(self) -> None:
        if self._open:
            return
        self._open = True  # from now on, changes are taken in as they come
        try:
            for number, device in enumerate(self._cache.devices.values()):
                current = self._cache.devices.get(device.metadata.name)
                if current is not None:
                    self._put(current)
                if number % _AT_ONCE == _AT_ONCE - 1:
                    await asyncio.sleep(0)
        except BaseException:
            self._open = False
            raise

    async def _read_fields(self, names: set[FieldName]) -> None:
        """Read the fields that are not known yet, all in one pass over the devices."""
        for name in names & self._fields.keys():
            self._fields.move_to_end(name)
        missing = names - self._fields.keys()
        if not missing:
            return
        new = {name: Field() for name in missing}
        self._fields.update(new)  # from now on, changes are taken in as they come
        try:
            for number, key in enumerate(list(self._rows)):
                device = self._cache.devices.get(self._rows.get(key, ""))
                if device is not None:
                    facts = self._facts(device)
                    for name, field in new.items():
                        field.put(key, facts.value(name))
                if number % _AT_ONCE == _AT_ONCE - 1:
                    await asyncio.sleep(0)
        except BaseException:
            for name in missing:
                self._drop_field(name)
            raise
        while len(self._fields) > max(MOST_FIELDS, len(names)):
            self._drop_field(next(iter(self._fields)))

    def _make_room(self) -> None:
        size = sum(view.size for view in self._views.values())
        while len(self._views) > 1 and (len(self._views) > MOST_VIEWS or size > MOST_BYTES):
            size -= self._views.popitem(last=False)[1].size

    def _drop_field(self, name: FieldName) -> None:
        self._fields.pop(name, None)
        for query in [query for query in self._views if name in query.fields()]:
            del self._views[query]

    def _facts(self, device: Device) -> Facts:
        return Facts(device, self._name_of, self._group_of)

    def _device_changed(self, change: Change[Device]) -> None:
        if not self._open:
            return
        if change.new is None or not change.new.present:
            gone = change.new or change.old
            if gone is not None:
                self._remove(gone)
        elif change.old is None or _differ(change.old, change.new):
            self._put(change.new)

    def _put(self, device: Device) -> None:
        """Take a device in as it is now."""
        if not device.present:
            return
        name = device.metadata.name
        key = self._keys.get(name)
        place = _place(device)
        if key is not None and place not in self._rows:  # it was given its serial
            self._remove(device)
            key = None
        if key is not None:
            self._update(key, device, every_view=False)
            return
        while place in self._rows:  # two claim one serial, until the operator renumbers one
            place += 1
        self._keys[name] = place
        self._rows[place] = name
        self.applications[device.spec.application] += 1
        self._update(place, device, every_view=True)

    def _update(self, key: int, device: Device, *, every_view: bool) -> None:
        facts = self._facts(device)
        changed = {
            name for name, field in self._fields.items() if field.put(key, facts.value(name))
        }
        if every_view or GROUP in changed:
            self.revision += 1
        self._refresh(key, None if every_view else changed)

    def _remove(self, device: Device) -> None:
        key = self._keys.pop(device.metadata.name, None)
        if key is None:
            return
        del self._rows[key]
        application = device.spec.application
        self.applications[application] -= 1
        if not self.applications[application]:
            del self.applications[application]
        for field in self._fields.values():
            field.put(key, None)
        self.revision += 1
        self._refresh(key, None)

    def _refresh(self, key: int, changed: set[FieldName] | None) -> None:
        """Have the views look at the device again; `changed` None means all views."""
        views = [*self._views.values()]
        if self._building is not None:
            views.append(self._building)
        for view in views:
            if changed is None or not changed.isdisjoint(view.query.fields()):
                view.refresh(key)

    def _group_changed(self, change: Change[DeviceGroup]) -> None:
        if GROUP not in self._fields:
            return
        old, new = change.old, change.new
        if old is not None and new is not None and _same_members(old, new):
            if old.status.changes != new.status.changes:
                self._regroup(marked_devices(self._cache.devices, new.metadata.name))
            return
        affected = [
            device
            for group in (old, new)
            if group is not None
            for device in candidates(self._cache.devices, group)
        ]
        self._regroup(affected)

    def _regroup(self, devices: Sequence[Device]) -> None:
        if len(devices) > _MOST_REGROUPED:
            self._drop_field(GROUP)
            self.revision += 1
            return
        field = self._fields[GROUP]
        for device in devices:
            key = self._keys.get(device.metadata.name)
            if key is not None and field.put(key, self._group_of(device)):
                self.revision += 1
                self._refresh(key, {GROUP})

    def _application_changed(self, change: Change[Application]) -> None:
        old, new = change.old, change.new
        if old is None or new is None or old.present != new.present:
            self._drop_field(GROUP)
            self._drop_field(ID)
            self.revision += 1


def _place(device: Device) -> int:
    """Return the device's place in the order of creation: by time, then by serial."""
    serial = device.metadata.serial
    last = (1 << 63) + crc32(device.metadata.name.encode()) if serial is None else serial
    try:
        instant = microseconds(parse(created_at(device)))
    except ValueError:
        instant = 0
    return (instant << _SERIAL_BITS) + min(last, (1 << _SERIAL_BITS) - 1)


def _differ(old: Device, new: Device) -> bool:
    """Say whether any field may have changed; signs of life do not change one."""
    return (
        old.metadata.labels != new.metadata.labels
        or old.present != new.present
        or old.spec != new.spec
        or old.status.reported != new.status.reported
        or old.status.software != new.status.software
    )


def _same_members(old: DeviceGroup, new: DeviceGroup) -> bool:
    return (
        old.metadata.terminating == new.metadata.terminating
        and old.metadata.serial == new.metadata.serial
        and (old.spec.selector, old.spec.priority) == (new.spec.selector, new.spec.priority)
    )
