"""Last signs of life: at once in memory, in batches on the API server."""

import pytest

from polyfleet.api.core.activity import Activity
from polyfleet.api.startup import DEVICE_SEEN
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import DEVICES
from tests.api.core.conftest import Clock, Namespace

INTERVAL = 300.0
LONGEST = INTERVAL * 1.25 + 1


@pytest.fixture
def activity(fleet: Namespace, clock: Clock) -> Activity[Device]:
    return Activity(
        DEVICE_SEEN,
        fleet.cache.devices,
        fleet.writer,
        clock=clock,
        monotonic=clock.monotonic,
        interval=INTERVAL,
        writes_per_second=100,
    )


def current(fleet: Namespace, device: Device) -> Device:
    found = fleet.cache.devices.by_uid(device.metadata.uid)
    assert found is not None
    return found


async def last_seen(fleet: Namespace, device: Device) -> str | None:
    status = (await fleet.stored(device)).get("status") or {}
    text = status.get("lastSeen")
    return None if text is None else str(text)


async def test_a_sign_of_life_is_known_at_once_and_costs_no_write(
    fleet: Namespace, activity: Activity[Device], clock: Clock
) -> None:
    device = await fleet.device("a")
    assert activity.last_seen(device) is None
    activity.seen(device)
    assert activity.last_seen(device) == clock.now
    assert await last_seen(fleet, device) is None


async def test_the_first_sign_of_life_is_written_with_the_next_batch(
    fleet: Namespace, activity: Activity[Device]
) -> None:
    device = await fleet.device("a")
    activity.seen(device)
    assert await activity.flush(limit=10) == 1
    assert await last_seen(fleet, device) == "2031-05-04T12:00:00Z"


async def test_it_is_written_also_where_the_clock_is_set_back_meanwhile(
    fleet: Namespace, activity: Activity[Device], clock: Clock
) -> None:
    device = await fleet.device("a")
    activity.seen(device)
    clock.set_back(3600)
    assert await activity.flush(limit=10) == 1
    assert await last_seen(fleet, device) == "2031-05-04T12:00:00Z"


async def test_later_ones_are_written_once_in_an_interval(
    fleet: Namespace, activity: Activity[Device], clock: Clock
) -> None:
    device = await fleet.device("a")
    activity.seen(device)
    await activity.flush(limit=10)
    for _ in range(10):
        clock.advance(20)
        activity.seen(current(fleet, device))
        assert await activity.flush(limit=10) == 0
    clock.advance(LONGEST - 200)
    assert await activity.flush(limit=10) == 1
    assert await last_seen(fleet, device) == "2031-05-04T12:03:20Z"
    assert await activity.flush(limit=10) == 0


async def test_a_batch_keeps_to_its_budget_and_the_rest_follows(
    fleet: Namespace, activity: Activity[Device]
) -> None:
    for number in range(5):
        activity.seen(await fleet.device(f"d{number}"))
    written = [await activity.flush(limit=2) for _ in range(4)]
    assert written == [2, 2, 1, 0]


async def test_the_interval_grows_with_the_fleet(fleet: Namespace, clock: Clock) -> None:
    activity = Activity(
        DEVICE_SEEN,
        fleet.cache.devices,
        fleet.writer,
        clock=clock,
        monotonic=clock.monotonic,
        interval=10,
        writes_per_second=0.01,
    )
    devices = [await fleet.device(f"d{number}") for number in range(3)]
    for device in devices:
        activity.seen(device)
    assert await activity.flush(limit=10) == 3
    clock.advance(60)
    for device in devices:
        activity.seen(current(fleet, device))
    assert await activity.flush(limit=10) == 0
    clock.advance(3 / 0.01 * 1.25)
    assert await activity.flush(limit=10) == 3


async def test_what_another_replica_wrote_is_not_written_again(
    fleet: Namespace, activity: Activity[Device], clock: Clock
) -> None:
    device = await fleet.device("a")
    activity.seen(device)
    newer = await fleet.client.patch(
        DEVICES,
        device.metadata.name,
        {"status": {"lastSeen": "2031-05-04T12:00:05Z"}},
        subresource="status",
    )
    fleet.cache.devices.apply(newer)
    assert await activity.flush(limit=10) == 0
    clock.advance(2)
    seen = activity.last_seen(newer)
    assert seen is not None
    assert seen.second == 5


async def test_a_device_that_changed_meanwhile_is_written_as_it_is_then(
    fleet: Namespace, activity: Activity[Device], clock: Clock
) -> None:
    device = await fleet.device("a")
    activity.seen(device)
    changed = await fleet.client.patch(DEVICES, device.metadata.name, {"spec": {"hold": True}})
    assert await activity.flush(limit=10) == 0
    fleet.cache.devices.apply(changed)
    clock.advance(2)
    assert await activity.flush(limit=10) == 1
    stored = await fleet.stored(device)
    assert stored["spec"]["hold"]
    assert stored["status"]["lastSeen"] == "2031-05-04T12:00:00Z"


async def test_a_removed_device_is_forgotten(fleet: Namespace, activity: Activity[Device]) -> None:
    device = await fleet.device("a")
    activity.seen(device)
    await fleet.writer.delete(DEVICES, device)
    assert activity.last_seen(device) is None
    assert await activity.flush(limit=10) == 0


async def test_at_the_end_everything_is_written_due_or_not(
    fleet: Namespace, activity: Activity[Device], clock: Clock
) -> None:
    device = await fleet.device("a")
    activity.seen(device)
    await activity.flush(limit=10)
    clock.advance(30)
    activity.seen(current(fleet, device))
    await activity.drain(seconds=30)
    assert await last_seen(fleet, device) == "2031-05-04T12:00:30Z"
