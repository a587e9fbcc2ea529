"""Finding a device by its application and its own id."""

from collections.abc import Hashable, Iterable

from polyfleet.fleet.claimants import holder
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
    index_identities(devices)
    return holder(devices.find(IDENTITY, (application, device_id)))


def is_device(device: Device, application: str, device_id: str) -> bool:
    """Say whether it is that very device, whatever its object's name."""
    return device.spec.device_id == device_id and device.spec.application == application


def _identity(device: Device) -> Iterable[Hashable]:
    yield device.spec.application, device.spec.device_id
