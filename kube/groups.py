"""Finding a group by its application and its own name, and making it if it is not there."""

from collections.abc import Hashable, Iterable
from datetime import datetime

from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.names import application_label, object_name
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import GROUPS
from polyfleet.fleet.objects.metadata import APPLICATION_LABEL, SERIAL_LABEL
from polyfleet.kube.cache import Cache
from polyfleet.kube.errors import AlreadyExists, Conflict, NotFound
from polyfleet.kube.serials import SerialAllocator
from polyfleet.kube.store import Store
from polyfleet.kube.writer import Writer

_NAME = "application and name"
_ATTEMPTS = 4


def find_group(groups: Store[DeviceGroup], application: str, name: str) -> DeviceGroup | None:
    """Return the group of that name in the application of that object name.

    One that kubectl made may have any object name; of several the oldest counts.
    """
    groups.add_index(_NAME, _identity)
    return min(groups.find(_NAME, (application, name)), key=_age, default=None)


async def ensure_group(
    writer: Writer,
    cache: Cache,
    serials: SerialAllocator,
    *,
    application: str,
    name: str,
    now: datetime,
) -> DeviceGroup:
    """Return the group of that name as the API server has it now; make it if there is none.

    Raises Conflict if it is being deleted or its object name is taken by another, and ApiError.
    """
    for _ in range(_ATTEMPTS):
        known = find_group(cache.groups, application, name)
        object_ = known.metadata.name if known else object_name("DeviceGroup", application, name)
        try:
            return _usable(await writer.read(GROUPS, object_), application, name)
        except NotFound:
            if known is not None:  # deleted, and the cache has not heard of it
                cache.groups.remove(known, confirmed=False)
        labels = {
            APPLICATION_LABEL: application_label(application),
            SERIAL_LABEL: str(await serials.next(GROUPS)),
        }
        spec = {"application": application, "name": name, "createdAt": timestamp(now)}
        new = object_name("DeviceGroup", application, name)
        try:
            return await writer.create(GROUPS, new, spec, labels=labels)
        except AlreadyExists:
            continue
    raise Conflict(409, "Conflict", f"group {name!r} is made and deleted again and again")


def _usable(group: DeviceGroup, application: str, name: str) -> DeviceGroup:
    if (group.spec.application, group.spec.name) != (application, name):
        raise Conflict(409, "Conflict", "the object name is taken by another group")
    if group.metadata.terminating:
        raise Conflict(409, "Conflict", f"group {name!r} is being deleted")
    return group


def _identity(group: DeviceGroup) -> Iterable[Hashable]:
    yield group.spec.application, group.spec.name


def _age(group: DeviceGroup) -> tuple[str, str]:
    return group.metadata.creation_timestamp, group.metadata.name
