"""Changing who is in a group, against a real API server."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from polyfleet.fleet.membership import (
    is_member,
    joining_value,
    label_key,
    leaving_value,
    marks_of,
    parse_value,
)
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import DEVICES, GROUPS, Kind, Object
from polyfleet.kube.errors import TooManyRequests, Unavailable
from polyfleet.kube.membership import (
    MAX_OPEN_CHANGES,
    MembershipConflict,
    abort_expired,
    change_members,
    tidy,
)
from polyfleet.kube.writer import Writer
from tests.kube.transactions.side import NOW, Side

LATER = NOW + timedelta(hours=1)


async def change(
    side: Side, group: DeviceGroup, add: Sequence[Device], remove: Sequence[Device] = ()
) -> None:
    await change_members(side.writer, side.cache, group, add, remove, NOW)


async def members(side: Side, group: DeviceGroup, *devices: Device) -> list[bool]:
    fresh = await side.group(group)
    return [is_member(await side.device(device), fresh) for device in devices]


async def assert_nothing_is_left(side: Side, group: DeviceGroup, *devices: Device) -> None:
    assert (await side.group(group)).status.changes == ()
    for device in devices:
        assert marks_of(await side.device(device)) == {}


async def test_one_device_joins_by_one_write_to_the_device(facade: Side) -> None:
    device, group = await facade.make_device(), await facade.make_group()

    await change(facade, group, [device])

    labelled = await facade.device(device)
    value = parse_value(labelled.metadata.labels[label_key(group.metadata.name)])
    assert value is not None
    assert (value.state, value.joined_at) == ("member", 1772366400000000)
    assert (await facade.group(group)).metadata.resource_version == group.metadata.resource_version


async def test_one_device_leaves_by_losing_its_label(facade: Side) -> None:
    device = await facade.make_device()
    group = await facade.make_group(device)

    await change(facade, group, [], [device])

    assert label_key(group.metadata.name) not in (await facade.device(device)).metadata.labels


async def test_many_join_and_leave_and_readers_see_it_at_once(facade: Side) -> None:
    stays, leaves, joins, follows = [await facade.make_device() for _ in range(4)]
    group = await facade.make_group(stays, leaves)

    await change(facade, group, [joins, follows], [leaves])

    cached = facade.cache.groups.get(group.metadata.name)
    assert cached is not None
    seen = [facade.cache.devices.get(d.metadata.name) for d in (stays, leaves, joins, follows)]
    assert [device is not None and is_member(device, cached) for device in seen] == [
        True,
        False,
        True,
        True,
    ]


async def test_marks_become_plain_labels(facade: Side, operator: Side) -> None:
    leaves, joins = await facade.make_device(), await facade.make_device()
    group = await facade.make_group(leaves)
    await change(facade, group, [joins], [leaves])
    await operator.hear_of(DEVICES, leaves, joins)

    await tidy(operator.writer, operator.cache, await operator.group(group), NOW)

    key = label_key(group.metadata.name)
    assert key not in (await facade.device(leaves)).metadata.labels
    value = parse_value((await facade.device(joins)).metadata.labels[key])
    assert value is not None
    assert value.state == "member"


async def test_a_committed_change_stays_readable_for_a_minute_after_its_last_mark(
    facade: Side,
) -> None:
    devices = [await facade.make_device() for _ in range(2)]
    group = await facade.make_group()
    await change(facade, group, devices)

    async def left_at(seconds: float) -> int:
        moment = NOW + timedelta(seconds=seconds)
        await tidy(facade.writer, facade.cache, await facade.group(group), moment)
        return len((await facade.group(group)).status.changes)

    assert [await left_at(10), await left_at(69), await left_at(71)] == [1, 1, 0]


async def test_tidying_says_when_to_come_again(facade: Side) -> None:
    devices = [await facade.make_device() for _ in range(2)]
    group = await facade.make_group()
    await change(facade, group, devices)

    fresh = await facade.group(group)
    assert await tidy(facade.writer, facade.cache, fresh, NOW) == 60
    assert await tidy(facade.writer, facade.cache, await facade.group(group), LATER) is None
    await assert_nothing_is_left(facade, group, *devices)


@pytest.mark.parametrize("priority", [25, 7])
async def test_a_device_in_a_group_of_the_same_priority_stops_all(
    facade: Side, priority: int
) -> None:
    free, taken, last = [await facade.make_device() for _ in range(3)]
    await facade.make_group(taken, priority=priority)
    group = await facade.make_group(priority=priority)

    with pytest.raises(MembershipConflict, match=rf"{taken.spec.device_id}.* is already in group"):
        await change(facade, group, [free, taken, last])

    assert await members(facade, group, free, taken, last) == [False] * 3
    await assert_nothing_is_left(facade, group, free, taken, last)


async def test_a_device_may_be_in_groups_of_different_priority(facade: Side) -> None:
    device = await facade.make_device()
    first = await facade.make_group(device, priority=1)
    second = await facade.make_group(priority=2)

    await change(facade, second, [device])

    assert await members(facade, first, device) == [True]
    assert await members(facade, second, device) == [True]


async def test_a_member_cannot_be_added_again(facade: Side) -> None:
    device = await facade.make_device()
    group = await facade.make_group(device)

    with pytest.raises(MembershipConflict, match="is already in group"):
        await change(facade, group, [device])


async def test_who_is_no_member_cannot_be_removed(facade: Side) -> None:
    member, stranger = await facade.make_device(), await facade.make_device()
    group = await facade.make_group(member)

    with pytest.raises(MembershipConflict, match="is not in group"):
        await change(facade, group, [], [member, stranger])

    assert await members(facade, group, member) == [True]


@pytest.mark.parametrize(("adds", "removes", "verb"), [(2, 0, "added"), (0, 2, "removed")])
async def test_a_device_listed_twice_is_refused(
    facade: Side, adds: int, removes: int, verb: str
) -> None:
    device = await facade.make_device()
    group = await facade.make_group(*[device] * (removes // 2))

    with pytest.raises(MembershipConflict, match=f"to be {verb} twice"):
        await change(facade, group, [device] * adds, [device] * removes)


async def test_a_device_that_joins_and_leaves_at_once_is_where_it_was(facade: Side) -> None:
    device, group = await facade.make_device(), await facade.make_group()

    await change(facade, group, [device], [device])

    assert await members(facade, group, device) == [False]


async def test_a_member_that_is_added_and_removed_at_once_is_refused(facade: Side) -> None:
    device = await facade.make_device()
    group = await facade.make_group(device)

    with pytest.raises(MembershipConflict, match="is already in group"):
        await change(facade, group, [device], [device])


async def test_a_device_of_another_application_cannot_join(facade: Side) -> None:
    device, group = await facade.make_device(), await facade.make_group(application="other")

    with pytest.raises(MembershipConflict, match="belongs to another application"):
        await change(facade, group, [device])


async def test_a_device_that_is_gone_stops_all(facade: Side, other_facade: Side) -> None:
    here, gone = await facade.make_device(), await facade.make_device()
    group = await facade.make_group()
    await other_facade.client.delete(DEVICES, gone.metadata.name)

    with pytest.raises(MembershipConflict, match=f"{gone.spec.device_id}.* does not exist"):
        await change(facade, group, [here, gone])

    assert await members(facade, group, here) == [False]
    await assert_nothing_is_left(facade, group, here)


async def test_members_by_selector_cannot_be_added_or_removed(facade: Side) -> None:
    device = await facade.make_device(labels={"site": "north"})
    group = await facade.make_group(selector={"matchLabels": {"site": "north"}})

    with pytest.raises(MembershipConflict, match="is already in group"):
        await change(facade, group, [device])
    with pytest.raises(MembershipConflict, match="by the group's selector"):
        await change(facade, group, [], [device])


async def test_an_old_copy_of_a_device_does_not_decide(facade: Side, other_facade: Side) -> None:
    old = await facade.make_device()
    other = await facade.make_group()
    await other_facade.hear_of(GROUPS, other)
    await change(other_facade, other, [old])
    group = await facade.make_group()

    with pytest.raises(MembershipConflict, match="is already in group"):
        await change(facade, group, [old])


async def test_a_refusal_does_not_rest_on_an_old_copy(facade: Side, other_facade: Side) -> None:
    device = await facade.make_device()
    group = await facade.make_group(device)
    old = await facade.device(device)
    await other_facade.hear_of(GROUPS, group)
    await other_facade.hear_of(DEVICES, old)
    await change(other_facade, group, [], [old])

    await change(facade, group, [old])

    assert await members(facade, group, device) == [True]


async def open_change(side: Side, group: DeviceGroup, device: Device, id_: str = "c1") -> None:
    entry = {"id": id_, "deadline": "2026-03-01T12:01:00.000000Z"}
    group = await side.writer.patch(
        GROUPS, group, {"status": {"changes": [entry]}}, subresource="status"
    )
    labels = {label_key(group.metadata.name): joining_value(id_, group, 1)}
    await side.writer.patch(DEVICES, device, {"metadata": {"labels": labels}})


async def test_a_device_that_another_change_moves_is_refused(
    facade: Side, other_facade: Side
) -> None:
    moving, free = await facade.make_device(), await facade.make_device()
    rival, group = await facade.make_group(), await facade.make_group()
    await other_facade.hear_of(GROUPS, rival, group)
    await other_facade.hear_of(DEVICES, moving)
    await open_change(other_facade, rival, moving)

    with pytest.raises(MembershipConflict, match="is being moved by another change"):
        await change(facade, group, [free, moving])

    assert await members(facade, group, free) == [False]


async def test_a_change_given_up_holds_nobody(facade: Side, operator: Side) -> None:
    device = await facade.make_device()
    rival, group = await facade.make_group(), await facade.make_group()
    await open_change(facade, rival, device)

    assert await abort_expired(operator.writer, await facade.group(rival), LATER)

    await change(facade, group, [device])
    assert await members(facade, group, device) == [True]


async def test_a_change_is_not_given_up_before_its_deadline(facade: Side) -> None:
    device, group = await facade.make_device(), await facade.make_group()
    await open_change(facade, group, device)

    assert not await abort_expired(facade.writer, await facade.group(group), NOW)
    assert await tidy(facade.writer, facade.cache, await facade.group(group), NOW) == 60
    assert marks_of(await facade.device(device)) != {}


async def test_marks_of_a_change_given_up_are_taken_back(facade: Side) -> None:
    device, group = await facade.make_device(), await facade.make_group()
    await open_change(facade, group, device)

    await abort_expired(facade.writer, await facade.group(group), LATER)
    await tidy(facade.writer, facade.cache, await facade.group(group), LATER)

    assert await members(facade, group, device) == [False]
    await assert_nothing_is_left(facade, group, device)


class GivenUpWriter(Writer):
    """The operator gives the change up between its marks and its commit."""

    def __init__(self, side: Side, group: DeviceGroup) -> None:
        super().__init__(side.client, side.cache)
        self.group = group
        self.marks = 0

    async def patch(
        self, kind: Kind[Object], item: Object, patch: Mapping[str, Any], **options: Any
    ) -> Object:
        changed = await super().patch(kind, item, patch, **options)
        if kind.name == "Device":
            self.marks += 1
            if self.marks == 2:
                await abort_expired(
                    Writer(self.client), await self.read(GROUPS, self.group.metadata.name), LATER
                )
        return changed


async def test_a_change_given_up_before_its_commit_is_refused_and_taken_back(
    facade: Side,
) -> None:
    devices = [await facade.make_device() for _ in range(2)]
    group = await facade.make_group()
    writer = GivenUpWriter(facade, group)

    with pytest.raises(MembershipConflict, match="took too long"):
        await change_members(writer, facade.cache, group, devices, [], NOW)

    assert await members(facade, group, *devices) == [False, False]
    await assert_nothing_is_left(facade, group, *devices)


class DeafWriter(Writer):
    """Every write is carried out, but the answer to each `every`-th one is lost."""

    every = 1
    writes = 0

    async def patch(
        self, kind: Kind[Object], item: Object, patch: Mapping[str, Any], **options: Any
    ) -> Object:
        changed = await super().patch(kind, item, patch, **options)
        self.writes += 1
        if self.writes % self.every == 0:
            raise Unavailable(0, "ConnectionLost", "the answer is lost")
        return changed


@pytest.mark.parametrize("count", [1, 3])
async def test_lost_answers_do_not_lose_the_change(facade: Side, count: int) -> None:
    leaving = await facade.make_device()
    joining = [await facade.make_device() for _ in range(count)]
    group = await facade.make_group(leaving)
    writer = DeafWriter(facade.client, facade.cache)

    await change_members(writer, facade.cache, group, joining, [], NOW)
    await change_members(writer, facade.cache, await facade.group(group), [], [leaving], NOW)

    assert await members(facade, group, leaving, *joining) == [False, *[True] * count]


async def test_too_many_open_changes_are_refused_for_a_while(facade: Side) -> None:
    devices = [await facade.make_device() for _ in range(2)]
    group = await facade.make_group()
    entries = [{"id": f"c{n}", "deadline": "2026-03-01T13:00:00Z"} for n in range(MAX_OPEN_CHANGES)]
    group = await facade.writer.patch(
        GROUPS, group, {"status": {"changes": entries}}, subresource="status"
    )

    with pytest.raises(TooManyRequests):
        await change(facade, group, devices)

    assert await members(facade, group, *devices) == [False, False]


async def test_a_group_whose_priority_changed_meanwhile_takes_nobody_in(facade: Side) -> None:
    devices = [await facade.make_device() for _ in range(2)]
    group = await facade.make_group()
    await facade.writer.patch(GROUPS, group, {"spec": {"priority": 3}})

    with pytest.raises(MembershipConflict, match="another priority"):
        await change(facade, group, devices)


async def test_a_group_that_is_gone_takes_nobody_in(facade: Side) -> None:
    devices = [await facade.make_device() for _ in range(2)]
    group = await facade.make_group()
    await facade.client.delete(GROUPS, group.metadata.name)

    with pytest.raises(MembershipConflict, match="does not exist"):
        await change(facade, group, devices)


async def test_a_change_past_its_deadline_does_not_hold_up_the_next(facade: Side) -> None:
    device = await facade.make_device()
    rival, group = await facade.make_group(), await facade.make_group()
    await open_change(facade, rival, device)

    await change_members(facade.writer, facade.cache, group, [device], [], LATER)

    assert await members(facade, group, device) == [True]
    assert (await facade.group(rival)).status.changes == ()


async def test_a_member_can_leave_though_the_change_before_died(facade: Side) -> None:
    device = await facade.make_device()
    group = await facade.make_group(device)
    value = (await facade.device(device)).metadata.labels[label_key(group.metadata.name)]
    await open_change(facade, group, await facade.device(device))
    labels = {label_key(group.metadata.name): leaving_value("c1", value)}
    await facade.writer.patch(
        DEVICES, await facade.device(device), {"metadata": {"labels": labels}}
    )

    await change_members(facade.writer, facade.cache, group, [], [device], LATER)

    assert await members(facade, group, device) == [False]


async def test_a_device_joins_a_group_whose_priority_changed_without_harm(
    facade: Side, other_facade: Side
) -> None:
    device = await facade.make_device()
    group = await facade.make_group()
    await other_facade.hear_of(GROUPS, group)
    await other_facade.client.patch(GROUPS, group.metadata.name, {"spec": {"priority": 3}})

    await change(facade, group, [device])

    assert await members(facade, group, device) == [True]
