"""Changing the members of a group in which devices are by somebody's own label."""

from datetime import timedelta

from polyfleet.fleet.membership import companion_key, is_member, label_key, marks_of, member_value
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.kube.membership import change_members, tidy
from tests.kube.transactions.side import NOW, Side


async def labelled(side: Side, group: DeviceGroup, *, adopted: bool = True) -> Device:
    """Make a device with a label of the group that is not ours."""
    name = group.metadata.name
    labels = {label_key(name): "true"}
    if adopted:
        labels[companion_key(name)] = member_value(group, 1)
    return await side.make_device(labels=labels)


async def group_labels(side: Side, device: Device, group: DeviceGroup) -> dict[str, str]:
    keys = {label_key(group.metadata.name), companion_key(group.metadata.name)}
    labels = (await side.device(device)).metadata.labels
    return {key: value for key, value in labels.items() if key in keys}


async def test_one_device_leaves_by_losing_both_labels(facade: Side) -> None:
    group = await facade.make_group()
    device = await labelled(facade, group)

    await change_members(facade.writer, facade.cache, group, [], [device], NOW)

    assert await group_labels(facade, device, group) == {}


async def test_one_device_joins_and_keeps_the_value_of_its_label(facade: Side) -> None:
    group = await facade.make_group()
    device = await labelled(facade, group, adopted=False)

    await change_members(facade.writer, facade.cache, group, [device], [], NOW)

    labels = await group_labels(facade, device, group)
    assert labels[label_key(group.metadata.name)] == "true"
    assert is_member(await facade.device(device), group)


async def test_many_join_and_leave_by_marks_beside_the_label(facade: Side, operator: Side) -> None:
    group = await facade.make_group()
    leaves = await labelled(facade, group)
    joins = await labelled(facade, group, adopted=False)

    await change_members(facade.writer, facade.cache, group, [joins], [leaves], NOW)

    committed = await facade.group(group)
    assert is_member(await facade.device(joins), committed)
    assert not is_member(await facade.device(leaves), committed)
    assert (await group_labels(facade, leaves, group))[label_key(group.metadata.name)] == "true"
    await operator.hear_of(DEVICES, leaves, joins)
    later = NOW + timedelta(seconds=1)
    await tidy(operator.writer, operator.cache, await operator.group(group), later)
    assert await group_labels(facade, leaves, group) == {}
    assert (await group_labels(facade, joins, group))[label_key(group.metadata.name)] == "true"
    assert marks_of(await facade.device(joins)) == {}
