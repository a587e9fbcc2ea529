"""Finding devices by what people call them; groups by who is in them."""

from collections.abc import Hashable, Iterable, Sequence

from polyfleet.fleet.membership import is_member, label_key
from polyfleet.fleet.names import object_name
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.metadata import GROUP_LABEL_PREFIX
from polyfleet.kube.store import Store

_IDENTITY = "application and id"
_GROUP_LABEL = "group label"


def prepare(devices: Store[Device]) -> None:
    """Keep the indexes that the functions below read."""
    devices.add_index(_IDENTITY, _identity)
    devices.add_index(_GROUP_LABEL, _group_labels)


def find_device(devices: Store[Device], application: str, device_id: str) -> Device | None:
    """Return the device of that id in the application of that object name.

    One that kubectl made may have any object name; of several the oldest counts.
    """
    device = devices.get(object_name("Device", application, device_id))
    if device is not None and _is(device, application, device_id):
        return device
    return min(devices.find(_IDENTITY, (application, device_id)), key=_age, default=None)


def candidates(devices: Store[Device], group: DeviceGroup) -> Sequence[Device]:
    """Return the devices that may be in the group, each once; `is_in` says which are."""
    labelled = devices.find(_GROUP_LABEL, label_key(group.metadata.name))
    if group.spec.selector is None:
        return labelled
    every = {device.metadata.uid: device for device in devices.select(group.spec.selector)}
    every.update((device.metadata.uid, device) for device in labelled)
    return list(every.values())


def is_in(device: Device, group: DeviceGroup) -> bool:
    """Say whether the device is in the group and is not on its way out."""
    return not device.metadata.terminating and is_member(device, group)


def _identity(device: Device) -> Iterable[Hashable]:
    yield device.spec.application, device.spec.device_id


def _group_labels(device: Device) -> Iterable[Hashable]:
    return [key for key in device.metadata.labels if key.startswith(GROUP_LABEL_PREFIX)]


def _is(device: Device, application: str, device_id: str) -> bool:
    return device.spec.device_id == device_id and device.spec.application == application


def _age(device: Device) -> tuple[str, str]:
    return device.metadata.creation_timestamp, device.metadata.name
