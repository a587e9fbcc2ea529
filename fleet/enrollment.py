"""Letting devices in: what one that asked becomes."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from polyfleet.fleet.attributes import mirrored_labels
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.objects.device import Device, DeviceSpec
from polyfleet.fleet.objects.enrollment import Enrollment
from polyfleet.fleet.objects.metadata import ObjectMeta


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
