"""Devices and pending registrations in the exact forms that RDFM's clients accept."""

from datetime import datetime
from typing import Any

from polyfleet.api.dialects.rdfm.translate.dates import greenwich
from polyfleet.fleet import attributes
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.enrollment import Enrollment

_FRESH_CAPABILITIES = {"shell": False}


def flat_metadata(device: Device) -> dict[str, str | list[str]]:
    """Return a device's attributes, all sources merged; numbers as the text JSON gives them."""
    return {
        name: attributes.text(attribute.value)
        for name, attribute in attributes.merged(device).items()
    }


def document(device: Device, *, name: str, last_access: datetime | None) -> dict[str, Any]:
    """Return what API v1 and v2 show alike; `name` is the id in the one flat space of ids."""
    keys = device.spec.public_keys
    return {
        "id": device.serial,
        "name": name,
        "mac_address": name,
        "capabilities": device.status.capabilities or _FRESH_CAPABILITIES,
        "metadata": flat_metadata(device),
        "last_access": greenwich(last_access) if last_access else None,
        "public_key": keys[0] if keys else None,
    }


def registration(enrollment: Enrollment, *, name: str, last_appeared: datetime) -> dict[str, Any]:
    """Return a pending registration."""
    held = attributes.decode(enrollment.spec.metadata)
    return {
        "mac_address": name,
        "public_key": enrollment.spec.public_key,
        "metadata": {entry.name: attributes.text(entry.value) for entry in held},
        "last_appeared": greenwich(last_appeared),
    }
