"""Letting a device in: the Device first, then its Enrollment goes.

Facade and operator both call `accept`; if one dies half-way, the other's call finishes it.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from polyfleet.fleet.enrollment import device_labels, device_spec, is_accepted, rotated_spec
from polyfleet.fleet.names import application_label, object_name
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.enrollment import Enrollment
from polyfleet.fleet.objects.kinds import DEVICES, ENROLLMENTS
from polyfleet.fleet.objects.metadata import APPLICATION_LABEL, SERIAL_LABEL
from polyfleet.kube.cache import Cache
from polyfleet.kube.devices import find_device, is_device
from polyfleet.kube.errors import AlreadyExists, Conflict, NotFound
from polyfleet.kube.serials import SerialAllocator
from polyfleet.kube.writer import Writer

_ATTEMPTS = 4


async def accept(
    writer: Writer,
    cache: Cache,
    serials: SerialAllocator,
    enrollment: Enrollment,
    now: datetime,
    *,
    attribute_labels: Sequence[str] = (),
) -> Device:
    """Let the device in and take its Enrollment away; return the Device.

    A new one is labelled with what it says of the attributes named, as the operator would do.

    A device that exists gets the new key in place of its old ones and keeps everything else: its
    object, serial and groups. Raises Conflict if the device is being deleted or its object name
    is taken by another, and what else the API server answers.
    """
    device = await _device(
        writer, cache, serials, enrollment, now, attribute_labels=attribute_labels
    )
    # Gone already, or another one asks under its name by now: either way it is not ours to delete.
    with suppress(NotFound, Conflict):
        await writer.delete(ENROLLMENTS, enrollment, checked=False)
    return device


async def _device(
    writer: Writer,
    cache: Cache,
    serials: SerialAllocator,
    enrollment: Enrollment,
    now: datetime,
    *,
    attribute_labels: Sequence[str],
) -> Device:
    spec = enrollment.spec
    for _ in range(_ATTEMPTS):
        known = find_device(cache.devices, spec.application, spec.device_id)
        if known is not None:
            try:
                return await _rotate(writer, known.metadata.name, enrollment, now)
            except NotFound:  # deleted, and the cache has not heard of it
                cache.devices.remove(known, confirmed=False)
                continue
        name = object_name("Device", spec.application, spec.device_id)
        labels = {
            APPLICATION_LABEL: application_label(spec.application),
            SERIAL_LABEL: str(await serials.next(DEVICES)),
            **device_labels(enrollment, attribute_labels),
        }
        try:
            return await writer.create(DEVICES, name, device_spec(enrollment, now), labels=labels)
        except AlreadyExists:
            return await _rotate(writer, name, enrollment, now)
    raise Conflict(409, "Conflict", "the device is made and deleted again and again")


async def _rotate(writer: Writer, name: str, enrollment: Enrollment, now: datetime) -> Device:
    def decide(device: Device) -> Mapping[str, Any] | None:
        if device.metadata.terminating:
            raise Conflict(409, "Conflict", "the device is being deleted")
        if not is_device(device, enrollment.spec.application, enrollment.spec.device_id):
            raise Conflict(409, "Conflict", "the object name is taken by another device")
        return None if is_accepted(enrollment, device) else {"spec": rotated_spec(enrollment, now)}

    return await writer.update(DEVICES, name, decide)
