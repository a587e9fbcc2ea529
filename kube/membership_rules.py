"""Whether a device may join or leave a group, by labels and marks whose state is surely known."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from polyfleet.fleet.membership import (
    Membership,
    is_committed,
    is_labelled_member,
    is_member,
    membership_of,
    memberships_of,
)
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import GROUPS
from polyfleet.fleet.objects.metadata import GROUP_LABEL_PREFIX, JOINED_LABEL_PREFIX
from polyfleet.fleet.selectors import matches
from polyfleet.kube.cache import Cache
from polyfleet.kube.errors import NotFound
from polyfleet.kube.membership_tidy import abort_expired
from polyfleet.kube.parallel import for_each
from polyfleet.kube.writer import Writer


@dataclass
class Rules:
    """The rules for one change (`own_change`) of one group's members.

    Devices and groups are watched apart from each other, so a mark can be seen before the change
    that it belongs to. Unless it is known to be committed, the group is read again. With `anew`
    no group but those that select devices is taken from the cache.
    """

    writer: Writer
    cache: Cache
    group: DeviceGroup
    own_change: str
    now: datetime
    anew: bool = False
    _read: dict[str, DeviceGroup | None] = field(default_factory=dict)
    _selecting: list[DeviceGroup] = field(init=False)

    def __post_init__(self) -> None:
        self._selecting = [
            other
            for other in self.cache.groups.values()
            if other.spec.selector is not None
            and other.spec.application == self.group.spec.application
        ]

    async def refusal(self, device: Device, *, joins: bool) -> str | None:
        """Return why the device may not join (or else leave) the group; None if it may."""
        if device.metadata.terminating:
            return f"{title(device)} is being deleted"
        if device.spec.application != self.group.spec.application:
            return f"{title(device)} belongs to another application"
        if joins:
            return await self._no_joining(device)
        return await self._no_leaving(device)

    async def rivalry(self, devices: Iterable[Device]) -> str | None:
        """Return why one of the devices may not be in this group beside its others, if so."""
        devices = list(devices)
        if self.anew:
            names = {name for device in devices for name in memberships_of(device)}
            await for_each(names - {self.group.metadata.name}, self._group_anew)
        for device in devices:
            refusal = await self._rivalry(device, but=self.group.metadata.name)
            if refusal is not None:
                return refusal
        return None

    async def no_move(self, device: Device) -> str | None:
        """Return why the device may not be left in the group alone; None if it may."""
        if device.metadata.terminating:
            return f"{title(device)} is being deleted"
        if device.spec.application != self.group.spec.application:
            return f"{title(device)} belongs to another application"
        for name, membership in memberships_of(device).items():
            other = await self._group(name, membership) if membership.change else None
            if other is not None and self._is_open(other, membership):
                other = await self._without_expired(other)
                if other is not None and self._is_open(other, membership):
                    return f"{title(device)} is being moved by another change"
        for other in self._selecting:
            if self._holds_first(other, device):
                return f"{title(device)} is in {_named(other)} by the group's selector"
        return None

    def _holds_first(self, other: DeviceGroup, device: Device) -> bool:
        """Say whether the other group's selector holds the device, and counts before this group."""
        selector = other.spec.selector
        own = {
            key: value
            for key, value in device.metadata.labels.items()
            if not key.startswith((GROUP_LABEL_PREFIX, JOINED_LABEL_PREFIX))
        }
        return (
            selector is not None
            and other.metadata.uid != self.group.metadata.uid
            and other.spec.priority <= self.group.spec.priority
            and not other.metadata.terminating
            and matches(selector, own)
        )

    async def _no_joining(self, device: Device) -> str | None:
        return await self._rivalry(device)

    async def _rivalry(self, device: Device, but: str = "") -> str | None:
        others = []
        for name, membership in memberships_of(device).items():
            other = await self._group(name, membership) if name != but else None
            if other is None or not self._competes(other):
                continue
            if self._is_open(other, membership):
                other = await self._without_expired(other)
                if other is None or self._is_open(other, membership):
                    return f"{title(device)} is being moved by another change"
            others.append(other)
        others += await self._selecting_rivals(device, but)
        for other in others:
            if is_member(device, other):
                return f"{title(device)} is already in {_named(other)}"
        return None

    async def _selecting_rivals(self, device: Device, but: str) -> list[DeviceGroup]:
        found: list[DeviceGroup] = []
        for known in self._selecting:
            if known.metadata.name == but or not is_member(device, known):
                continue
            other = await self._group_anew(known.metadata.name) if self.anew else known
            if other is not None and self._competes(other):
                found.append(other)
        return found

    async def _no_leaving(self, device: Device) -> str | None:
        name = self.group.metadata.name
        membership = membership_of(device.metadata.labels, name)
        group = await self._group(name, membership) if membership is not None else self.group
        if group is None:
            return f"{_named(self.group)} does not exist"
        if membership is not None and self._is_open(group, membership):
            group = await self._without_expired(group)
            if group is None or self._is_open(group, membership):
                return f"{title(device)} is being moved by another change"
        if is_labelled_member(device, group):
            return None
        if is_member(device, group):
            return f"{title(device)} is in {_named(group)} by the group's selector"
        return f"{title(device)} is not in {_named(group)}"

    async def _group(self, name: str, membership: Membership) -> DeviceGroup | None:
        if not self.anew and not (name in self._read and self._read[name] is None):
            known = self.cache.groups.get(name)
            if known is not None and (
                membership.state == "member" or is_committed(known, membership.change)
            ):
                return known
            self._read.pop(name, None)
        return await self._group_anew(name)

    async def _group_anew(self, name: str) -> DeviceGroup | None:
        if name not in self._read:
            try:
                self._read[name] = await self.writer.read(GROUPS, name)
            except NotFound:
                self._read[name] = None
        return self._read[name]

    async def _without_expired(self, group: DeviceGroup) -> DeviceGroup | None:
        """Give up changes that are past their deadline: who made them is most likely dead."""
        if not await abort_expired(self.writer, group, self.now):
            return group
        self._read.pop(group.metadata.name, None)
        return await self._group_anew(group.metadata.name)

    def _is_open(self, group: DeviceGroup, membership: Membership) -> bool:
        if membership.state == "member" or membership.change == self.own_change:
            return False
        return any(
            change.id == membership.change and not change.committed
            for change in group.status.changes
        )

    def _competes(self, other: DeviceGroup) -> bool:
        return (
            other.spec.application == self.group.spec.application
            and other.spec.priority == self.group.spec.priority
            and not other.metadata.terminating
        )


def title(device: Device) -> str:
    """Return what to call the device in a message."""
    return f"device {device.spec.device_id!r}"


def _named(group: DeviceGroup) -> str:
    return f"group {group.spec.name!r} (priority {group.spec.priority})"
