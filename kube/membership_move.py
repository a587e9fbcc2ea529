"""Moving a device: it leaves all its groups and is in one alone, by one checked write.

As with every change of members, the device is written first and the group looked at afterwards:
who deletes it meanwhile sees the device, or the device is put back.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from polyfleet.fleet.instants import microseconds
from polyfleet.fleet.membership import (
    is_labelled_member,
    leaving_labels,
    member_value,
    membership_of,
    own_value,
    settled_value,
    value_labels,
)
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import DEVICES, GROUPS
from polyfleet.fleet.objects.metadata import GROUP_LABEL_PREFIX, JOINED_LABEL_PREFIX
from polyfleet.kube.cache import Cache
from polyfleet.kube.deletion_mark import usable
from polyfleet.kube.errors import ApiError, Conflict, NotFound, Unavailable
from polyfleet.kube.membership import MembershipConflict
from polyfleet.kube.membership_rules import Rules, title
from polyfleet.kube.writer import Writer

_ATTEMPTS = 8

_Labels = dict[str, str | None]


async def move_to_group(
    writer: Writer, cache: Cache, group: DeviceGroup, device: Device, now: datetime
) -> bool:
    """Leave the device in this group alone, whichever it was in; return whether that was news.

    Of two who move a device at once both succeed, and it is where the later one moved it. Raises
    MembershipConflict if the group is being deleted, if an open change of many members holds the
    device, or a group's selector that counts before this group; NotFound if the device is gone;
    and ApiError.
    """
    rules = Rules(writer, cache, group, "", now)
    fresh = False
    for attempt in range(_ATTEMPTS):
        refusal = await rules.no_move(device)
        labels = _changes(device, group, now)
        if refusal is None and labels:
            try:
                written = await writer.patch(DEVICES, device, {"metadata": {"labels": labels}})
            except Conflict:
                pass
            except Unavailable:
                # If it was carried out all the same, the device read now shows it.
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                before = {key: device.metadata.labels.get(key) for key in labels}
                await _look_back(writer, rules, written, before)
                return True
        elif fresh and refusal is not None:
            raise MembershipConflict(refusal)
        elif fresh:
            await _look_back(writer, rules, device, {})
            return False
        # The cache alone neither refuses nor says that all is done: it may be behind.
        device = await _read(writer, device)
        fresh = True
    raise MembershipConflict(f"{title(device)} is being changed by others")


async def _look_back(writer: Writer, rules: Rules, written: Device, before: _Labels) -> None:
    """Put the device back if it may not be in the group as that is now."""
    try:
        await _refuse_present(writer, rules, written)
    except (MembershipConflict, ApiError):
        if before:
            await _put_back(writer, rules.group, written, before)
        raise


async def _refuse_present(writer: Writer, rules: Rules, written: Device) -> None:
    group, now = rules.group, rules.now
    found = await usable(writer, GROUPS, group.metadata.name, now, uid=group.metadata.uid)
    if found is None:
        raise MembershipConflict(f"group {group.spec.name!r} is being deleted")
    refusal = await Rules(writer, rules.cache, found, "", now, anew=True).rivalry([written])
    if refusal is not None:
        raise MembershipConflict(refusal)


async def _put_back(writer: Writer, group: DeviceGroup, written: Device, before: _Labels) -> None:
    value = own_value(written.metadata.labels, group.metadata.name)

    def decide(device: Device) -> Mapping[str, Any] | None:
        if own_value(device.metadata.labels, group.metadata.name) != value:
            return None  # somebody has moved it on
        return {"metadata": {"labels": before}}

    try:
        await writer.update(DEVICES, written.metadata.name, decide)
    except NotFound:
        return


def _changes(device: Device, group: DeviceGroup, now: datetime) -> _Labels:
    """Return the label changes that leave the device in the group alone; empty if it is."""
    labels, own = device.metadata.labels, group.metadata.name
    changes: _Labels = {}
    for key in labels:
        for prefix in (GROUP_LABEL_PREFIX, JOINED_LABEL_PREFIX):
            if key.startswith(prefix) and key != prefix + own:
                changes |= leaving_labels(labels, key.removeprefix(prefix))
    value = _settled(device, group) or member_value(group, microseconds(now))
    wanted = value_labels(labels, own, value)
    return changes | {key: text for key, text in wanted.items() if labels.get(key) != text}


def _settled(device: Device, group: DeviceGroup) -> str | None:
    """Return a member's value without the mark of a change that has ended; None if it is none."""
    labels, name = device.metadata.labels, group.metadata.name
    value, membership = own_value(labels, name), membership_of(labels, name)
    if value is None or membership is None or not is_labelled_member(device, group):
        return None
    return settled_value(value, committed=membership.state == "joining")


async def _read(writer: Writer, device: Device) -> Device:
    found = await writer.read(DEVICES, device.metadata.name)
    if found.metadata.uid != device.metadata.uid:
        raise NotFound(404, "NotFound", f"{title(device)} does not exist")
    return found
