"""Adopts the devices that somebody made or labelled by hand."""

from datetime import datetime
from typing import Any

from polyfleet.fleet import membership
from polyfleet.fleet.claimants import older_claimant
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import DEVICES, GROUPS
from polyfleet.kube.cache import Cache
from polyfleet.kube.devices import IDENTITY
from polyfleet.kube.errors import NotFound
from polyfleet.operator.context import Context
from polyfleet.operator.controllers.serials import needed, new_serial
from polyfleet.operator.indexes import SELECTS, label_groups
from polyfleet.operator.reconcile.adoption import SerialNeed, metadata_patch
from polyfleet.operator.reconcile.devices import (
    condition_patch,
    equal_groups,
    problem,
    stale_groups,
    wanted_labels,
)
from polyfleet.operator.reconcile.oversized import oversized_notice
from polyfleet.operator.serial_memory import SerialMemory
from polyfleet.operator.settings import Settings

_UNSURE_SECONDS = 2.0


def needs_work(
    cache: Cache, settings: Settings, memory: SerialMemory, device: Device, now: datetime
) -> bool:
    """Say whether there is something to write to the device; most have nothing."""
    if device.metadata.terminating:
        return False
    return bool(
        needed(cache.devices, device, memory) is not SerialNeed.KEEP
        or memory.right_of(device) is not None
        or wanted_labels(device, cache.groups.get, settings.attribute_labels, now)
        or stale_groups(device, cache.groups.get)
        or _condition_patch(cache, device, now)
    )


async def reconcile(context: Context, name: str) -> float | None:
    """Write the labels and conditions that the device lacks."""
    cache, now = context.cache, context.clock()
    device = cache.devices.get(name)
    if device is None or device.metadata.terminating:
        return None
    labels = wanted_labels(device, cache.groups.get, context.settings.attribute_labels, now)
    stale = stale_groups(device, cache.groups.get)
    gone = [group for group in stale if await _is_gone(context, device, group)]
    for group in gone:
        labels.update(membership.leaving_labels(device.metadata.labels, group))
    serial = await new_serial(context, DEVICES, device)
    metadata = metadata_patch(device.metadata, serial=serial, labels=labels)
    if metadata is not None:
        await context.limiter.acquire()
        device = await context.write(DEVICES, device, metadata=metadata)
    status = _condition_patch(cache, device, now)
    right = context.serial_memory.right_of(device)
    if right is not None or (serial is not None and device.status.serial not in {None, serial}):
        # It would be lost with the label, or the status claims one of an older device.
        kept = device.serial if serial is None else serial
        status = {"status": {**(status or {}).get("status", {}), "serial": kept}}
    if status is not None:
        notice = oversized_notice(device, device.spec)
        await context.limiter.acquire()
        await context.write(DEVICES, device, status=status)
        if notice is not None:
            context.tell(device, notice)
    return _UNSURE_SECONDS if len(gone) < len(stale) else None


async def _is_gone(context: Context, device: Device, group_name: str) -> bool:
    """Ask the API server itself: the cache may not have heard of a new group yet."""
    try:
        group = await context.writer.read(GROUPS, group_name)
    except NotFound:
        return True
    found = membership.membership_of(device.metadata.labels, group_name)
    return found is None or found.incarnation != membership.incarnation(group.metadata.uid)


def _condition_patch(cache: Cache, device: Device, now: datetime) -> dict[str, Any] | None:
    claimants = cache.devices.find(IDENTITY, (device.spec.application, device.spec.device_id))
    older = older_claimant(device, claimants) if len(claimants) > 1 else None
    equal = equal_groups(device, _candidate_groups(cache, device))
    trouble = problem(
        device,
        application=cache.applications.get(device.spec.application) is not None,
        pin=_pin_present(cache, device),
        missing_groups=_missing_groups(cache, device),
    )
    return condition_patch(device, older=older, equal=equal, trouble=trouble, now=now)


def _pin_present(cache: Cache, device: Device) -> bool:
    if device.spec.pin is None:
        return True
    package = cache.packages.get(device.spec.pin)
    return package is not None and package.spec.application == device.spec.application


def _missing_groups(cache: Cache, device: Device) -> list[str]:
    return [
        name
        for name in label_groups(device)
        if (group := cache.groups.get(name)) is None
        or group.spec.application != device.spec.application
    ]


def _candidate_groups(cache: Cache, device: Device) -> list[DeviceGroup]:
    """Return the groups that the device may be in; none if it cannot be in two."""
    names = set(label_groups(device))
    names.update(cache.groups.names(SELECTS, device.spec.application))
    if len(names) < 2:  # noqa: PLR2004 - a conflict takes two
        return []
    return [group for name in sorted(names) if (group := cache.groups.get(name)) is not None]
