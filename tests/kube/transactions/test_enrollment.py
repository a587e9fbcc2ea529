"""Letting devices in, against a real API server."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from polyfleet.fleet.membership import is_member
from polyfleet.fleet.names import enrollment_name, object_name
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.enrollment import Enrollment
from polyfleet.fleet.objects.kinds import DEVICES, ENROLLMENTS
from polyfleet.fleet.objects.metadata import APPLICATION_LABEL
from polyfleet.kube.enrollment import accept
from polyfleet.kube.errors import Conflict, NotFound
from tests.kube.transactions.side import NOW, Side

DEVICE_TYPE = {"name": "device_type", "value": {"string": "foo"}}


async def ask(side: Side, device_id: str = "00:11", key: str = "key-1") -> Enrollment:
    spec: Mapping[str, Any] = {
        "application": "default",
        "deviceId": device_id,
        "publicKey": key,
        "metadata": [DEVICE_TYPE],
    }
    return await side.writer.create(ENROLLMENTS, enrollment_name("default", device_id, key), spec)


async def let_in(side: Side, enrollment: Enrollment) -> Device:
    return await accept(side.writer, side.cache, side.serials, enrollment, NOW)


async def is_gone(side: Side, enrollment: Enrollment) -> bool:
    try:
        await side.client.get(ENROLLMENTS, enrollment.metadata.name)
    except NotFound:
        return True
    return False


async def devices(side: Side) -> list[Device]:
    return [device async for page in side.client.list_pages(DEVICES) for device in page.items]


async def test_a_new_device_is_labelled_with_what_it_says_of_itself(facade: Side) -> None:
    asked = await ask(facade)

    device = await accept(
        facade.writer,
        facade.cache,
        facade.serials,
        asked,
        NOW,
        attribute_labels=("device_type", "location"),
    )

    mirrored = {key: value for key, value in device.metadata.labels.items() if "attr." in key}
    assert mirrored == {"attr.polyfleet.dev/device_type": "foo"}


async def test_an_accepted_enrollment_becomes_a_device(facade: Side) -> None:
    asked = await ask(facade)

    device = await let_in(facade, asked)

    assert device.metadata.name == object_name("Device", "default", "00:11")
    assert device.metadata.labels[APPLICATION_LABEL] == "default"
    assert device.metadata.serial == 1
    assert device.spec.device_id == "00:11"
    assert device.spec.public_keys == ("key-1",)
    assert b"device_type" in bytes(device.spec.enrolled)
    assert await is_gone(facade, asked)


async def test_a_known_device_gets_the_new_key_and_keeps_the_rest(facade: Side) -> None:
    first = await let_in(facade, await ask(facade))
    group = await facade.make_group(first)
    asked = await ask(facade, key="key-2")

    device = await let_in(facade, asked)

    assert device.metadata.uid == first.metadata.uid
    assert device.metadata.serial == first.metadata.serial
    assert device.spec.created_at == first.spec.created_at
    assert device.spec.public_keys == ("key-2",)
    assert is_member(device, group)
    assert await is_gone(facade, asked)


async def test_a_device_that_kubectl_made_under_another_name_is_the_same_device(
    facade: Side,
) -> None:
    made = await facade.make_device("00:11")

    device = await let_in(facade, await ask(facade))

    assert device.metadata.uid == made.metadata.uid
    assert device.spec.public_keys == ("key-1",)


async def dying(side: Side, enrollment: Enrollment) -> None:
    side.writer.writes_left = 1
    side.writer.victim = asyncio.create_task(let_in(side, enrollment))
    with pytest.raises(asyncio.CancelledError):
        await side.writer.victim


async def test_the_other_side_finishes_what_one_began_before_it_died(
    facade: Side, operator: Side
) -> None:
    asked = await ask(facade)
    await dying(facade, asked)
    (begun,) = await devices(facade)
    assert not await is_gone(facade, asked)

    device = await let_in(operator, asked)

    assert device == await facade.device(begun)
    assert len(await devices(facade)) == 1
    assert await is_gone(facade, asked)


async def test_both_sides_at_once_make_one_device(facade: Side, operator: Side) -> None:
    asked = await ask(facade)

    one, other = await asyncio.gather(let_in(facade, asked), let_in(operator, asked))

    assert one.metadata.uid == other.metadata.uid
    assert len(await devices(facade)) == 1
    assert await is_gone(facade, asked)


async def test_accepting_twice_changes_nothing(facade: Side) -> None:
    asked = await ask(facade)
    device = await let_in(facade, asked)

    again = await let_in(facade, asked)

    assert again.metadata.resource_version == device.metadata.resource_version


async def test_an_enrollment_made_anew_under_the_same_name_stays(facade: Side) -> None:
    first = await ask(facade)
    await facade.client.delete(ENROLLMENTS, first.metadata.name)
    second = await ask(facade)

    await let_in(facade, first)

    assert not await is_gone(facade, second)


async def test_a_device_deleted_unheard_is_made_again(facade: Side, other_facade: Side) -> None:
    first = await let_in(facade, await ask(facade))
    asked = await ask(facade, key="key-2")
    await other_facade.client.delete(DEVICES, first.metadata.name)

    device = await let_in(facade, asked)

    assert device.metadata.uid != first.metadata.uid
    assert device.spec.public_keys == ("key-2",)


async def test_a_device_that_is_being_deleted_lets_nobody_in(facade: Side) -> None:
    device = await facade.make_device("00:11", finalizers=["example.com/held"])
    asked = await ask(facade)
    await facade.client.delete(DEVICES, device.metadata.name)

    with pytest.raises(Conflict, match="being deleted"):
        await let_in(facade, asked)

    assert not await is_gone(facade, asked)
    release = {"metadata": {"finalizers": None}}
    await facade.client.patch(DEVICES, device.metadata.name, release)


async def test_another_device_under_the_object_name_is_left_alone(facade: Side) -> None:
    name = object_name("Device", "default", "00:11")
    spec = {"application": "default", "deviceId": "someone-else"}
    await facade.client.create(DEVICES, {"metadata": {"name": name}, "spec": spec})

    with pytest.raises(Conflict, match="taken by another device"):
        await let_in(facade, await ask(facade))

    assert (await facade.client.get(DEVICES, name)).spec.public_keys == ()
