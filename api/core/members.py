"""Who is in a group, for readers that want them all."""

from collections.abc import Hashable, Iterable, Sequence

from polyfleet.fleet.membership import is_member, label_key
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.metadata import GROUP_LABEL_PREFIX
from polyfleet.kube.store import Store

_GROUP_LABEL = "group label"


def candidates(devices: Store[Device], group: DeviceGroup) -> Sequence[Device]:
    """Return the devices that may be in the group, each once; `is_in` says which are."""
    devices.add_index(_GROUP_LABEL, _group_labels)
    labelled = devices.find(_GROUP_LABEL, label_key(group.metadata.name))
    if group.spec.selector is None:
        return labelled
    every = {device.metadata.uid: device for device in devices.select(group.spec.selector)}
    every.update((device.metadata.uid, device) for device in labelled)
    return list(every.values())


def is_in(device: Device, group: DeviceGroup) -> bool:
    """Say whether the device is in the group and is not on its way out."""
    return device.present and is_member(device, group)


def _group_labels(device: Device) -> Iterable[Hashable]:
    return [key for key in device.metadata.labels if key.startswith(GROUP_LABEL_PREFIX)]
