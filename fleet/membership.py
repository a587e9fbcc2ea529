"""Who is in which group: labels on devices, whose values name the group's incarnation.

A change of many members sets a mark (`joining.<change>…`, `leaving.<change>…`) on each device and
counts from the moment when the group's `status.changes` says that it is committed.

A value that is not ours (`true`, from somebody's manifest) is left as it is, so that applying the
manifest again changes nothing. What we have to say stands in a label beside it then, the companion
`joined.polyfleet.dev/<group>`; without one the device is not in the group.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

from polyfleet.fleet import selectors
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.metadata import GROUP_LABEL_PREFIX, JOINED_LABEL_PREFIX

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


def companion_key(group_name: str) -> str:
    """Return the key of the label that says what the group's label itself does not."""
    return JOINED_LABEL_PREFIX + group_name


def own_value(labels: Mapping[str, str], group_name: str) -> str | None:
    """Return our value for the group: its label's, else the companion's; None if there is none.

    A companion without the group's label says nothing: whoever takes the label away, leaves.
    """
    value = labels.get(label_key(group_name))
    if value is None or parse_value(value) is not None:
        return value
    beside = labels.get(companion_key(group_name), "")
    return beside if parse_value(beside) is not None else None


def membership_of(labels: Mapping[str, str], group_name: str) -> Membership | None:
    """Return what the labels of a device say about the group; None if they say nothing."""
    value = own_value(labels, group_name)
    return parse_value(value) if value is not None else None


def memberships_of(device: Device) -> dict[str, Membership]:
    """Return what the device's labels say, by the group's object name; marks are among it."""
    labels, prefix = device.metadata.labels, len(GROUP_LABEL_PREFIX)
    names = [key[prefix:] for key in labels if key.startswith(GROUP_LABEL_PREFIX)]
    return {name: found for name in names if (found := membership_of(labels, name)) is not None}


def value_labels(labels: Mapping[str, str], group_name: str, value: str) -> dict[str, str | None]:
    """Return the label changes that set our value for the group; somebody else's value stays."""
    key, beside = label_key(group_name), companion_key(group_name)
    if key in labels and parse_value(labels[key]) is None:
        return {beside: value}
    return {key: value} | ({beside: None} if beside in labels else {})


def leaving_labels(labels: Mapping[str, str], group_name: str) -> dict[str, str | None]:
    """Return the label changes after which nothing is left of the group."""
    keys = (label_key(group_name), companion_key(group_name))
    return {key: None for key in keys if key in labels}


def settled_labels(
    labels: Mapping[str, str], group_name: str, *, committed: bool
) -> dict[str, str | None]:
    """Return the label changes that turn the group's mark into what it means now."""
    value = own_value(labels, group_name)
    settled = settled_value(value, committed=committed) if value is not None else None
    if settled is not None:
        return value_labels(labels, group_name, settled)
    beside = companion_key(group_name)
    if not committed and value is not None and value == labels.get(beside):
        return {beside: None}  # it did not join by this change; the label is still somebody's wish
    return leaving_labels(labels, group_name)


def orphaned_companions(labels: Mapping[str, str]) -> list[str]:
    """Return the groups whose companion stands there alone, or beside a value of ours."""
    found = []
    for key in labels:
        if key.startswith(JOINED_LABEL_PREFIX):
            name = key.removeprefix(JOINED_LABEL_PREFIX)
            value = labels.get(label_key(name))
            if value is None or parse_value(value) is not None:
                found.append(name)
    return found


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
    return {name: found for name, found in memberships_of(device).items() if found.change}


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
    membership = membership_of(device.metadata.labels, group.metadata.name)
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
    membership = membership_of(device.metadata.labels, group.metadata.name)
    return membership.joined_at if membership is not None else None


def group_order(group: DeviceGroup) -> tuple[int, bool, int, str]:
    """Sort key that puts the active group first: lowest priority number, then lowest serial."""
    serial = group.serial
    return (group.spec.priority, serial is None, serial or 0, group.metadata.name)


def groups_of(device: Device, groups: Iterable[DeviceGroup]) -> tuple[DeviceGroup, ...]:
    """Return the groups that the device is in, the active one first."""
    return tuple(sorted((group for group in groups if is_member(device, group)), key=group_order))


def _check_change(change_id: str) -> None:
    if not _CHANGE.fullmatch(change_id):
        raise ValueError("a change id is 1 to 16 of a-z and 0-9")
