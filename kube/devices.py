"""Finding a device by its application and its own id."""

from collections.abc import Hashable, Iterable

from polyfleet.fleet.names import object_name
from polyfleet.fleet.objects.device import Device
from polyfleet.kube.store import Store

IDENTITY = "application and id"
"""The index of devices by (application, device id)."""


def index_identities(devices: Store[Device]) -> None:
    """Keep the index that `find_device` reads."""
    devices.add_index(IDENTITY, _identity)


def find_device(devices: Store[Device], application: str, device_id: str) -> Device | None:
    """Return the device of that id in the application of that object name.

    One that kubectl made may have any object name; of several the oldest counts.
    """
    device = devices.get(object_name("Device", application, device_id))
    if device is not None and is_device(device, application, device_id):
        return device
    index_identities(devices)
    return min(devices.find(IDENTITY, (application, device_id)), key=_age, default=None)


def is_device(device: Device, application: str, device_id: str) -> bool:
    """Say whether it is that very device, whatever its object's name."""
    return device.spec.device_id == device_id and device.spec.application == application


def _identity(device: Device) -> Iterable[Hashable]:
    yield device.spec.application, device.spec.device_id


def _age(device: Device) -> tuple[str, str]:
    return device.metadata.creation_timestamp, device.metadata.name
