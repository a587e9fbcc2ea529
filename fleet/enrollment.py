"""Letting devices in: how many may ask, and what an accepted one becomes."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from polyfleet.fleet.attributes import mirrored_labels
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.objects.device import Device, DeviceSpec
from polyfleet.fleet.objects.enrollment import Enrollment
from polyfleet.fleet.objects.metadata import ObjectMeta


class Limits(NamedTuple):
    """How many Enrollments may wait: from one source address, for one device id, in all."""

    per_source: int = 100
    per_device: int = 8
    total: int = 10_000


class Admit(NamedTuple):
    """There is room."""


class Refuse(NamedTuple):
    """There is no room; `reason` says which limit is reached."""

    reason: str


class Replace(NamedTuple):
    """There is room once `enrollment` is dropped."""

    enrollment: Enrollment


def admit(
    existing: Iterable[Enrollment], candidate: Enrollment, limits: Limits
) -> Admit | Refuse | Replace:
    """Decide whether one more Enrollment may be stored beside the existing ones.

    The limits of a source address and of a device id come before the limit of all. At that one
    the newest of the most crowded source goes, so that one source cannot shut out the others;
    an approved one never goes.
    """
    others = [item for item in existing if item.metadata.name != candidate.metadata.name]
    source = candidate.spec.source_address
    by_source = Counter(item.spec.source_address for item in others)
    if source is not None and by_source[source] >= limits.per_source:
        return Refuse("too many devices ask to be let in from this address")
    if sum(_same_device(item, candidate) for item in others) >= limits.per_device:
        return Refuse("too many keys ask to be let in for this device id")
    if len(others) < limits.total:
        return Admit()
    droppable = [item for item in others if item.spec.approval != "Approved"]
    if not droppable:
        return Refuse("too many devices ask to be let in")
    by_source = Counter(item.spec.source_address for item in droppable)
    crowded, count = max(by_source.items(), key=lambda entry: (entry[1], entry[0] or ""))
    if by_source[source] + 1 >= count:
        return Refuse("too many devices ask to be let in")
    return Replace(max((i for i in droppable if i.spec.source_address == crowded), key=_age))


def device_spec(enrollment: Enrollment, now: datetime) -> dict[str, Any]:
    """Return the spec of the Device that an accepted Enrollment becomes."""
    return {
        "application": enrollment.spec.application,
        "deviceId": enrollment.spec.device_id,
        "createdAt": timestamp(now),
        **rotated_spec(enrollment, now),
    }


def device_labels(enrollment: Enrollment, attribute_names: Iterable[str]) -> dict[str, str]:
    """Return the labels that mirror the named attributes of the Device that it becomes."""
    spec = DeviceSpec(
        application=enrollment.spec.application,
        device_id=enrollment.spec.device_id,
        enrolled=msgspec.Raw(b'{"metadata":%b}' % bytes(enrollment.spec.metadata)),
    )
    labels = mirrored_labels(Device(metadata=ObjectMeta(name=""), spec=spec), attribute_names)
    return {key: value for key, value in labels.items() if value is not None}


def rotated_spec(enrollment: Enrollment, now: datetime) -> dict[str, Any]:
    """Return what an accepted Enrollment changes in the spec of a device that exists already."""
    return {
        "publicKeys": [enrollment.spec.public_key],
        "enrolled": {
            "at": timestamp(now),
            "metadata": msgspec.json.decode(enrollment.spec.metadata),
        },
    }


def is_accepted(enrollment: Enrollment, device: Device) -> bool:
    """Say whether the device already is what the Enrollment asks for."""
    return device.spec.public_keys == (enrollment.spec.public_key,)


def _same_device(left: Enrollment, right: Enrollment) -> bool:
    return (left.spec.application, left.spec.device_id) == (
        right.spec.application,
        right.spec.device_id,
    )


def _age(enrollment: Enrollment) -> tuple[str, str, str]:
    meta = enrollment.metadata
    return (meta.creation_timestamp, enrollment.spec.created_at, meta.name)
