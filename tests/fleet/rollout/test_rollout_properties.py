"""A rollout as a whole: any order of events gives the same end, and no bound is exceeded.

The world here is small but acts like the real one: replicas that decide on old snapshots, an
operator that is killed between any two of its steps and may lose the status, devices that install,
fail, come late and lie about nothing but time.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.objects.device import Device, Software, Update
from polyfleet.fleet.objects.metadata import ManagedFields
from polyfleet.fleet.objects.rollout import (
    OpenedStep,
    Pause,
    Rollout,
    RolloutStatus,
    RolloutStep,
)
from polyfleet.fleet.resolve.catalogue import Catalogue
from polyfleet.fleet.resolve.facts import facts_of
from polyfleet.fleet.resolve.resolver import resolve
from polyfleet.fleet.rollout.plan import plan_digest, promoted_step, promotion, seed_for
from polyfleet.fleet.rollout.progress import counted_promotion, is_over, next_wait
from polyfleet.fleet.rollout.reach import counted_until, live
from polyfleet.fleet.rollout.steps import EVERYBODY, frontier, quota, steps_of
from polyfleet.fleet.rollout.tally import Tally, places, standing_of
from tests.fleet import make

PACKAGE = make.package("p2", "2.0.0", device_type=None)
LONG_AGO = make.NOW - timedelta(days=1)


def joining(device_id: str, at: datetime) -> Device:
    made = make.device(device_id, version="1.0.0")
    written = timestamp(at.replace(microsecond=0))
    meta = msgspec.structs.replace(made.metadata, managed_fields=(ManagedFields(time=written),))
    return msgspec.structs.replace(made, metadata=meta)


@dataclass
class World:
    """The API server's objects, and the clock."""

    rollout: Rollout
    devices: dict[str, Device]
    now: datetime = make.NOW
    given: dict[str, int] = field(default_factory=dict)
    """Who was offered the package, and how many steps were open then."""
    snapshots: list[Catalogue] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.snapshots.append(self.catalogue())

    def catalogue(self) -> Catalogue:
        return Catalogue.build([make.application()], (), (PACKAGE,), (self.rollout,))

    def become(self, **status: object) -> None:
        changed = msgspec.structs.replace(self.rollout.status, **status)
        self.rollout = msgspec.structs.replace(self.rollout, status=changed)
        self.snapshots.append(self.catalogue())

    def order(self, **spec: object) -> None:
        changed = msgspec.structs.replace(self.rollout.spec, **spec)
        self.rollout = msgspec.structs.replace(self.rollout, spec=changed)
        self.snapshots.append(self.catalogue())

    def ask(self, device_id: str, age: int) -> None:
        """Have a device ask a replica whose knowledge may be old."""
        device = self.devices.get(device_id)
        if device is None:
            return
        catalogue = self.snapshots[max(0, len(self.snapshots) - 1 - age)]
        decision = resolve(facts_of(device, (), "anything"), catalogue, self.now)
        if decision.package is None:
            return
        self.given.setdefault(device_id, len(self.rollout.status.steps))
        update = Update(
            package="p2",
            rollout=decision.rollout,
            rollout_uid=decision.rollout_uid,
            state="Offered",
        )
        self.set(device_id, update=update)

    def relabel(self, device_id: str) -> None:
        """Write the device's labels, so that nobody can tell since when it is a target."""
        device = self.devices.get(device_id)
        if device is not None:
            written = (ManagedFields(time=timestamp(self.now.replace(microsecond=0))),)
            meta = msgspec.structs.replace(device.metadata, managed_fields=written)
            self.devices[device_id] = msgspec.structs.replace(device, metadata=meta)

    def set(self, device_id: str, **status: object) -> None:
        device = self.devices[device_id]
        changed = msgspec.structs.replace(device.status, **status)
        self.devices[device_id] = msgspec.structs.replace(device, status=changed)

    def install(self, device_id: str) -> None:
        device = self.devices.get(device_id)
        if device is not None and device.status.update is not None:
            self.set(device_id, software=Software(version="2.0.0"))

    def fail(self, device_id: str) -> None:
        device = self.devices.get(device_id)
        update = device.status.update if device is not None else None
        if device is not None and update is not None and device.status.software.version == "1.0.0":  # type: ignore[union-attr]  # all report one
            at = timestamp(self.now)
            self.set(device_id, update=msgspec.structs.replace(update, state="Failed", at=at))

    def operate(self) -> None:
        """Let the operator take one step of its work."""
        now, rollout = self.now, self.rollout
        found = live(rollout, {})
        if found.state == "Unplanned":
            seed = seed_for(rollout.metadata.uid, "p2")
            planned = RolloutStatus(
                plan=plan_digest(rollout.spec),
                seed=seed,
                promoted=counted_promotion(rollout, found.digest, None),
                observed_generation=1,
            )
            rollout = msgspec.structs.replace(rollout, status=planned)
            self._open(rollout)
            return
        tally = self.tally()
        wait = next_wait(rollout, nobody=not tally.newest)
        if found.state != "Open" or wait is None:
            return
        if is_over(wait, rollout, found.digest, now, settled=tally.settled):
            counted = counted_promotion(rollout, found.digest, wait)
            status = msgspec.structs.replace(rollout.status, promoted=counted)
            self._open(msgspec.structs.replace(rollout, status=status))

    def tally(self) -> Tally:
        found, tally = live(self.rollout, {}), Tally()
        for device in self.devices.values():
            tally.add(device, standing_of(found, PACKAGE, device))
        return tally

    def _open(self, rollout: Rollout) -> None:
        steps, opened = steps_of(rollout.spec), rollout.status.steps
        step, last = steps[len(opened)], len(opened) == len(steps) - 1
        at = timestamp(self.now)
        until = None if last else counted_until(at)
        population = list(places(live(rollout, {}), PACKAGE, step, until, self.devices.values()))
        edge = EVERYBODY if last else frontier(step, population)
        new = OpenedStep(population=len(population), frontier=edge, opened_at=at)
        self.rollout = rollout
        self.become(steps=(*opened, new))


limits = st.one_of(st.integers(0, 4), st.sampled_from(["0%", "20%", "50%"]))
pauses = st.sampled_from([None, Pause(), Pause(duration_seconds=5)])
steps = st.lists(st.builds(RolloutStep, limit=limits, pause=pauses), min_size=1, max_size=3)
names = st.integers(0, 7).map("d{}".format)
events = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), names, st.integers(0, 3)),
        st.tuples(
            st.sampled_from(["install", "fail", "join", "leave", "relabel"]), names, st.just(0)
        ),
        st.tuples(
            st.sampled_from(["operate", "operate", "promote", "pause", "resume", "lose"]),
            st.just(""),
            st.just(0),
        ),
        st.tuples(st.just("wait"), st.just(""), st.integers(1, 9)),
    ),
    max_size=40,
)


def happen(world: World, event: tuple[str, str, int]) -> None:
    what, name, number = event
    match what:
        case "ask":
            world.ask(name, number)
        case "install":
            world.install(name)
        case "fail":
            world.fail(name)
        case "join":
            world.devices.setdefault(name, joining(name, world.now))
        case "leave":
            world.devices.pop(name, None)
        case "relabel":
            world.relabel(name)
        case "operate":
            world.operate()
        case "promote":
            digest = plan_digest(world.rollout.spec)
            opened = max(1, len(world.rollout.status.steps))
            world.order(promoted=promotion(digest, opened))
        case "pause" | "resume":
            world.order(paused=what == "pause")
        case "lose":
            world.become(plan=None, seed=None, steps=(), promoted="", observed_generation=0)
        case "wait":
            world.now += timedelta(seconds=number)


def new_world(steps: list[RolloutStep], count: int) -> World:
    rollout = make.rollout(steps=tuple(steps), planned=False)
    devices = [joining(f"d{number}", LONG_AGO) for number in range(count)]
    return World(rollout, {device.metadata.name: device for device in devices})


@settings(deadline=None, max_examples=150)
@given(steps, st.integers(0, 8), events)
def test_no_steps_bound_is_ever_exceeded(
    steps: list[RolloutStep], count: int, events: list[tuple[str, str, int]]
) -> None:
    world = new_world(steps, count)
    for event in events:
        if event[0] in {"leave", "lose"}:
            continue  # a device that leaves after it was given the package makes room for nobody
        happen(world, event)
        opened = world.rollout.status.steps
        every = steps_of(world.rollout.spec)
        if opened and len(opened) < len(every):
            bound = max(
                quota(step, was.population) for step, was in zip(every, opened, strict=False)
            )
            assert len(world.given) <= bound


@settings(deadline=None, max_examples=100)
@given(steps, st.integers(1, 8), events, st.integers(1, 99))
def test_one_promotion_never_ends_two_waits_that_have_not_been_promoted(
    steps: list[RolloutStep], count: int, events: list[tuple[str, str, int]], number: int
) -> None:
    waiting = [msgspec.structs.replace(step, pause=Pause()) for step in steps]
    world = new_world(waiting, count)
    for event in events:
        if event[0] != "lose":
            happen(world, event)
    world.order(paused=False)
    world.operate()
    rightful = promoted_step(world.rollout.status.promoted, plan_digest(world.rollout.spec))
    before = len(world.rollout.status.steps)
    world.order(promoted=promotion(plan_digest(world.rollout.spec), number))
    for _ in steps:
        world.operate()
    opened = len(world.rollout.status.steps)
    assert opened <= max(before, rightful) + 1


@settings(deadline=None, max_examples=100)
@given(steps, st.integers(1, 8), events, events)
def test_any_order_of_events_ends_alike(
    steps: list[RolloutStep],
    count: int,
    some: list[tuple[str, str, int]],
    others: list[tuple[str, str, int]],
) -> None:
    """Whatever happened in between, once all can go on, all devices run the package."""
    for events in (some, others):
        world = new_world(steps, count)
        for event in events:
            happen(world, event)
        world.order(paused=False, retry_failed_before=timestamp(world.now + timedelta(days=1)))
        for _ in range(2 * len(steps_of(world.rollout.spec)) + 2):
            for event in ("promote", "operate"):
                happen(world, (event, "", 0))
            for name in list(world.devices):
                world.ask(name, 0)
                world.install(name)
        tally = world.tally()
        assert tally.updated == tally.total == len(world.devices)
        assert tally.counts.failed == 0
        assert len(world.rollout.status.steps) == len(steps_of(world.rollout.spec))


@settings(deadline=None, max_examples=100)
@given(steps, st.integers(1, 8), events)
def test_counts_changed_one_by_one_are_those_of_a_full_count(
    steps: list[RolloutStep], count: int, events: list[tuple[str, str, int]]
) -> None:
    world = new_world(steps, count)
    world.operate()
    running, known = world.tally(), dict(world.devices)
    for event in events:
        if event[0] not in {"ask", "install", "fail", "join", "leave", "relabel", "wait"}:
            continue  # other events change what is counted: then everything is counted again
        happen(world, event)
        found = live(world.rollout, {})
        for name in known.keys() | world.devices.keys():
            old, new = known.get(name), world.devices.get(name)
            if old is new:
                continue
            if old is not None:
                running.take(old, standing_of(found, PACKAGE, old))
            if new is not None:
                running.add(new, standing_of(found, PACKAGE, new))
        known = dict(world.devices)
    whole = world.tally()
    assert running.counts == whole.counts
    assert (running.unsettled, running.failures) == (whole.unsettled, whole.failures)


@settings(deadline=None, max_examples=50)
@given(steps, st.integers(1, 8), events, st.sampled_from(["package", "steps"]))
def test_a_plan_of_another_spec_gives_nothing(
    steps: list[RolloutStep], count: int, events: list[tuple[str, str, int]], what: str
) -> None:
    world = new_world(steps, count)
    for event in events:
        happen(world, event)
    world.order(paused=False)
    edit: dict[str, object] = {"package": "p3"}
    if what == "steps":
        edit = {"steps": (*world.rollout.spec.steps[:-1], RolloutStep(limit=1000, pause=Pause()))}
    world.order(**edit)
    before = dict(world.given)
    world.devices = {f"n{n}": joining(f"n{n}", LONG_AGO) for n in range(4)}
    for name in world.devices:
        world.ask(name, 0)
    assert world.given == before


@settings(deadline=None, max_examples=50)
@given(steps, st.integers(1, 8), events)
def test_every_replica_decides_alike(
    steps: list[RolloutStep], count: int, events: list[tuple[str, str, int]]
) -> None:
    world = new_world(steps, count)
    for event in events:
        happen(world, event)
    one, other = world.catalogue(), world.catalogue()
    for device in world.devices.values():
        facts = facts_of(device, (), "anything")
        resolve(facts, other, world.now)
        assert resolve(facts, one, world.now) == resolve(facts, other, world.now)
