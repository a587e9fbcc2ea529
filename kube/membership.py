"""Changing who is in a group: all devices or none, whoever dies on the way.

The device is the lock. One device is one checked PATCH. Many: the change is entered in the
group's status, each device is marked by a checked PATCH, and one checked write commits the entry;
from then on the marks count. Until then, and if it never comes, they do not. Tidying turns marks
into plain labels afterwards, or takes them back.

Others may delete the group or change priorities meanwhile. They write first and then look at the
devices; so here the devices are written first, and then groups are read anew: before the commit,
or after the label of a single device, which is then taken back. Who dies before taking it back
has told nobody of success: the label of a deleted group does not count, and of two groups of equal
priority the one with the lower serial is active, of which the operator tells.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog

from polyfleet.fleet.instants import microseconds, timestamp
from polyfleet.fleet.membership import (
    is_committed,
    is_labelled_member,
    joining_value,
    leaving_labels,
    leaving_value,
    marks_of,
    member_value,
    own_value,
    settled_value,
    value_labels,
)
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup, MembershipChange
from polyfleet.fleet.objects.kinds import DEVICES, GROUPS
from polyfleet.kube.cache import Cache
from polyfleet.kube.deletion_mark import usable
from polyfleet.kube.errors import ApiError, Conflict, NotFound, TooManyRequests, Unavailable
from polyfleet.kube.membership_rules import Rules, title
from polyfleet.kube.membership_tidy import abort_expired, change_patch, settle, tidy
from polyfleet.kube.parallel import for_each
from polyfleet.kube.refusal import Refused
from polyfleet.kube.writer import Writer

__all__ = ["MembershipConflict", "abort_expired", "change_members", "tidy"]

MAX_OPEN_CHANGES = 64
MAX_CHANGES = 120
# A write may be tried for ten seconds, and even a busy server marks a hundred devices a second.
DEADLINE = timedelta(seconds=15)
DEADLINE_PER_DEVICE = timedelta(milliseconds=10)

_ATTEMPTS = 8
_STATUS_ATTEMPTS = 32
_RETRY_AFTER = 15.0

_log = structlog.get_logger(__name__)


class MembershipConflict(Refused):
    """The change of members was refused."""


_Labels = dict[str, str | None]


class _Move(NamedTuple):
    device: Device
    joins: bool


async def change_members(  # noqa: PLR0917  what is done, to whom, when: as the dialects say it
    writer: Writer,
    cache: Cache,
    group: DeviceGroup,
    add: Sequence[Device],
    remove: Sequence[Device],
    now: datetime,
) -> None:
    """Add and remove members of a group, all or nothing; additions count before removals.

    Once this returns, the change survives the death of any process. Raises MembershipConflict if
    a device to add is in this group or another of its priority, or is listed twice, or a device
    to remove is not a member by label; TooManyRequests if too many changes are under way; and
    ApiError. After Unavailable the change may have been made or not, but never by halves.
    """
    group = await _open_to(writer, group, add, now)
    _refuse_repeats(add, "added")
    _refuse_repeats(remove, "removed")
    leaving = {device.metadata.name for device in remove}
    both = {device.metadata.name for device in add} & leaving
    change = _Change(writer, cache, group, now)
    # Who joins and leaves at once is, in the end, where it was: nothing is written.
    passing = [_Move(device, joins=True) for device in add if device.metadata.name in both]
    await for_each(passing, change.look_anew)
    asked = [_Move(device, joins=True) for device in add]
    asked += [_Move(device, joins=False) for device in remove]
    moves: list[_Move] = []
    await for_each(
        (move for move in asked if move.device.metadata.name not in both),
        lambda move: change.look(move, moves),
    )
    if len(moves) == 1:
        await change.move_one(moves[0])
    elif moves:
        await change.move_all(moves)


class _Change:
    """One change of a group's members."""

    def __init__(self, writer: Writer, cache: Cache, group: DeviceGroup, now: datetime) -> None:
        self._writer = writer
        self._group = group
        self._now = now
        self._id = secrets.token_hex(6)
        self._name = group.metadata.name
        self._cache = cache
        self._rules = Rules(writer, cache, group, self._id, now)
        self._joining: list[Device] = []

    async def look(self, move: _Move, allowed: list[_Move]) -> None:
        """Put the move among the allowed; raise MembershipConflict if it is against the rules.

        It is not refused from the cache alone, which may not have heard of the latest.
        """
        if await self._rules.refusal(move.device, joins=move.joins) is not None:
            move = await self.look_anew(move)
        allowed.append(move)

    async def look_anew(self, move: _Move) -> _Move:
        """Return the move with the device as it is now; raise as `look` does."""
        fresh = await self._read(move.device)
        await self._check(fresh, move)
        return _Move(fresh, move.joins)

    async def move_one(self, move: _Move) -> None:
        """Let one device join or leave, in one write; who may not be in is taken out again."""
        if not move.joins:
            await self._label(move, lambda _: None)
            return
        value = member_value(self._group, microseconds(self._now))
        written, before = await self._label(move, lambda _: value)
        try:
            await self._look_back(written)
        except (MembershipConflict, ApiError):
            await self._take_back(written, value, before)
            raise

    async def _look_back(self, written: Device) -> None:
        metadata = self._group.metadata
        group = await usable(self._writer, GROUPS, metadata.name, self._now, uid=metadata.uid)
        if group is None:
            raise _being_deleted(self._group)
        await self._refuse_rivals(group, [written])

    async def _refuse_rivals(self, group: DeviceGroup, written: Sequence[Device]) -> None:
        rules = Rules(self._writer, self._cache, group, self._id, self._now, anew=True)
        refusal = await rules.rivalry(written)
        if refusal is not None:
            raise MembershipConflict(refusal)

    async def _take_back(self, written: Device, value: str, before: _Labels) -> None:
        """Put the labels back to what they were, unless somebody has changed them since."""

        def decide(device: Device) -> Mapping[str, Any] | None:
            if own_value(device.metadata.labels, self._name) != value:
                return None
            return {"metadata": {"labels": before}}

        try:
            await self._writer.update(DEVICES, written.metadata.name, decide)
        except NotFound:
            return

    async def move_all(self, moves: Sequence[_Move]) -> None:
        """Let several devices join or leave, by marks and one commit."""
        await self._enter(moves)
        try:
            await for_each(moves, self._mark)
            await self._refuse_rivals(self._group, self._joining)
            await self._commit(moves)
        except (MembershipConflict, ApiError):
            if not await self._was_committed(moves):
                raise

    async def _enter(self, moves: Sequence[_Move]) -> None:
        deadline = timestamp(self._now + DEADLINE + len(moves) * DEADLINE_PER_DEVICE)
        entry = MembershipChange(id=self._id, deadline=deadline)

        def decide(group: DeviceGroup) -> Mapping[str, Any] | None:
            self._check_group(group, moves)
            changes = group.status.changes
            if any(change.id == self._id for change in changes):
                return None
            opened = sum(not change.committed for change in changes)
            if opened >= MAX_OPEN_CHANGES or len(changes) >= MAX_CHANGES:
                message = "too many changes of this group's members are under way"
                raise TooManyRequests(429, "TooManyChanges", message, retry_after=_RETRY_AFTER)
            return change_patch([*changes, entry])

        try:
            await self._update_group(decide)
        except NotFound:
            raise MembershipConflict(f"group {self._group.spec.name!r} does not exist") from None

    async def _commit(self, moves: Sequence[_Move]) -> None:
        def decide(group: DeviceGroup) -> Mapping[str, Any] | None:
            if is_committed(group, self._id):
                return None
            self._check_group(group, moves)
            entry = next((c for c in group.status.changes if c.id == self._id), None)
            if entry is None:
                raise MembershipConflict("the change took too long and was given up")
            committed = MembershipChange(id=entry.id, deadline=entry.deadline, committed=True)
            return change_patch(
                committed if change is entry else change for change in group.status.changes
            )

        try:
            await self._update_group(decide)
        except NotFound:
            raise MembershipConflict(f"group {self._group.spec.name!r} does not exist") from None

    async def _was_committed(self, moves: Sequence[_Move]) -> bool:
        """Undo the change unless it is committed: its entry first, so that nothing can commit it.

        What cannot be undone now counts for nothing once the deadline has passed.
        """

        def decide(group: DeviceGroup) -> Mapping[str, Any] | None:
            left = [change for change in group.status.changes if change.id != self._id]
            if is_committed(group, self._id) or len(left) == len(group.status.changes):
                return None
            return change_patch(left)

        async def restore(move: _Move) -> None:
            name = move.device.metadata.name
            await settle(self._writer, name, self._group, self._id, committed=False)

        try:
            if is_committed(await self._update_group(decide), self._id):
                return True
            await for_each(moves, restore)
        except NotFound:
            pass  # with a group all its labels go
        except ApiError as error:
            _log.warning("membership marks left", group=self._group.metadata.name, error=str(error))
        return False

    async def _update_group(
        self, decide: Callable[[DeviceGroup], Mapping[str, Any] | None]
    ) -> DeviceGroup:
        name = self._group.metadata.name
        return await self._writer.update(
            GROUPS, name, decide, subresource="status", attempts=_STATUS_ATTEMPTS
        )

    def _check_group(self, group: DeviceGroup, moves: Sequence[_Move]) -> None:
        if group.metadata.terminating or group.metadata.uid != self._group.metadata.uid:
            raise _being_deleted(group)
        if not any(move.joins for move in moves):
            return
        if group.metadata.annotations.deleting is not None:
            raise _being_deleted(group)
        if group.spec.priority != self._group.spec.priority:
            raise MembershipConflict(f"group {group.spec.name!r} has got another priority")

    async def _mark(self, move: _Move) -> None:
        def mark(device: Device) -> str:
            if move.joins:
                return joining_value(self._id, self._group, microseconds(self._now))
            return leaving_value(self._id, self._member_value(device))

        written, _ = await self._label(move, mark)
        if move.joins:
            self._joining.append(written)

    def _member_value(self, device: Device) -> str:
        value = own_value(device.metadata.labels, self._name) or ""
        mark = marks_of(device).get(self._name)
        if mark is None:
            return value
        # A member that bears the mark of an ended change has joined by it, or has stayed.
        return settled_value(value, committed=mark.state == "joining") or value

    async def _label(
        self, move: _Move, value_for: Callable[[Device], str | None]
    ) -> tuple[Device, _Labels]:
        """Set or take away the group's label, by writes that are refused if the device changed.

        Returns the device as written, and the values before of the labels that were.
        """
        device = move.device
        before: _Labels = {}
        answer_lost = False
        for attempt in range(_ATTEMPTS):
            if answer_lost and self._is_done(device, move):
                return device, before
            await self._check(device, move)
            labels, value = device.metadata.labels, value_for(device)
            changes = (
                leaving_labels(labels, self._name)
                if value is None
                else value_labels(labels, self._name, value)
            )
            before = {key: labels.get(key) for key in changes}
            patch = {"metadata": {"labels": changes}}
            try:
                return await self._writer.patch(DEVICES, device, patch), before
            except Conflict:
                pass
            except NotFound:
                raise MembershipConflict(f"{title(device)} does not exist") from None
            except Unavailable:
                if attempt == _ATTEMPTS - 1:
                    raise
                answer_lost = True
            device = await self._read(device)
        raise MembershipConflict(f"{title(device)} is being changed by others")

    async def _check(self, device: Device, move: _Move) -> None:
        refusal = await self._rules.refusal(device, joins=move.joins)
        if refusal is not None:
            raise MembershipConflict(refusal)

    def _is_done(self, device: Device, move: _Move) -> bool:
        mark = marks_of(device).get(self._group.metadata.name)
        if mark is not None:
            return mark.change == self._id
        return is_labelled_member(device, self._group) == move.joins

    async def _read(self, device: Device) -> Device:
        try:
            fresh = await self._writer.read(DEVICES, device.metadata.name)
        except NotFound:
            fresh = None
        if fresh is None or fresh.metadata.uid != device.metadata.uid:
            raise MembershipConflict(f"{title(device)} does not exist")
        return fresh


async def _open_to(
    writer: Writer, group: DeviceGroup, add: Sequence[Device], now: datetime
) -> DeviceGroup:
    """Return the group, without the mark of a deleter who died; raise if it is being deleted."""
    found: DeviceGroup | None = group
    if add and group.metadata.annotations.deleting is not None:
        found = await usable(writer, GROUPS, group.metadata.name, now, uid=group.metadata.uid)
    if found is None or found.metadata.terminating:
        raise _being_deleted(group)
    return found


def _being_deleted(group: DeviceGroup) -> MembershipConflict:
    return MembershipConflict(f"group {group.spec.name!r} is being deleted")


def _refuse_repeats(devices: Sequence[Device], verb: str) -> None:
    seen = set()
    for device in devices:
        if device.metadata.name in seen:
            raise MembershipConflict(f"{title(device)} is to be {verb} twice")
        seen.add(device.metadata.name)
