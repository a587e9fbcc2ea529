"""Deleting a group or a package that nobody uses, while others may just begin to use it.

Mark it, look (at the API server) whether it is used, delete it as it was marked. A process that
dies after the mark leaves the object as it was: readers do not look at marks, and the mark ends.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime

from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import GROUPS, PACKAGES, Kind, Object
from polyfleet.fleet.objects.package import Package
from polyfleet.kube.deletion_mark import mark, unmark
from polyfleet.kube.errors import ApiError, Conflict
from polyfleet.kube.group_members import has_members
from polyfleet.kube.refusal import Refused
from polyfleet.kube.writer import Writer

_ATTEMPTS = 8


async def delete_group(writer: Writer, group: DeviceGroup, now: datetime) -> None:
    """Delete a group that has no devices; else Refused is raised. Its packages are free then.

    Changes of many members that are under way do not stop it: they cannot be committed any more.
    """

    async def use(marked: DeviceGroup) -> str | None:
        if await has_members(writer.client, marked):
            return "delete failed, at least one device is still assigned to the group"
        return None

    await _delete(writer, GROUPS, group, now, use)


async def delete_package(writer: Writer, package: Package, now: datetime) -> None:
    """Delete a package that no group has; else Refused is raised."""

    async def use(marked: Package) -> str | None:
        # All groups are read: no selector finds those with a package, and groups are few.
        async for page in writer.client.list_pages(GROUPS):
            if any(_has(group, marked) for group in page.items):
                return "delete failed, the package is assigned to at least one group"
        return None

    await _delete(writer, PACKAGES, package, now, use)


async def _delete(
    writer: Writer,
    kind: Kind[Object],
    item: Object,
    now: datetime,
    use: Callable[[Object], Awaitable[str | None]],
) -> None:
    marked = await mark(writer, kind, item, now)
    try:
        await _delete_marked(writer, kind, marked, use)
    except (Refused, ApiError):
        await unmark(writer, kind, marked)
        raise


async def _delete_marked(
    writer: Writer,
    kind: Kind[Object],
    marked: Object,
    use: Callable[[Object], Awaitable[str | None]],
) -> None:
    current: Object | None = marked
    for _ in range(_ATTEMPTS):
        if current is None or await _try(writer, kind, current, use):
            return
        current = await _as_marked(writer, kind, marked)
    raise Refused(f"the {kind.name} is being modified")


async def _try(
    writer: Writer,
    kind: Kind[Object],
    item: Object,
    use: Callable[[Object], Awaitable[str | None]],
) -> bool:
    refusal = await use(item)
    if refusal is not None:
        raise Refused(refusal)
    try:
        await writer.delete(kind, item)
    except Conflict:
        return False
    return True


async def _as_marked(writer: Writer, kind: Kind[Object], marked: Object) -> Object | None:
    """Return the object as it is now if only its counts have changed; None if it is deleted."""
    found = await writer.read(kind, marked.metadata.name)
    if found.metadata.uid == marked.metadata.uid:
        if found.metadata.terminating:
            return None  # by us, if the answer was lost
        same_mark = found.metadata.annotations == marked.metadata.annotations
        if same_mark and found.metadata.generation == marked.metadata.generation:
            return found
    raise Refused(f"the {kind.name} was modified or deleted at the same time")


def _has(group: DeviceGroup, package: Package) -> bool:
    return (
        package.metadata.name in group.spec.packages
        and group.spec.application == package.spec.application
        and not group.metadata.terminating
    )
