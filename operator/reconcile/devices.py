"""Device: labels that people set by hand, and what they should know about their devices."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from polyfleet.fleet import membership
from polyfleet.fleet.attributes import mirrored_labels
from polyfleet.fleet.conditions import holds
from polyfleet.fleet.instants import microseconds
from polyfleet.fleet.names import application_label
from polyfleet.fleet.objects.device import UNIQUE, Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.metadata import APPLICATION_LABEL, GROUP_LABEL_PREFIX
from polyfleet.operator.reconcile.clear_text import credentials_in_clear_text
from polyfleet.operator.reconcile.conditions import Wanted, condition_list, enumerated
from polyfleet.operator.reconcile.oversized import oversized

GROUP_CONFLICT = "GroupConflict"
READY = "Ready"

# Only the frame is looked at: there may be very many devices.
_PEM = re.compile(
    r"\s*-----BEGIN (RSA )?PUBLIC KEY-----[A-Za-z0-9+/=\s]+-----END (RSA )?PUBLIC KEY-----\s*"
)

FindGroup = Callable[[str], DeviceGroup | None]


def wanted_labels(
    device: Device, find_group: FindGroup, attribute_names: Iterable[str], now: datetime
) -> dict[str, str | None]:
    """Return the label changes that the device needs beside its serial."""
    changes: dict[str, str | None] = {}
    application = application_label(device.spec.application)
    if device.metadata.labels.get(APPLICATION_LABEL) != application:
        changes[APPLICATION_LABEL] = application
    names = tuple(attribute_names)
    if names:
        changes.update(mirrored_labels(device, names))
    changes.update(_companions(device, find_group, now))
    return changes


def _companions(device: Device, find_group: FindGroup, now: datetime) -> dict[str, str | None]:
    """Return companions for the group labels that somebody set by hand; left-over ones go."""
    labels = device.metadata.labels
    changes: dict[str, str | None] = {
        membership.companion_key(name): None for name in membership.orphaned_companions(labels)
    }
    for key in labels:
        if not key.startswith(GROUP_LABEL_PREFIX):
            continue
        name = key.removeprefix(GROUP_LABEL_PREFIX)
        if membership.membership_of(labels, name) is not None:
            continue
        group = find_group(name)
        if group is not None and _may_join(device, group):
            value = membership.member_value(group, microseconds(now))
            changes.update(membership.value_labels(labels, name, value))
    return changes


def _may_join(device: Device, group: DeviceGroup) -> bool:
    return (
        group.spec.application == device.spec.application
        and not group.metadata.terminating
        and bool(group.metadata.uid)
    )


def stale_groups(device: Device, find_group: FindGroup) -> list[str]:
    """Return the groups that the device is labelled for in an incarnation that is not known.

    The cache may be behind: ask the API server before a label is taken away.
    """
    stale = []
    for name, found in membership.memberships_of(device).items():
        group = find_group(name)
        if group is None or membership.incarnation(group.metadata.uid) != found.incarnation:
            stale.append(name)
    return stale


def equal_groups(device: Device, groups: Iterable[DeviceGroup]) -> tuple[DeviceGroup, ...]:
    """Return the groups of the device that share the lowest priority, if there are several."""
    mine = membership.groups_of(device, groups)
    first = tuple(group for group in mine if group.spec.priority == mine[0].spec.priority)
    return first if len(first) > 1 else ()


def problem(
    device: Device, *, application: bool, pin: bool, missing_groups: Iterable[str]
) -> Wanted | None:
    """Return the first thing about the device that cannot be meant, if there is one.

    `application` and `pin` say whether what the spec names is there.
    """
    spec = device.spec
    missing = list(missing_groups)
    if not application:
        return _not_ready("ApplicationMissing", f"there is no application {spec.application}")
    if not pin:
        message = f"spec.pin: {spec.pin} is no package of application {spec.application}"
        return _not_ready("PinMissing", message)
    if missing:
        message = f"labels of groups that its application does not have: {enumerated(missing)}"
        return _not_ready("GroupMissing", message)
    for number, key in enumerate(spec.public_keys):
        if not _PEM.fullmatch(key):
            return _not_ready("InvalidKey", f"spec.publicKeys[{number}] is no PEM public key")
    return None


def _not_ready(reason: str, message: str) -> Wanted:
    return Wanted(READY, False, reason, message)


def condition_patch(
    device: Device,
    *,
    older: str | None,
    equal: tuple[DeviceGroup, ...],
    trouble: Wanted | None = None,
    now: datetime,
) -> dict[str, Any] | None:
    """Return the status patch for what people should know; None if nothing has to be written.

    A condition that never held is not written at all: a device is whole without its status.
    """
    wanted = []
    if older is not None or holds(device, UNIQUE) is False:
        wanted.append(_unique(older))
    if equal or holds(device, GROUP_CONFLICT):
        wanted.append(_conflict(equal))
    if trouble is not None or holds(device, READY) is False:
        wanted.append(trouble or Wanted(READY, True, "Reconciled", ""))
    if (large := oversized(device, device.spec)) is not None:
        wanted.append(large)
    if (clear := credentials_in_clear_text(device)) is not None:
        wanted.append(clear)
    conditions = condition_list(device, wanted, now)
    if conditions is None:
        return None
    status: dict[str, Any] = {
        "conditions": conditions,
        "observedGeneration": device.metadata.generation,
    }
    if device.metadata.serial is not None:
        status["serial"] = device.metadata.serial
    return {"status": status}


def _unique(older: str | None) -> Wanted:
    if older is None:
        return Wanted(UNIQUE, True, "OnlyOne", "")
    return Wanted(UNIQUE, False, "DuplicateId", f"the older device {older} has the same id")


def _conflict(equal: tuple[DeviceGroup, ...]) -> Wanted:
    if not equal:
        return Wanted(GROUP_CONFLICT, False, "NoConflict", "")
    names = enumerated([group.metadata.name for group in equal])
    active = equal[0].metadata.name
    message = f"groups {names} have priority {equal[0].spec.priority}; {active} is active"
    return Wanted(GROUP_CONFLICT, True, "EqualPriority", message)
