"""Leaving a device in one group alone, against a real API server."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from polyfleet.fleet.membership import (
    companion_key,
    is_member,
    joining_value,
    label_key,
    leaving_value,
    member_value,
)
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import DEVICES, GROUPS
from polyfleet.kube.deletion_mark import mark
from polyfleet.kube.errors import NotFound, Unavailable
from polyfleet.kube.groups import ensure_group
from polyfleet.kube.membership import MembershipConflict, change_members
from polyfleet.kube.membership_move import move_to_group
from tests.kube.transactions.side import NOW, Side


async def move(side: Side, group: DeviceGroup, device: Device) -> bool:
    return await move_to_group(side.writer, side.cache, group, device, NOW)


async def homes(side: Side, device: Device, groups: Sequence[DeviceGroup]) -> list[int]:
    """Return which of the groups, by position, the device is in now."""
    fresh = await side.device(device)
    return [n for n, group in enumerate(groups) if is_member(fresh, await side.group(group))]


async def entered(side: Side, group: DeviceGroup, *, committed: bool) -> DeviceGroup:
    change = {"id": "c1", "deadline": "2026-03-01T12:01:00.000000Z", "committed": committed}
    return await side.writer.patch(
        GROUPS, group, {"status": {"changes": [change]}}, subresource="status"
    )


async def labelled(side: Side, device: Device, group: DeviceGroup, value: str) -> Device:
    labels = {label_key(group.metadata.name): value}
    return await side.writer.patch(DEVICES, device, {"metadata": {"labels": labels}})


async def test_a_device_of_no_group_joins(facade: Side) -> None:
    device, group = await facade.make_device(), await facade.make_group()
    assert await move(facade, group, device)
    assert await homes(facade, device, [group]) == [0]


async def test_a_device_leaves_all_other_groups_in_the_same_write(facade: Side) -> None:
    device = await facade.make_device()
    groups = [await facade.make_group(device) for _ in range(1)]
    groups.append(await facade.make_group(await facade.device(device), priority=3))
    groups.append(await facade.make_group())
    before = await facade.device(device)
    assert await move(facade, groups[2], before)
    after = await facade.device(device)
    assert await homes(facade, device, groups) == [2]
    assert after.metadata.generation == before.metadata.generation
    assert after.metadata.labels.keys() == {label_key(groups[2].metadata.name)}


async def test_who_is_there_alone_is_not_written_again(facade: Side) -> None:
    device = await facade.make_device()
    group = await facade.make_group(device)
    before = await facade.device(device)
    assert not await move(facade, group, before)
    assert (await facade.device(device)).metadata.resource_version == (
        before.metadata.resource_version
    )


async def test_a_move_is_not_skipped_for_what_an_old_cache_says(
    facade: Side, other_facade: Side
) -> None:
    device = await facade.make_device()
    home = await facade.make_group(device)
    away = await facade.make_group()
    stale = await facade.device(device)
    await other_facade.hear_of(GROUPS, home, away)
    assert await move(other_facade, away, stale)
    assert await move(facade, home, stale)
    assert await homes(facade, device, [home, away]) == [0]


async def test_two_who_move_a_device_at_once_leave_it_in_one_group(
    facade: Side, other_facade: Side
) -> None:
    device = await facade.make_device()
    groups = [await facade.make_group() for _ in range(6)]
    await other_facade.hear_of(GROUPS, *groups)
    await asyncio.gather(
        *(
            move(side, group, device)
            for side, group in zip((facade, other_facade) * 3, groups, strict=True)
        )
    )
    assert len(await homes(facade, device, groups)) == 1
    assert len((await facade.device(device)).metadata.labels) == 1


async def test_a_move_and_a_change_of_many_never_leave_two_groups_of_one_priority(
    facade: Side, other_facade: Side
) -> None:
    devices = [await facade.make_device() for _ in range(3)]
    one, two = await facade.make_group(), await facade.make_group()
    await other_facade.hear_of(GROUPS, one, two)
    await asyncio.gather(
        change_members(other_facade.writer, other_facade.cache, two, devices, [], NOW),
        move(facade, one, devices[1]),
        return_exceptions=True,
    )
    assert len(await homes(facade, devices[1], [one, two])) == 1


async def test_a_device_that_an_open_change_holds_is_not_moved(facade: Side) -> None:
    device, home = await facade.make_device(), await facade.make_group()
    away = await entered(facade, await facade.make_group(), committed=False)
    device = await labelled(facade, device, away, joining_value("c1", away, 1))
    with pytest.raises(MembershipConflict, match="being moved by another change"):
        await move(facade, home, device)


async def test_the_mark_of_a_committed_change_counts_as_its_outcome(facade: Side) -> None:
    device = await facade.make_device()
    away = await entered(facade, await facade.make_group(), committed=True)
    device = await labelled(facade, device, away, joining_value("c1", away, 1))
    home = await facade.make_group()
    assert await homes(facade, device, [home, away]) == [1]
    assert await move(facade, home, device)
    assert await homes(facade, device, [home, away]) == [0]


async def test_who_was_about_to_leave_by_a_change_given_up_stays_as_a_plain_member(
    facade: Side,
) -> None:
    device = await facade.make_device()
    home = await facade.make_group(device)
    device = await facade.device(device)
    own = device.metadata.labels[label_key(home.metadata.name)]
    device = await labelled(facade, device, home, leaving_value("gone", own))
    assert await move(facade, home, device)
    labels = (await facade.device(device)).metadata.labels
    assert labels == {label_key(home.metadata.name): own}


async def test_a_selector_that_counts_before_the_group_refuses_the_move(facade: Side) -> None:
    device = await facade.make_device(labels={"ring": "early"})
    selecting = await facade.make_group(selector={"matchLabels": {"ring": "early"}}, priority=1)
    group = await facade.make_group()
    with pytest.raises(MembershipConflict, match="by the group's selector"):
        await move(facade, group, device)
    assert await homes(facade, device, [selecting, group]) == [0]


async def test_a_selector_that_counts_after_the_group_does_not(facade: Side) -> None:
    device = await facade.make_device(labels={"ring": "late"})
    await facade.make_group(selector={"matchLabels": {"ring": "late"}}, priority=99)
    group = await facade.make_group()
    assert await move(facade, group, device)


async def test_a_device_of_another_application_is_not_moved(facade: Side) -> None:
    device, group = await facade.make_device(), await facade.make_group(application="other")
    with pytest.raises(MembershipConflict, match="another application"):
        await move(facade, group, device)


async def test_a_device_that_is_gone_is_told_as_such(facade: Side) -> None:
    device, group = await facade.make_device(), await facade.make_group()
    await facade.client.delete(DEVICES, device.metadata.name)
    with pytest.raises(NotFound):
        await move(facade, group, device)


async def test_a_write_whose_answer_is_lost_is_found_done(
    facade: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, home = await facade.make_device(), await facade.make_group()
    patch, lost = facade.writer.patch, 0

    async def forgetful(*arguments: Any, **options: Any) -> Any:
        nonlocal lost
        answer = await patch(*arguments, **options)
        if not lost:
            lost += 1
            raise Unavailable(504, "Timeout", "no answer", sent=True)
        return answer

    monkeypatch.setattr(facade.writer, "patch", forgetful)
    await move(facade, home, device)
    assert lost == 1
    assert await homes(facade, device, [home]) == [0]


async def test_a_label_that_somebody_set_by_hand_goes_with_its_companion(facade: Side) -> None:
    device, home = await facade.make_device(), await facade.make_group()
    away, wish = await facade.make_group(), await facade.make_group()
    labels = {
        label_key(away.metadata.name): "true",
        companion_key(away.metadata.name): member_value(away, 1),
        label_key(wish.metadata.name): "true",
    }
    device = await facade.writer.patch(DEVICES, device, {"metadata": {"labels": labels}})
    assert await move(facade, home, device)
    assert (await facade.device(device)).metadata.labels.keys() == {label_key(home.metadata.name)}


async def test_the_value_that_somebody_set_by_hand_for_the_group_stays(facade: Side) -> None:
    device, home = await facade.make_device(), await facade.make_group()
    device = await labelled(facade, device, home, "true")
    assert await move(facade, home, device)
    assert await homes(facade, device, [home]) == [0]
    labels = (await facade.device(device)).metadata.labels
    assert labels[label_key(home.metadata.name)] == "true"


async def test_a_device_is_put_back_from_a_group_that_is_being_deleted(
    facade: Side, other_facade: Side
) -> None:
    device, home = await facade.make_device(), await facade.make_group()
    away = await facade.make_group()
    await move(facade, home, device)
    before = await facade.device(device)
    await other_facade.hear_of(GROUPS, away)
    await mark(other_facade.writer, GROUPS, away, NOW)
    with pytest.raises(MembershipConflict, match="being deleted"):
        await move(facade, away, before)
    assert (await facade.device(device)).metadata.labels == before.metadata.labels


async def test_a_group_is_made_once_however_many_ask(facade: Side, other_facade: Side) -> None:
    made = await asyncio.gather(
        *(
            ensure_group(
                side.writer,
                side.cache,
                side.serials,
                application="default",
                name="Ring 1",
                now=NOW,
            )
            for side in (facade, other_facade) * 3
        )
    )
    assert len({group.metadata.uid for group in made}) == 1
    assert made[0].spec.name == "Ring 1"
    assert made[0].metadata.serial is not None


async def test_a_group_that_kubectl_named_otherwise_is_found_by_its_own_name(facade: Side) -> None:
    made = await facade.make_group(name="canary")
    found = await ensure_group(
        facade.writer,
        facade.cache,
        facade.serials,
        application="default",
        name="canary",
        now=NOW,
    )
    assert found.metadata.uid == made.metadata.uid
