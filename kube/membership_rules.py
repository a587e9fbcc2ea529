"""Whether a device may join or leave a group, by labels and marks whose state is surely known."""

from dataclasses import dataclass, field

from polyfleet.fleet.membership import (
    Membership,
    is_committed,
    is_labelled_member,
    is_member,
    parse_value,
)
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import GROUPS
from polyfleet.fleet.objects.metadata import GROUP_LABEL_PREFIX
from polyfleet.kube.cache import Cache
from polyfleet.kube.errors import NotFound
from polyfleet.kube.writer import Writer


@dataclass
class Rules:
    """The rules for one change (`own_change`) of one group's members.

    Devices and groups are watched apart from each other, so a mark can be seen before the change
    that it belongs to. Unless it is known to be committed, the group is read again.
    """

    writer: Writer
    cache: Cache
    group: DeviceGroup
    own_change: str
    _gone: set[str] = field(default_factory=set)
    _selecting: list[DeviceGroup] = field(init=False)

    def __post_init__(self) -> None:
        self._selecting = [
            other
            for other in self.cache.groups.values()
            if other.spec.selector is not None and self._competes(other)
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

    async def _no_joining(self, device: Device) -> str | None:
        others = list(self._selecting)
        for key, value in device.metadata.labels.items():
            membership = parse_value(value) if key.startswith(GROUP_LABEL_PREFIX) else None
            if membership is None:
                continue
            other = await self._group(key.removeprefix(GROUP_LABEL_PREFIX), membership)
            if other is None or not self._competes(other):
                continue
            if self._is_open(other, membership):
                return f"{title(device)} is being moved by another change"
            others.append(other)
        for other in others:
            if is_member(device, other):
                return f"{title(device)} is already in {_named(other)}"
        return None

    async def _no_leaving(self, device: Device) -> str | None:
        name = self.group.metadata.name
        membership = parse_value(device.metadata.labels.get(GROUP_LABEL_PREFIX + name, ""))
        group = await self._group(name, membership) if membership is not None else self.group
        if group is None:
            return f"{_named(self.group)} does not exist"
        if membership is not None and self._is_open(group, membership):
            return f"{title(device)} is being moved by another change"
        if is_labelled_member(device, group):
            return None
        if is_member(device, group):
            return f"{title(device)} is in {_named(group)} by the group's selector"
        return f"{title(device)} is not in {_named(group)}"

    async def _group(self, name: str, membership: Membership) -> DeviceGroup | None:
        if name in self._gone:
            return None
        known = self.cache.groups.get(name)
        if known is not None and (
            membership.state == "member" or is_committed(known, membership.change)
        ):
            return known
        try:
            return await self.writer.read(GROUPS, name)
        except NotFound:
            self._gone.add(name)
            return None

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
