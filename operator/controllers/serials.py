"""Gives objects their serials."""

from typing import TypeVar

from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import Kind
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.objects.user import User
from polyfleet.kube.store import Store
from polyfleet.operator.context import Context
from polyfleet.operator.indexes import SERIAL
from polyfleet.operator.reconcile.adoption import SerialNeed, serial_need

NumberedObject = TypeVar("NumberedObject", Device, DeviceGroup, Package, User)


def needed(store: Store[NumberedObject], item: NumberedObject) -> SerialNeed:
    """Say what is to happen about the object's serial."""
    serial = item.serial
    return serial_need(item, store.find(SERIAL, serial) if serial is not None else ())


async def new_serial(
    context: Context, kind: Kind[NumberedObject], item: NumberedObject
) -> int | None:
    """Return the serial that the object is to get; None if it keeps the one it has."""
    match needed(context.cache.store(kind), item):
        case SerialNeed.KEEP:
            return None
        case SerialNeed.RESTORE:
            return item.status.serial
        case SerialNeed.DRAW:
            return await context.serials.next(kind)
