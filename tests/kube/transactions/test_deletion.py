"""Deleting what nobody uses, against a real API server."""

from datetime import timedelta

import pytest

from polyfleet.fleet.membership import is_member
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import GROUPS, PACKAGES, Kind, Object
from polyfleet.fleet.objects.metadata import DELETING_ANNOTATION
from polyfleet.kube.deletion import delete_group, delete_package
from polyfleet.kube.deletion_mark import LIFETIME, mark
from polyfleet.kube.errors import NotFound
from polyfleet.kube.group_changes import assign_packages, set_priority
from polyfleet.kube.membership import MembershipConflict, change_members
from polyfleet.kube.refusal import Refused
from polyfleet.kube.writer import Writer
from tests.kube.transactions.side import NOW, Side

TOO_LATE = NOW + LIFETIME + timedelta(seconds=1)


async def test_a_group_that_nobody_uses_goes(facade: Side) -> None:
    group = await facade.make_group()
    await delete_group(facade.writer, group, NOW)
    with pytest.raises(NotFound):
        await facade.group(group)


async def test_a_group_with_a_member_that_the_cache_has_not_heard_of_stays(
    facade: Side, other_facade: Side
) -> None:
    group = await facade.make_group(await other_facade.make_device())
    with pytest.raises(Refused, match="at least one device"):
        await delete_group(facade.writer, group, NOW)
    assert (await facade.group(group)).metadata.annotations.deleting is None


@pytest.mark.parametrize(
    "selector",
    [
        {"matchLabels": {"site": "north"}},
        {"matchExpressions": [{"key": "site", "operator": "In", "values": ["north", "south"]}]},
        {
            "matchLabels": {"site": "north"},
            "matchExpressions": [
                {"key": "old", "operator": "DoesNotExist"},
                {"key": "site", "operator": "Exists"},
                {"key": "site", "operator": "NotIn", "values": ["east"]},
            ],
        },
    ],
)
async def test_a_group_with_a_member_by_selector_stays(
    facade: Side, selector: dict[str, object]
) -> None:
    await facade.make_device(labels={"site": "north"})
    group = await facade.make_group(selector=selector)
    with pytest.raises(Refused, match="at least one device"):
        await delete_group(facade.writer, group, NOW)


async def test_a_package_is_free_once_its_group_is_deleted(
    facade: Side, other_facade: Side
) -> None:
    package = await other_facade.make_package()
    group = await facade.make_group(packages=["absent", package.metadata.name])
    await delete_group(facade.writer, group, NOW)
    await delete_package(other_facade.writer, package, NOW)
    with pytest.raises(NotFound):
        await facade.writer.read(PACKAGES, package.metadata.name)


async def test_a_package_that_a_group_has_stays(facade: Side, other_facade: Side) -> None:
    package = await facade.make_package()
    await other_facade.make_group(packages=[package.metadata.name])
    with pytest.raises(Refused, match="assigned to at least one group"):
        await delete_package(facade.writer, package, NOW)
    kept = await facade.writer.read(PACKAGES, package.metadata.name)
    assert kept.metadata.annotations.deleting is None


@pytest.mark.parametrize("count", [1, 2])
async def test_a_group_whose_deleter_died_takes_devices_in_when_the_mark_is_too_old(
    facade: Side, count: int
) -> None:
    devices = [await facade.make_device() for _ in range(count)]
    group = await facade.make_group()
    await mark(facade.writer, GROUPS, group, NOW)

    with pytest.raises(MembershipConflict, match="is being deleted"):
        await change_members(facade.writer, facade.cache, group, devices, [], NOW)
    marked = await facade.group(group)
    await change_members(facade.writer, facade.cache, marked, devices, [], TOO_LATE)

    fresh = await facade.group(group)
    assert all([is_member(await facade.device(device), fresh) for device in devices])
    assert fresh.metadata.annotations.deleting is None


async def test_a_member_may_leave_a_group_that_is_marked(facade: Side) -> None:
    devices = [await facade.make_device() for _ in range(2)]
    group = await facade.make_group(*devices)
    marked = await mark(facade.writer, GROUPS, group, NOW)

    await change_members(facade.writer, facade.cache, marked, [], devices, NOW)

    fresh = await facade.group(group)
    assert not any([is_member(await facade.device(device), fresh) for device in devices])


async def test_a_package_whose_deleter_died_is_assigned_when_the_mark_is_too_old(
    facade: Side,
) -> None:
    package, group = await facade.make_package(), await facade.make_group()
    await mark(facade.writer, PACKAGES, package, NOW)
    names = [package.metadata.name]

    with pytest.raises(Refused, match="deleted at the same time"):
        await assign_packages(facade.writer, group, names, NOW)
    assert (await facade.group(group)).spec.packages == ()
    await assign_packages(facade.writer, group, names, TOO_LATE)

    assert (await facade.group(group)).spec.packages == tuple(names)


async def test_a_mark_that_is_no_time_holds_nobody(facade: Side) -> None:
    device, group = await facade.make_device(), await facade.make_group()
    note = {"metadata": {"annotations": {DELETING_ANNOTATION: "soon"}}}
    marked = await facade.writer.patch(GROUPS, group, note)

    await change_members(facade.writer, facade.cache, marked, [device], [], NOW)

    assert is_member(await facade.device(device), await facade.group(group))


class SlowDeleter(Writer):
    """Is held up before it deletes, until long after its mark has ended; a device joins."""

    def __init__(self, side: Side, group: DeviceGroup, device: Device) -> None:
        super().__init__(side.client, side.cache)
        self.side = side
        self.group = group
        self.device = device

    async def delete(self, kind: Kind[Object], item: Object, *, checked: bool = True) -> None:
        side = self.side
        await change_members(side.writer, side.cache, self.group, [self.device], [], TOO_LATE)
        await super().delete(kind, item, checked=checked)


async def test_a_deleter_that_was_held_up_does_not_delete(facade: Side) -> None:
    device, group = await facade.make_device(), await facade.make_group()

    with pytest.raises(Refused, match="at the same time"):
        await delete_group(SlowDeleter(facade, group, device), group, NOW)

    assert is_member(await facade.device(device), await facade.group(group))


async def test_counts_that_change_meanwhile_do_not_stop_a_deletion(
    facade: Side, other_facade: Side
) -> None:
    package = await facade.make_package()
    await other_facade.hear_of(PACKAGES, package)

    class Counting(Writer):
        async def delete(self, kind: Kind[Object], item: Object, *, checked: bool = True) -> None:
            if self.client is facade.client and not counted:
                counted.append(True)
                count = {"status": {"assigned": 3}}
                await other_facade.client.patch(
                    PACKAGES, package.metadata.name, count, subresource="status"
                )
            await super().delete(kind, item, checked=checked)

    counted: list[bool] = []
    await delete_package(Counting(facade.client, facade.cache), package, NOW)

    with pytest.raises(NotFound):
        await facade.writer.read(PACKAGES, package.metadata.name)


async def test_many_rivals_do_not_hide_a_member_of_two_groups(facade: Side) -> None:
    device = await facade.make_device()
    rivals = [await facade.make_group(priority=7) for _ in range(18)]
    await change_members(facade.writer, facade.cache, rivals[-1], [device], [], NOW)
    group = await facade.make_group(await facade.device(device), priority=9)

    with pytest.raises(Refused, match="another group of that priority"):
        await set_priority(facade.writer, group, 7, NOW)

    assert (await facade.group(group)).spec.priority == 9


async def test_a_selector_counts_when_a_priority_changes(facade: Side) -> None:
    await facade.make_device(labels={"site": "north", "kind": "a"})
    await facade.make_group(priority=7, selector={"matchLabels": {"site": "north"}})
    group = await facade.make_group(priority=9, selector={"matchLabels": {"kind": "a"}})

    with pytest.raises(Refused, match="another group of that priority"):
        await set_priority(facade.writer, group, 7, NOW)

    assert (await facade.group(group)).spec.priority == 9
