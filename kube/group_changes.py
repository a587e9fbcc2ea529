"""Changing a group's packages and priority, while others delete packages or move devices.

As in deletions, each side first writes and then reads what the other writes. A process that dies
in between has told nobody of success, and leaves what readers can deal with: a package that is
gone is passed over, and of two groups of equal priority the one with the lower serial is active,
of which the operator tells in the device's condition `GroupConflict`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog

from polyfleet.fleet.membership import is_committed, is_member, membership_of
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import GROUPS, PACKAGES
from polyfleet.kube.deletion_mark import usable
from polyfleet.kube.errors import ApiError, NotFound
from polyfleet.kube.group_members import shared_candidates
from polyfleet.kube.membership_tidy import abort_expired
from polyfleet.kube.parallel import for_each
from polyfleet.kube.refusal import Refused
from polyfleet.kube.writer import Writer

_log = structlog.get_logger(__name__)


async def assign_packages(
    writer: Writer, group: DeviceGroup, packages: Sequence[str], now: datetime
) -> None:
    """Replace a group's packages (object names); Refused if one is gone or being deleted.

    Raises NotFound if the group is gone, and ApiError.
    """
    change = _SpecChange(writer, group, "packages", tuple(packages))
    await change.write()
    try:
        unusable = await _unusable(writer, packages, now)
    except ApiError:
        await change.undo(lambda before: before)
        raise
    if unusable:
        await change.undo(lambda before: [name for name in before if name not in unusable])
        raise Refused(f"the package {min(unusable)} was deleted at the same time")


async def set_priority(writer: Writer, group: DeviceGroup, priority: int, now: datetime) -> None:
    """Set a group's priority; Refused if a member is in another group of that priority.

    Raises NotFound if the group is gone, and ApiError.
    """
    change = _SpecChange(writer, group, "priority", priority)
    await change.write()
    try:
        await _refuse_doubles(writer, await writer.read(GROUPS, group.metadata.name), now)
    except (Refused, ApiError):
        await change.undo(lambda before: before)
        raise


class _SpecChange:
    """A write of one field of a group's spec that can be undone."""

    def __init__(self, writer: Writer, group: DeviceGroup, field: str, value: Any) -> None:
        self._writer = writer
        self._group = group
        self._field = field
        self._value = value
        self._before: Any = None

    async def write(self) -> None:
        """Write the value; raise NotFound if the group is gone."""
        await self._writer.update(GROUPS, self._group.metadata.name, self._decide)

    async def undo(self, earlier: Any) -> None:
        """Write `earlier(value before)`, unless somebody has written another value since.

        A value that others had written before us is theirs to undo.
        """
        if self._before is None:
            return

        def decide(current: DeviceGroup) -> Mapping[str, Any] | None:
            if self._is_other(current) or getattr(current.spec, self._field) != self._value:
                return None
            return {"spec": {self._field: earlier(self._before)}}

        try:
            await self._writer.update(GROUPS, self._group.metadata.name, decide)
        except NotFound:
            return
        except ApiError as error:
            _log.warning(
                "change of a group not undone",
                group=self._group.metadata.name,
                field=self._field,
                reason=str(error),
            )
            raise

    def _decide(self, current: DeviceGroup) -> Mapping[str, Any] | None:
        if self._is_other(current):
            raise NotFound(404, "NotFound", "the group was deleted")
        value = getattr(current.spec, self._field)
        if value == self._value:
            return None
        self._before = value
        return {"spec": {self._field: self._value}}

    def _is_other(self, current: DeviceGroup) -> bool:
        return current.metadata.uid != self._group.metadata.uid or current.metadata.terminating


async def _unusable(writer: Writer, packages: Sequence[str], now: datetime) -> set[str]:
    """Return which packages are gone or being deleted.

    All are looked at, not the new ones only: who put the others there may just take them back.
    """
    found = set()

    async def look(name: str) -> None:
        if await usable(writer, PACKAGES, name, now) is None:
            found.add(name)

    await for_each(packages, look)
    return found


async def _refuse_doubles(writer: Writer, group: DeviceGroup, now: datetime) -> None:
    """Raise Refused if a device is in the group and in another one of its priority."""
    rivals: list[DeviceGroup] = []
    # Read, not taken from the cache: a rival may have got its priority just now.
    async for page in writer.client.list_pages(GROUPS):
        rivals += [other for other in page.items if _are_rivals(group, other)]
    if not rivals:
        return
    rivals = [await _without_expired(writer, rival, now) for rival in rivals]
    async for device in shared_candidates(writer.client, group, rivals):
        # A change that now moves devices into the group itself does not count: it cannot be
        # committed, as the priority is not the one that it began with.
        if device.metadata.terminating or not is_member(device, group):
            continue
        if any(_is_or_may_be_in(device, rival) for rival in rivals):
            serial = device.serial
            raise Refused(f"the device {serial} is in another group of that priority")


def _are_rivals(group: DeviceGroup, other: DeviceGroup) -> bool:
    return (
        other.spec.priority == group.spec.priority
        and other.spec.application == group.spec.application
        and other.metadata.uid != group.metadata.uid
        and not other.metadata.terminating
    )


def _is_or_may_be_in(device: Device, rival: DeviceGroup) -> bool:
    """Say whether the device is in the rival, or joins it by a change that is still open.

    A change that was entered after the rival was read looks at our new priority itself.
    """
    if is_member(device, rival):
        return True
    mark = membership_of(device.metadata.labels, rival.metadata.name)
    if mark is None or mark.state != "joining" or is_committed(rival, mark.change):
        return False
    return any(change.id == mark.change for change in rival.status.changes)


async def _without_expired(writer: Writer, rival: DeviceGroup, now: datetime) -> DeviceGroup:
    if not await abort_expired(writer, rival, now):
        return rival
    return await writer.read(GROUPS, rival.metadata.name)
