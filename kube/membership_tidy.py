"""After a change of members: marks become plain labels or go, and the group's entry goes last."""

from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from polyfleet.fleet.instants import parse, timestamp
from polyfleet.fleet.membership import (
    Membership,
    incarnation,
    is_committed,
    leaving_labels,
    marks_of,
    settled_labels,
)
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup, MembershipChange
from polyfleet.fleet.objects.kinds import DEVICES, GROUPS
from polyfleet.kube.cache import Cache
from polyfleet.kube.errors import NotFound
from polyfleet.kube.parallel import for_each
from polyfleet.kube.store import Store
from polyfleet.kube.writer import Writer

# Readers may hear of a group before they hear of its devices: a committed change stays readable
# for so long after its last mark was seen.
KEEP = timedelta(seconds=60)

_MARKS = "membership marks"
_STATUS_ATTEMPTS = 32
_LAG = timedelta(seconds=5)
_RETRY_SECONDS = 5.0


async def tidy(writer: Writer, cache: Cache, group: DeviceGroup, now: datetime) -> float | None:
    """Settle the marks of the group's ended changes, and drop entries that nobody needs any more.

    Call it when a group's status has changes or a device bears a mark of the group. Returns in
    how many seconds to call it again; None if nothing is left to do. Changes that are still open
    are left alone (`abort_expired` ends them). Raises ApiError.
    """
    name = group.metadata.name
    marks = {
        device.metadata.name: marks_of(device)[name]
        for device in marked_devices(cache.devices, name)
    }
    if not marks and not group.status.changes:
        return None
    try:
        # Read after the marks were seen: an entry that is not there now is not on its way either.
        group = await writer.read(GROUPS, name)
    except NotFound:
        return None
    ended = {device: mark for device, mark in marks.items() if not _is_open(group, mark)}

    async def settle_mark(device: str) -> None:
        change = ended[device].change
        await settle(writer, device, group, change, committed=is_committed(group, change))

    await for_each(ended, settle_mark)
    return await _tidy_entries(writer, cache, group, {m.change for m in ended.values()}, now)


def marked_devices(devices: Store[Device], group_name: str) -> Sequence[Device]:
    """Return the devices that bear a mark of the group of that object name."""
    devices.add_index(_MARKS, _marked_groups)
    return devices.find(_MARKS, group_name)


async def abort_expired(writer: Writer, group: DeviceGroup, now: datetime) -> bool:
    """Give up the group's changes that are past their deadline and not committed.

    Returns whether there were any; `tidy` takes their marks back. Raises ApiError.
    """

    def decide(current: DeviceGroup) -> dict[str, Any] | None:
        left = [change for change in current.status.changes if not _is_expired(change, now)]
        return change_patch(left) if len(left) < len(current.status.changes) else None

    if not any(_is_expired(change, now) for change in group.status.changes):
        return False
    try:
        await writer.update(
            GROUPS, group.metadata.name, decide, subresource="status", attempts=_STATUS_ATTEMPTS
        )
    except NotFound:
        return False
    return True


async def settle(
    writer: Writer, device: str, group: DeviceGroup, change: str, *, committed: bool
) -> None:
    """Turn the change's mark on a device, if it still bears it, into what it means now."""
    name = group.metadata.name

    def decide(current: Device) -> dict[str, Any] | None:
        mark = marks_of(current).get(name)
        if mark is None or mark.change != change:
            return None
        labels = current.metadata.labels
        if mark.incarnation == incarnation(group.metadata.uid):
            return {"metadata": {"labels": settled_labels(labels, name, committed=committed)}}
        # It is of a group that had this name before.
        return {"metadata": {"labels": leaving_labels(labels, name)}}

    try:
        await writer.update(DEVICES, device, decide)
    except NotFound:
        return


def change_patch(changes: Iterable[MembershipChange]) -> dict[str, Any]:
    """Return the merge patch that makes these the group's changes."""
    return {"status": {"changes": [_document(change) for change in changes]}}


async def _tidy_entries(
    writer: Writer, cache: Cache, group: DeviceGroup, had_marks: set[str], now: datetime
) -> float | None:
    heard = now - timedelta(seconds=min(cache.devices.seconds_since_progress(), 1e6))

    def decide(current: DeviceGroup) -> dict[str, Any] | None:
        left = [
            _settled(change, now) if change.id in had_marks or not change.settled_at else change
            for change in current.status.changes
            if change.id in had_marks or not _is_over(change, now, heard)
        ]
        return change_patch(left) if tuple(left) != current.status.changes else None

    try:
        updated = await writer.update(
            GROUPS, group.metadata.name, decide, subresource="status", attempts=_STATUS_ATTEMPTS
        )
    except NotFound:
        return None
    waits = [_wait(change, now) for change in updated.status.changes]
    return min(waits, default=None)


def _settled(change: MembershipChange, now: datetime) -> MembershipChange:
    if not change.committed:
        return change
    return MembershipChange(
        id=change.id, deadline=change.deadline, committed=True, settled_at=timestamp(now)
    )


def _is_over(change: MembershipChange, now: datetime, heard: datetime) -> bool:
    """Say whether nobody can see a mark of the change any more.

    Our own sight of the devices counts only if we heard of them since.
    """
    if not change.committed or not change.settled_at:
        return False
    settled_at = parse(change.settled_at)
    return now >= settled_at + KEEP and heard >= settled_at + _LAG


def _wait(change: MembershipChange, now: datetime) -> float:
    until = parse(change.settled_at) + KEEP if change.settled_at else _deadline(change)
    return max((until - now).total_seconds(), _RETRY_SECONDS)


def _is_expired(change: MembershipChange, now: datetime) -> bool:
    return not change.committed and now > _deadline(change)


def _deadline(change: MembershipChange) -> datetime:
    return parse(change.deadline)


def _is_open(group: DeviceGroup, mark: Membership) -> bool:
    if mark.incarnation != incarnation(group.metadata.uid):
        return False
    return any(c.id == mark.change and not c.committed for c in group.status.changes)


def _marked_groups(device: Device) -> Iterable[Hashable]:
    return marks_of(device)


def _document(change: MembershipChange) -> dict[str, Any]:
    document: dict[str, Any] = {"id": change.id, "deadline": change.deadline}
    if change.committed:
        document["committed"] = True
    if change.settled_at:
        document["settledAt"] = change.settled_at
    return document
