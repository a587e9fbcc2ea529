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
from polyfleet.operator.serial_memory import SerialMemory

NumberedObject = TypeVar("NumberedObject", Device, DeviceGroup, Package, User)


def needed(store: Store[NumberedObject], item: NumberedObject, memory: SerialMemory) -> SerialNeed:
    """Say what is to happen about the object's serial."""
    serial = item.serial
    if memory.right_of(item) not in {None, serial}:
        return SerialNeed.RESTORE
    claimants = store.find(SERIAL, serial) if serial is not None else ()
    # Whoever bears it by somebody's hand only is no claimant.
    rightful = [other for other in claimants if memory.right_of(other) in {None, serial}]
    return serial_need(item, rightful)


async def new_serial(
    context: Context, kind: Kind[NumberedObject], item: NumberedObject
) -> int | None:
    """Return the serial that the object is to get; None if it keeps the one it has."""
    memory = context.serial_memory
    match needed(context.cache.store(kind), item, memory):
        case SerialNeed.KEEP:
            return None
        case SerialNeed.RESTORE:
            right = memory.right_of(item)
            return item.status.serial if right is None else right
        case SerialNeed.DRAW:
            serial = await context.serials.next(kind)
            memory.give(item, serial)
            return serial
