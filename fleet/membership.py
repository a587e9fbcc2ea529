"""Who is in which group: labels on devices, whose values name the group's incarnation.

A change of many members sets a mark (`joining.<change>…`, `leaving.<change>…`) on each device and
counts from the moment when the group's `status.changes` says that it is committed. A value that
is not ours (`true`, set by kubectl) does not count until the operator has rewritten it.
"""

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, NamedTuple

from polyfleet.fleet import selectors
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.metadata import GROUP_LABEL_PREFIX

State = Literal["member", "joining", "leaving"]

_INCARNATION_LENGTH = 12
_VALUE = re.compile(
    r"(?:(?P<state>joining|leaving)\.(?P<change>[a-z0-9]{1,16})\.)?"
    rf"(?P<incarnation>[0-9a-f]{{{_INCARNATION_LENGTH}}})\.(?P<joined>[0-9]{{1,18}})"
)
_CHANGE = re.compile(r"[a-z0-9]{1,16}")


class Membership(NamedTuple):
    """What a group label's value says; `joined_at` in microseconds since 1970.

    `change` is the id of the change that a mark belongs to, empty for a member.
    """

    state: State
    incarnation: str
    joined_at: int
    change: str = ""


def label_key(group_name: str) -> str:
    """Return the label key by which a device is in the group of that object name."""
    return GROUP_LABEL_PREFIX + group_name


@lru_cache(maxsize=16_384)
def incarnation(group_uid: str) -> str:
    """Return the short form of a group's uid, so that a group made again inherits nobody."""
    return hashlib.sha256(group_uid.encode()).hexdigest()[:_INCARNATION_LENGTH]


def member_value(group: DeviceGroup, joined_at_micros: int) -> str:
    """Return the label value of a member that joined at that time (microseconds since 1970)."""
    return f"{incarnation(group.metadata.uid)}.{joined_at_micros}"


def joining_value(change_id: str, group: DeviceGroup, joined_at_micros: int) -> str:
    """Return the mark of a device that joins once the change (1-16 of a-z0-9) is committed."""
    _check_change(change_id)
    return f"joining.{change_id}.{member_value(group, joined_at_micros)}"


def leaving_value(change_id: str, current_value: str) -> str:
    """Return the mark of a member, by its current value, that leaves with the change.

    Raises ValueError if the current value is not a member's.
    """
    _check_change(change_id)
    current = parse_value(current_value)
    if current is None or current.state != "member":
        raise ValueError("only a member can leave")
    return f"leaving.{change_id}.{current_value}"


def settled_value(value: str, *, committed: bool) -> str | None:
    """Return what a mark becomes when its change ends; None takes the label away.

    A value without a mark stays as it is.
    """
    membership = parse_value(value)
    if membership is None or membership.state == "member":
        return value
    if (membership.state == "joining") != committed:
        return None
    return f"{membership.incarnation}.{membership.joined_at}"


@lru_cache(maxsize=8_192)
def parse_value(text: str) -> Membership | None:
    """Read a group label's value; None if it is not one of ours."""
    found = _VALUE.fullmatch(text)
    if found is None:
        return None
    state: State = found["state"] or "member"  # type: ignore[assignment]  # the pattern says so
    return Membership(state, found["incarnation"], int(found["joined"]), found["change"] or "")


def marks_of(device: Device) -> dict[str, Membership]:
    """Return the marks of changes that the device bears, by the group's object name."""
    prefix = len(GROUP_LABEL_PREFIX)
    return {
        key[prefix:]: membership
        for key, value in device.metadata.labels.items()
        if key.startswith(GROUP_LABEL_PREFIX)
        and (membership := parse_value(value)) is not None
        and membership.state != "member"
    }


def is_member(device: Device, group: DeviceGroup) -> bool:
    """Say whether the device is in the group: by its label, a committed mark or the selector.

    Never across applications, and never in a group that is being deleted.
    """
    if device.spec.application != group.spec.application or group.metadata.terminating:
        return False
    if is_labelled_member(device, group):
        return True
    selector = group.spec.selector
    return selector is not None and selectors.matches(selector, device.metadata.labels)


def is_labelled_member(device: Device, group: DeviceGroup) -> bool:
    """Say whether the device is in the group by its label alone, whatever the selector says."""
    value = device.metadata.labels.get(label_key(group.metadata.name))
    membership = parse_value(value) if value is not None else None
    if membership is None or membership.incarnation != incarnation(group.metadata.uid):
        return False
    if membership.state == "member":
        return True
    return is_committed(group, membership.change) == (membership.state == "joining")


def is_committed(group: DeviceGroup, change_id: str) -> bool:
    """Say whether the group's status holds that change as committed."""
    return any(change.id == change_id and change.committed for change in group.status.changes)


def joined_at(device: Device, group: DeviceGroup) -> int | None:
    """Return when the device joined by its label (microseconds since 1970); None if it did not."""
    if not is_labelled_member(device, group):
        return None
    membership = parse_value(device.metadata.labels[label_key(group.metadata.name)])
    return membership.joined_at if membership is not None else None


def group_order(group: DeviceGroup) -> tuple[int, bool, int, str]:
    """Sort key that puts the active group first: lowest priority number, then lowest serial."""
    serial = group.metadata.serial
    return (group.spec.priority, serial is None, serial or 0, group.metadata.name)


def groups_of(device: Device, groups: Iterable[DeviceGroup]) -> tuple[DeviceGroup, ...]:
    """Return the groups that the device is in, the active one first."""
    return tuple(sorted((group for group in groups if is_member(device, group)), key=group_order))


def _check_change(change_id: str) -> None:
    if not _CHANGE.fullmatch(change_id):
        raise ValueError("a change id is 1 to 16 of a-z and 0-9")
