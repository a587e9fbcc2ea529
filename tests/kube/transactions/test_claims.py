"""Two that want one name, and a claim of it that was left over."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from polyfleet.fleet.claims import YOUNG, ClaimedName, is_needed
from polyfleet.fleet.instants import parse
from polyfleet.fleet.objects.claim import Claim, ClaimHolder
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import CLAIMS, DEVICES
from polyfleet.kube import claims
from polyfleet.kube.errors import Conflict, NotFound
from polyfleet.kube.tasks import cancel_and_wait
from polyfleet.kube.writer import Writer
from tests.kube.transactions.side import SECONDS, Side

NAME = ClaimedName("Alias", "x", "default")


def holder_of(device: Device) -> ClaimHolder:
    return ClaimHolder(kind=DEVICES.name, name=device.metadata.name, uid=device.metadata.uid)


async def left_over(side: Side, device: Device) -> datetime:
    """Leave the device a claim of a name that it does not have; return a time much later."""
    await claims.take(side.writer, [NAME], holder_of(device), datetime.now(UTC))
    return datetime.now(UTC) + 2 * YOUNG


async def claim(side: Side) -> Claim | None:
    try:
        return await side.client.get(CLAIMS, NAME.object_name)
    except NotFound:
        return None


async def test_a_claim_that_is_left_over_is_anybodys(facade: Side) -> None:
    d, e = [await facade.make_device() for _ in range(2)]
    later = await left_over(facade, d)

    [taken] = await claims.take(facade.writer, [NAME], holder_of(e), later)

    assert taken.spec.holder.name == e.metadata.name


class PausingWriter(Writer):
    """A writer that waits before a deletion, and for good after one that is refused."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.reached, self.goes_on = asyncio.Event(), asyncio.Event()
        self.refused = asyncio.Event()

    async def delete(self, *arguments: Any, **options: Any) -> None:
        self.reached.set()
        await self.goes_on.wait()
        try:
            await super().delete(*arguments, **options)
        except Conflict:
            self.refused.set()
            await asyncio.Event().wait()


async def test_a_name_that_its_holder_takes_again_is_not_taken_from_it(
    facade: Side, other_facade: Side
) -> None:
    d, e = [await facade.make_device() for _ in range(2)]
    later = await left_over(facade, d)
    pausing = PausingWriter(other_facade.client, other_facade.cache)
    other = asyncio.create_task(claims.take(pausing, [NAME], holder_of(e), later))
    refused = asyncio.create_task(pausing.refused.wait())
    async with asyncio.timeout(SECONDS):
        await pausing.reached.wait()  # the other one has found that nobody needs the claim
        assert await claims.take(facade.writer, [NAME], holder_of(d), later) == []
        pausing.goes_on.set()
        await asyncio.wait({other, refused}, return_when="FIRST_COMPLETED")
    await cancel_and_wait(other, refused)

    found = await claim(facade)
    assert found is not None
    assert found.spec.holder.name == d.metadata.name
    with pytest.raises(Conflict):
        await claims.take(other_facade.writer, [NAME], holder_of(e), datetime.now(UTC))


async def test_a_claim_that_is_taken_again_is_as_young_as_a_new_one(facade: Side) -> None:
    d = await facade.make_device()
    await left_over(facade, d)
    async with asyncio.timeout(SECONDS):
        while True:  # the API server tells time in whole seconds
            await claims.take(facade.writer, [NAME], holder_of(d), datetime.now(UTC))
            found = await claim(facade)
            assert found is not None
            if found.metadata.changed_at > found.metadata.creation_timestamp:
                break
            await asyncio.sleep(0.1)
    assert is_needed(found, None, parse(found.metadata.creation_timestamp) + YOUNG)


async def test_a_name_that_is_taken_again_while_it_is_given_up_stays(facade: Side) -> None:
    d = await facade.make_device()
    await left_over(facade, d)
    given_up = await claims.held(facade.writer, [NAME], holder_of(d))
    assert [held.metadata.name for held in given_up] == [NAME.object_name]

    await claims.take(facade.writer, [NAME], holder_of(d), datetime.now(UTC))
    await claims.release(facade.writer, given_up)

    assert await claim(facade) is not None


async def test_what_is_given_up_is_free(facade: Side) -> None:
    d, e = [await facade.make_device() for _ in range(2)]
    now = datetime.now(UTC)
    await claims.take(facade.writer, [NAME], holder_of(d), now)
    assert await claims.held(facade.writer, [NAME], holder_of(e)) == []

    await claims.release(facade.writer, await claims.held(facade.writer, [NAME], holder_of(d)))

    [taken] = await claims.take(facade.writer, [NAME], holder_of(e), now)
    assert taken.spec.holder.name == e.metadata.name
