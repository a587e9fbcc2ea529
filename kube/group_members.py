"""Who is in a group by the API server's word, where the cache's could be too old."""

from collections.abc import AsyncIterator, Iterable
from itertools import product

from polyfleet.fleet import selectors
from polyfleet.fleet.membership import is_member, label_key
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.kube.client import Client

# Looking for devices in each pair of groups is quick for a few pairs; else all members are read.
_MOST_PAIRS = 16


async def has_members(client: Client, group: DeviceGroup) -> bool:
    """Say whether a device is in the group that is not being deleted itself."""
    async for device in _devices(client, _selectors(group)):
        if is_member(device, group) and not device.metadata.terminating:
            return True
    return False


async def shared_candidates(
    client: Client, group: DeviceGroup, others: Iterable[DeviceGroup]
) -> AsyncIterator[Device]:
    """Yield the devices that may be both in the group and in one of the others."""
    either = [selector for other in others for selector in _selectors(other)]
    pairs = [",".join(filter(None, pair)) for pair in product(_selectors(group), either)]
    wanted = pairs if len(pairs) <= _MOST_PAIRS else _selectors(group)
    async for device in _devices(client, wanted):
        yield device


async def _devices(client: Client, label_selectors: Iterable[str]) -> AsyncIterator[Device]:
    for selector in label_selectors:
        async for page in client.list_pages(DEVICES, label_selector=selector):
            for device in page.items:
                yield device


def _selectors(group: DeviceGroup) -> list[str]:
    """Return label selectors that together find all members."""
    by_label = label_key(group.metadata.name)
    if group.spec.selector is None:
        return [by_label]
    return [by_label, selectors.text(group.spec.selector)]
