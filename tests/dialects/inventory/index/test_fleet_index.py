"""The index against the plain reading of a query, whatever happens to the fleet meanwhile."""

import asyncio
from collections.abc import Callable
from functools import cmp_to_key
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.inventory.index import fleet_index
from polyfleet.api.dialects.inventory.index.facts import GROUP, Facts
from polyfleet.api.dialects.inventory.index.fleet_index import FleetIndex
from polyfleet.api.dialects.inventory.index.query import Condition, Order, Query, Value, predicate
from polyfleet.fleet.membership import groups_of
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import APPLICATIONS, DEVICES, GROUPS
from polyfleet.kube.store import Store
from tests.fleet.make import device, group

scalars = st.one_of(st.integers(-2, 2), st.sampled_from(["", "a", "ab", "b"]))
values = st.one_of(
    scalars,
    st.lists(st.integers(-2, 2), max_size=2).map(tuple),
    st.lists(st.sampled_from(["a", "b"]), max_size=2).map(tuple),
)
names = st.sampled_from(["x", "y"])
fields = st.one_of(st.tuples(st.just("inventory"), names), st.just(GROUP))
sets = st.frozensets(scalars, max_size=2)
conditions = st.one_of(
    st.builds(Condition, fields, st.sampled_from(["in", "not in"]), sets),
    st.builds(Condition, fields, st.just("exists"), st.booleans()),
    st.builds(
        Condition,
        fields,
        st.sampled_from(["less", "at most", "more", "at least", "less or absent"]),
        scalars,
    ),
    st.builds(Condition, fields, st.just("pattern"), st.sampled_from(["a", "^b$"])),
)
queries = st.builds(
    Query,
    st.lists(conditions, max_size=2).map(tuple),
    st.lists(st.builds(Order, fields, st.booleans()), max_size=2).map(tuple),
)
numbers = st.integers(0, 5)
steps = st.one_of(
    st.tuples(
        st.just("put"),
        numbers,
        st.dictionaries(names, values, max_size=2),
        st.sampled_from([None, 0, 1]),
    ),
    st.tuples(st.just("remove"), numbers),
    st.tuples(st.just("priority"), st.sampled_from([0, 1]), st.sampled_from([1, 9])),
    st.tuples(st.just("ask"), queries),
)


def typed(value: Value) -> dict[str, Any]:
    if isinstance(value, tuple):
        kind = "numbers" if value and not isinstance(value[0], str) else "strings"
        return {kind: list(value)}
    return {"string" if isinstance(value, str) else "number": value}


class World:
    """A fleet in stores of its own, with an index of it."""

    def __init__(self) -> None:
        self.devices: Store[Device] = Store(DEVICES)
        self.groups = Store(GROUPS)
        self.version = 0
        self.priorities = [5, 5]
        cache = SimpleNamespace(
            devices=self.devices, groups=self.groups, applications=Store(APPLICATIONS)
        )
        facade = cast("Facade", SimpleNamespace(cache=cache))
        self.index = FleetIndex(facade, name_of=self.name_of, group_of=self.group_of)
        for number in (0, 1):
            self.priority(number, 5)

    def next_version(self) -> str:
        self.version += 1
        return str(self.version)

    def name_of(self, item: Device) -> str | None:
        return item.spec.device_id

    def group_of(self, item: Device) -> str | None:
        found = groups_of(item, self.groups.values())
        return found[0].spec.name if found else None

    def priority(self, number: int, priority: int) -> None:
        self.priorities[number] = priority
        self.groups.apply(
            group(f"g{number}", priority=priority, resource_version=self.next_version())
        )

    def put(self, number: int, attributes: dict[str, Value], home: int | None) -> None:
        joined = tuple(self.groups.values()) if home == 0 else ()
        if home == 1:
            joined = (self.groups.values()[1],)
        self.devices.apply(
            device(
                f"d{number}",
                groups=joined,
                reported=[
                    {"name": name, "value": typed(value), "source": "inventory"}
                    for name, value in attributes.items()
                ],
                creation_timestamp=f"2026-03-01T12:00:0{number % 3}Z",
                serial=number + 1,
                resource_version=self.next_version(),
            )
        )

    def remove(self, number: int) -> None:
        item = self.devices.get(f"d{number}")
        if item is not None:
            self.devices.remove(item, confirmed=True)

    def expected(self, query: Query) -> list[str]:
        """Return what a reader of the query would expect, without any index."""

        def read(item: Device, field: tuple[str, str]) -> Value | None:
            return Facts(item, self.name_of, self.group_of).value(field)

        found = [
            item
            for item in self.devices.values()
            if all(predicate(part)(read(item, part.field)) for part in query.conditions)
        ]
        found.sort(key=lambda item: (item.metadata.creation_timestamp, item.metadata.serial))
        for key in reversed(query.order):
            by_value = cmp_to_key(
                lambda one, other, key=key: compare(  # type: ignore[misc]
                    read(one, key.field), read(other, key.field), descending=key.descending
                )
            )
            found.sort(key=by_value)
        return [item.metadata.name for item in found]

    async def answered(self, query: Query) -> list[str]:
        page = await self.index.page(query, 0, 100)
        assert page.total == len(page.devices)
        return [item.metadata.name for item in page.devices]


def compare(one: Value | None, other: Value | None, *, descending: bool) -> int:
    pick: Callable[..., Any] = max if descending else min

    def rank(value: Value | None) -> tuple[int, Any]:
        if isinstance(value, tuple):
            value = pick(value, default=None)
        if value is None:
            return (0, 0)
        return (2, value) if isinstance(value, str) else (1, value)

    left, right = rank(one), rank(other)
    sign = (left > right) - (left < right)
    return -sign if descending else sign


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(steps, max_size=25), st.lists(queries, min_size=1, max_size=3))
def test_every_answer_is_that_of_a_plain_reader(
    script: list[tuple[Any, ...]], kept: list[Query]
) -> None:
    async def run() -> None:
        world = World()
        asked = list(kept)
        for step, *arguments in script:
            if step == "ask":
                asked.append(arguments[0])
            else:
                getattr(world, step)(*arguments)
            for query in asked:
                assert await world.answered(query) == world.expected(query)

    asyncio.run(run())


async def test_changes_while_an_index_is_built_are_taken_in() -> None:
    world = World()
    for number in range(6):
        world.put(number, {"x": number}, None)
    query = Query(
        (Condition(("inventory", "x"), "at least", 2),), (Order(("inventory", "x"), True),)
    )
    small = fleet_index._AT_ONCE
    fleet_index._AT_ONCE = 1
    try:
        asking = asyncio.create_task(world.answered(query))
        for turn in range(20):
            await asyncio.sleep(0)
            if turn % 3 == 0:
                world.put(turn % 5, {"x": turn}, None)
            if turn == 7:
                world.remove(5)
        await asking
    finally:
        fleet_index._AT_ONCE = small
    assert await world.answered(query) == world.expected(query)


async def test_a_large_change_of_a_group_is_seen_by_the_next_question() -> None:
    world = World()
    few = fleet_index._MOST_REGROUPED
    fleet_index._MOST_REGROUPED = 3
    try:
        for number in range(6):
            world.put(number, {}, 0)
        query = Query((Condition(GROUP, "in", frozenset(["g1"])),))
        assert await world.answered(query) == world.expected(query)
        world.priority(1, 1)
        assert len(await world.answered(query)) == 6
    finally:
        fleet_index._MOST_REGROUPED = few


async def test_only_so_many_fields_and_views_are_kept() -> None:
    world = World()
    world.put(0, {f"n{number}": number for number in range(40)}, None)
    for number in range(40):
        query = Query((Condition(("inventory", f"n{number}"), "in", frozenset([number])),))
        assert await world.answered(query) == ["d0"]
    assert len(world.index._fields) == fleet_index.MOST_FIELDS
    for number in range(fleet_index.MOST_VIEWS + 10):
        await world.answered(Query((Condition(("inventory", "n0"), "less", number),)))
    assert len(world.index._views) == fleet_index.MOST_VIEWS


async def test_long_queries_take_the_room_of_many() -> None:
    world = World()
    world.put(0, {"x": "a"}, None)
    most = fleet_index.MOST_BYTES
    fleet_index.MOST_BYTES = 2**20
    try:
        for number in range(8):
            wanted = frozenset(f"{number}-{each}" for each in range(4000)) | {"a"}
            query = Query((Condition(("inventory", "x"), "in", wanted),))
            assert await world.answered(query) == ["d0"]
        assert 1 <= len(world.index._views) <= 2
    finally:
        fleet_index.MOST_BYTES = most


async def test_only_some_views_with_patterns_are_kept() -> None:
    world = World()
    world.put(0, {"x": "a"}, None)
    for number in range(40):
        pattern = Condition(("inventory", "x"), "pattern", rf"^a$|\w{{{number}}}b")
        assert await world.answered(Query((pattern,))) == ["d0"]
    assert 8 <= len(world.index._views) <= 16


async def test_views_of_a_whole_fleet_are_bounded_by_their_memory() -> None:
    world = World()
    for number in range(100):
        world.put(number, {"x": number}, None)
    most = fleet_index.MOST_BYTES
    fleet_index.MOST_BYTES = 50_000
    try:
        for number in range(40):
            await world.answered(Query((Condition(("inventory", "x"), "more", -1 - number),)))
        assert sum(view.size for view in world.index._views.values()) <= 50_000
        assert len(world.index._views) > 1
    finally:
        fleet_index.MOST_BYTES = most


async def test_signs_of_life_touch_no_index() -> None:
    world = World()
    world.put(0, {"x": 1}, 0)
    query = Query((Condition(GROUP, "exists", True),))
    await world.answered(query)
    revision = world.index.revision
    world.put(0, {"x": 1}, 0)
    assert world.index.revision == revision
