"""Two administrators at once, whatever the order of their requests, and whoever dies."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyfleet.fleet.membership import is_member
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import GROUPS, PACKAGES
from polyfleet.fleet.objects.metadata import FINALIZER
from polyfleet.kube.deletion import delete_group, delete_package
from polyfleet.kube.errors import NotFound
from polyfleet.kube.group_changes import assign_packages, set_priority
from polyfleet.kube.membership import change_members
from tests.kube.transactions.side import NOW, Side
from tests.kube.transactions.turns import Script, Turns, scripts

racing: Callable[..., Callable[..., None]] = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
counts = st.integers(1, 2)


async def join(side: Side, group: DeviceGroup, devices: list[Device]) -> None:
    await change_members(side.writer, side.cache, group, devices, [], NOW)


async def present(side: Side, group: DeviceGroup) -> DeviceGroup | None:
    try:
        found = await side.group(group)
    except NotFound:
        return None
    return None if found.metadata.terminating else found


async def members(side: Side, group: DeviceGroup | None, devices: list[Device]) -> list[bool]:
    return [group is not None and is_member(await side.device(device), group) for device in devices]


@racing
@given(script=scripts, count=counts, held=st.booleans())
async def test_a_group_is_not_deleted_under_a_device_that_joins(
    facade: Side, other_facade: Side, script: Script, count: int, held: bool
) -> None:
    devices = [await facade.make_device() for _ in range(count)]
    group = await facade.make_group()
    if held:
        finalizers = {"metadata": {"finalizers": [FINALIZER]}}
        group = await facade.writer.patch(GROUPS, group, finalizers)
    await other_facade.hear_of(GROUPS, group)

    joined, deleted = await Turns(script).run(
        [facade, other_facade],
        [join(facade, group, devices), delete_group(other_facade.writer, group, NOW)],
    )

    assert (joined, deleted) != ("done", "done")
    found = await present(facade, group)
    are_in = await members(facade, found, devices)
    assert len(set(are_in)) == 1
    if joined != "killed":
        assert are_in == [joined == "done"] * count
    if deleted != "killed":
        assert (found is None) == (deleted == "done")
    if held and found is None:
        released = await facade.group(group)
        await facade.writer.patch(GROUPS, released, {"metadata": {"finalizers": None}})


@racing
@given(script=scripts, count=counts, joined_group_moves=st.booleans())
async def test_no_device_gets_into_two_groups_by_a_change_of_priority(
    facade: Side, other_facade: Side, script: Script, count: int, joined_group_moves: bool
) -> None:
    devices = [await facade.make_device() for _ in range(count)]
    first, second = await facade.make_group(*devices, priority=7), await facade.make_group()
    devices = [await facade.device(device) for device in devices]
    await other_facade.hear_of(GROUPS, first, second)
    moving, wanted = (second, 7) if joined_group_moves else (first, 25)

    joined, moved = await Turns(script).run(
        [facade, other_facade],
        [join(facade, second, devices), set_priority(other_facade.writer, moving, wanted, NOW)],
    )

    assert (joined, moved) != ("done", "done")
    are_in = await members(facade, await facade.group(second), devices)
    assert len(set(are_in)) == 1
    if joined != "killed":
        assert are_in == [joined == "done"] * count
    if moved != "killed":
        priority = (await facade.group(moving)).spec.priority
        assert priority == (wanted if moved == "done" else moving.spec.priority)


@racing
@given(script=scripts)
async def test_two_groups_of_a_device_do_not_get_one_priority(
    facade: Side, other_facade: Side, script: Script
) -> None:
    device = await facade.make_device()
    first = await facade.make_group(device, priority=1)
    second = await facade.make_group(await facade.device(device), priority=2)
    await other_facade.hear_of(GROUPS, first, second)

    outcomes = await Turns(script).run(
        [facade, other_facade],
        [
            set_priority(facade.writer, first, 7, NOW),
            set_priority(other_facade.writer, second, 7, NOW),
        ],
    )

    assert outcomes != ["done", "done"]
    for group, outcome in zip((first, second), outcomes, strict=True):
        if outcome != "killed":
            priority = (await facade.group(group)).spec.priority
            assert priority == (7 if outcome == "done" else group.spec.priority)


@racing
@given(script=scripts)
async def test_a_package_is_not_deleted_under_a_group_that_gets_it(
    facade: Side, other_facade: Side, script: Script
) -> None:
    old, new = await facade.make_package(), await facade.make_package()
    group = await facade.make_group(packages=[old.metadata.name])
    await other_facade.hear_of(GROUPS, group)
    await other_facade.hear_of(PACKAGES, new)
    names = [new.metadata.name, old.metadata.name]

    assigned, deleted = await Turns(script).run(
        [facade, other_facade],
        [
            assign_packages(facade.writer, group, names, NOW),
            delete_package(other_facade.writer, new, NOW),
        ],
    )

    assert (assigned, deleted) != ("done", "done")
    packages = list((await facade.group(group)).spec.packages)
    if assigned != "killed":
        assert packages == (names if assigned == "done" else [old.metadata.name])
    if deleted == "done":
        with pytest.raises(NotFound):
            await facade.writer.read(PACKAGES, new.metadata.name)
    elif deleted == "refused":
        await facade.writer.read(PACKAGES, new.metadata.name)


@racing
@given(script=scripts)
async def test_of_two_deletions_one_goes_through(
    facade: Side, other_facade: Side, script: Script
) -> None:
    group = await facade.make_group()
    await other_facade.hear_of(GROUPS, group)

    outcomes = await Turns(script).run(
        [facade, other_facade],
        [
            delete_group(facade.writer, group, NOW),
            delete_group(other_facade.writer, group, NOW),
        ],
    )

    assert outcomes != ["done", "done"]
    assert (await present(facade, group) is None) or "done" not in outcomes
