"""Keeps the counts of rollouts: counted once, then changed with each device that changes."""

import asyncio
from collections.abc import Hashable, Iterator
from typing import Any

import msgspec

from polyfleet.fleet.attributes import device_type_of
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.rollout.dates import selector_since
from polyfleet.fleet.rollout.reach import LiveRollout
from polyfleet.fleet.rollout.tally import Standing, Tally, standing_of
from polyfleet.kube.cache import Cache
from polyfleet.operator.indexes import APPLICATION

_SLICE = 500
_MOST_TYPES = 250_000


class DeviceTypes:
    """Tells the types of devices, and remembers them for as long as what they come from stays."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[msgspec.Raw, msgspec.Raw, msgspec.Raw, str | None]] = {}

    def __call__(self, device: Device) -> str | None:
        """Return the device's type, if it has one."""
        reported, declared = device.status.reported, device.spec.attributes
        enrolled = device.spec.enrolled
        known = self._known.get(device.metadata.uid)
        if (
            known is not None
            and known[0] is reported
            and known[1] is declared
            and known[2] is enrolled
        ):
            return known[3]
        found = device_type_of(device)
        if len(self._known) >= _MOST_TYPES:
            self._known.clear()
        self._known[device.metadata.uid] = (reported, declared, enrolled, found)
        return found


class _Count:
    """The tally of one rollout as it is; `before` are devices that change while it is made."""

    def __init__(
        self, basis: Hashable, rollout: LiveRollout, package: Package, types: DeviceTypes
    ) -> None:
        self._types = types
        self.basis = basis
        self.tally = Tally()
        self.before: dict[str, Device | None] | None = {}
        self._rollout = rollout
        self._package = package
        self._application = rollout.rollout.spec.application

    def standing(self, device: Device | None) -> Standing | None:
        if device is None or device.spec.application != self._application:
            return None
        return standing_of(self._rollout, self._package, device, self._types)

    def add(self, device: Device) -> None:
        self.tally.add(device, self.standing(device))

    def take(self, device: Device) -> None:
        self.tally.take(device, self.standing(device))


class RolloutCounts:
    """The tallies of the rollouts that were asked for.

    Nothing is kept of a device: where it stood before a change is told by what it was then.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._counts: dict[str, _Count] = {}
        self.types = DeviceTypes()

    async def tally(self, rollout: LiveRollout, package: Package) -> Tally:
        """Return how the rollout's targets stand now; counts them all only where it must."""
        basis = _basis(rollout, package)
        known = self._counts.get(rollout.name)
        if known is not None and known.basis == basis and known.before is None:
            return known.tally
        count = self._counts[rollout.name] = _Count(basis, rollout, package, self.types)
        async for devices in self.in_slices(rollout.rollout.spec.application):
            for device in devices:
                count.add(device)
        for name, old in (count.before or {}).items():
            if old is not None:
                count.take(old)
            new = self._cache.devices.get(name)
            if new is not None:
                count.add(new)
        count.before = None
        return count.tally

    async def in_slices(self, application: str) -> Any:
        """Yield the application's devices as they are now, in slices: others get their turn."""
        devices = tuple(self._cache.devices.find(APPLICATION, application))
        for start in range(0, len(devices), _SLICE):
            yield devices[start : start + _SLICE]
            await asyncio.sleep(0)

    def forget(self, name: str) -> None:
        """Keep no counts of a rollout any more."""
        self._counts.pop(name, None)

    def changed(self, old: Device | None, new: Device | None) -> Iterator[str]:
        """Take note of a change; yields the names of the rollouts that count otherwise now."""
        if not self._counts or not _matters(old, new):
            return
        name = next(item.metadata.name for item in (old, new) if item is not None)
        for rollout, count in self._counts.items():
            if count.before is not None:
                count.before.setdefault(name, old)
                continue
            before, after = count.standing(old), count.standing(new)
            if before == after:
                continue
            if old is not None:
                count.tally.take(old, before)
            if new is not None:
                count.tally.add(new, after)
            yield rollout


def _basis(rollout: LiveRollout, package: Package) -> Hashable:
    """Return all that a count depends on beside the devices."""
    groups = tuple(
        (
            group.metadata.uid,
            group.spec.selector and repr(group.spec.selector),
            group.status.changes,
            selector_since(group),
        )
        for group in rollout.groups.values()
    )
    status = rollout.rollout.status
    return (
        rollout.rollout.metadata.uid,
        rollout.rollout.spec.target_selection,
        rollout.digest,
        rollout.seed,
        rollout.retried_at,
        status.steps if rollout.open else (),
        (package.metadata.uid, package.spec.version),
        groups,
    )


def _matters(old: Device | None, new: Device | None) -> bool:
    if old is None or new is None:
        return True
    return (
        old.metadata.labels != new.metadata.labels
        or old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
        or old.duplicate != new.duplicate
        or old.metadata.managed_fields != new.metadata.managed_fields
        or old.spec.attributes != new.spec.attributes
        or old.status.software != new.status.software
        or old.status.update != new.status.update
        or old.status.reported != new.status.reported
    )
