"""Two facades change members at once and die at any write; the operator cleans up after them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Literal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyfleet.fleet.instants import microseconds
from polyfleet.fleet.membership import label_key, marks_of, parse_value
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import DEVICES, GROUPS
from polyfleet.kube.membership import MembershipConflict, abort_expired, change_members, tidy
from tests.kube.transactions.side import NOW, Side

MEMBERS = range(3)
FREE = range(3, 6)

Outcome = Literal["done", "refused", "killed"]


@dataclass(frozen=True)
class Order:
    """Devices (by number) that join one of two rival groups, and members of the first that leave.

    Nobody joins twice or leaves again, so the end state tells which orders were carried out.
    """

    group: int
    add: frozenset[int]
    remove: frozenset[int]
    dies_at: int | None
    dies_after_sending: bool


orders = st.builds(
    lambda group, add, remove, dies_at, after: Order(
        group, add, remove if group == 0 else frozenset(), dies_at, after
    ),
    st.integers(0, 1),
    st.frozensets(st.sampled_from(FREE), min_size=1) | st.just(frozenset(FREE)),
    st.frozensets(st.sampled_from(MEMBERS)),
    st.one_of(st.none(), st.integers(1, 9)),
    st.booleans(),
)
scripts = st.lists(orders, min_size=1, max_size=2)


@dataclass
class Fleet:
    groups: list[DeviceGroup]
    devices: list[Device]

    def key(self, group: int) -> str:
        return label_key(self.groups[group].metadata.name)


async def obey(side: Side, fleet: Fleet, order: Order, number: int) -> Outcome:
    writer = side.writer
    devices = fleet.devices
    writer.writes_left, writer.dies_after_sending = order.dies_at, order.dies_after_sending
    writer.victim = asyncio.create_task(
        change_members(
            writer,
            side.cache,
            fleet.groups[order.group],
            [devices[index] for index in sorted(order.add)],
            [devices[index] for index in sorted(order.remove)],
            NOW + timedelta(microseconds=number),
        )
    )
    try:
        await writer.victim
    except asyncio.CancelledError:
        return "killed"
    except MembershipConflict:
        return "refused"
    finally:
        writer.writes_left = None
    return "done"


async def clean_up(operator: Side, fleet: Fleet) -> None:
    await operator.hear_of(DEVICES, *fleet.devices)
    for group in fleet.groups:
        moment = NOW + timedelta(hours=1)
        await abort_expired(operator.writer, await operator.group(group), moment)
        while await tidy(operator.writer, operator.cache, await operator.group(group), moment):
            moment += timedelta(hours=1)


def end_state(numbered: Sequence[tuple[int, Order]]) -> list[tuple[bool, int, int]] | None:
    """Return who is where after these orders; None if they cannot all have been carried out."""
    places = [(True, 0, 0) for _ in MEMBERS] + [(False, 0, 0) for _ in FREE]
    for number, order in numbered:
        for index in order.add:
            if places[index][0]:
                return None
            places[index] = (True, order.group, number)
        for index in order.remove:
            if not places[index][0]:
                return None
            places[index] = (False, 0, 0)
    return places


async def found_state(side: Side, fleet: Fleet) -> list[tuple[bool, int, int]]:
    places = []
    for device in fleet.devices:
        labels = (await side.device(device)).metadata.labels
        found = [(True, n, labels[fleet.key(n)]) for n in (0, 1) if fleet.key(n) in labels]
        assert len(found) <= 1, "in two groups of the same priority"
        if not found:
            places.append((False, 0, 0))
            continue
        value = parse_value(found[0][2])
        assert value is not None
        number = value.joined_at - microseconds(NOW) if value.joined_at > 1 else 0
        places.append((True, found[0][1], number))
    return places


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(first=scripts, second=scripts)
async def test_every_change_is_wholly_there_or_not_at_all(
    facade: Side, other_facade: Side, operator: Side, first: list[Order], second: list[Order]
) -> None:
    sides = (facade, other_facade)
    devices = [await facade.make_device() for _ in (*MEMBERS, *FREE)]
    groups = [await facade.make_group(*devices[:3]), await facade.make_group()]
    fleet = Fleet(groups, devices)
    await other_facade.hear_of(GROUPS, *groups)
    numbered = list(enumerate([*first, *second], start=1))

    async def run(side: Side, script: list[tuple[int, Order]]) -> list[Outcome]:
        return [await obey(side, fleet, order, number) for number, order in script]

    scripts = (numbered[: len(first)], numbered[len(first) :])
    each = await asyncio.gather(*map(run, sides, scripts))
    outcomes = [outcome for outcomes in each for outcome in outcomes]
    await clean_up(operator, fleet)

    for device in devices:
        assert marks_of(await facade.device(device)) == {}
    for group in groups:
        assert (await facade.group(group)).status.changes == ()
    choices = {"done": [True], "refused": [False], "killed": [True, False]}
    possible = [
        end_state([entry for entry, kept in zip(numbered, chosen, strict=True) if kept])
        for chosen in product(*(choices[outcome] for outcome in outcomes))
    ]
    assert await found_state(facade, fleet) in possible
