"""A whole fleet at work: so many devices, their people, and what came of it."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from polyfleet.simulator.dialects.drogue import DrogueSpeaker
from polyfleet.simulator.dialects.inventory import InventorySpeaker
from polyfleet.simulator.dialects.otao import OtaoSpeaker
from polyfleet.simulator.dialects.rdfm import RdfmSpeaker
from polyfleet.simulator.dialects.speaker import Speaker
from polyfleet.simulator.faults import Rates
from polyfleet.simulator.keys import KeyPool
from polyfleet.simulator.life import Life, pause
from polyfleet.simulator.machine import Machine
from polyfleet.simulator.people import People, Refused
from polyfleet.simulator.script import Script
from polyfleet.simulator.tally import Tally
from polyfleet.simulator.wire import Unreachable, Wire

Dialect = Literal["rdfm", "inventory", "drogue", "otao"]
Progress = Callable[[int, int], None]
"""Told how many of the devices that are expected to come as far as wanted have, and how many
these are."""

_PATIENCE = 10
"""Intervals after which a command that was not answered is sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to simulate. Times are in seconds.

    Without `token` nobody lets devices in, and there are no devices of Drogue Cloud.
    """

    url: str
    devices: int
    seed: int = 0
    dialects: tuple[Dialect, ...] = ("rdfm",)
    """The devices are dealt out to these, in turn."""
    faults: Rates = field(default_factory=dict)
    prefix: str = ""
    """What the devices' ids begin with; `sim-<seed>` if empty."""
    device_type: str = "simulated"
    version: str = "v1.0.0"
    """What the devices run at first."""
    home: str = "default"
    """The application of the devices of Kaa: the default one. They must be there, with the tokens
    that `dialects.otao.endpoint_token` gives them: no API has a way to register them."""
    application: str = "simulated"
    """That of the devices of Drogue Cloud."""
    group: str | None = None
    """Where the people put the devices that were let in; none of its devices are Drogue's."""
    token: str | None = None
    password: str = "simulated"  # noqa: S105 - of devices that are none
    until_version: str | None = None
    """It is over when all who can be expected to run this, and have said so."""
    duration: float = 60.0
    """It is over at the latest after this time."""
    interval: float = 1.0
    """How often a device asks, in the mean."""
    downloads: bool = True
    sockets: float = 0.0
    """The share of devices that hold a WebSocket, where their dialect has one."""
    concurrency: int = 64
    waiting: int = 2_000
    rate: float = 2_000.0
    """Requests a second, at most."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a simulation."""

    plan: Plan
    seconds: float
    machines: tuple[Machine, ...]
    tally: Tally

    @property
    def converged(self) -> bool | None:
        """Whether all who can be expected to run what was wanted; None if nothing was."""
        wanted = self.plan.until_version
        return None if wanted is None else not self.behind()

    def behind(self) -> list[Machine]:
        """Return the devices that should run what is wanted and do not, or have not said so."""
        wanted = self.plan.until_version
        if wanted is None:
            return []
        return [m for m in self.machines if m.script.hopeful and not m.runs(wanted)]

    def versions(self) -> Mapping[str, int]:
        """Return how many devices run each version."""
        return Counter(machine.version for machine in self.machines)


class Simulation:
    """Runs a plan: `outcome = await Simulation(plan, keys).run()`."""

    def __init__(self, plan: Plan, keys: KeyPool, progress: Progress = lambda *_: None) -> None:
        self.plan = plan
        self.tally = Tally()
        self.over = asyncio.Event()
        """Set it to end the simulation before its time."""
        self.machines = tuple(machines_of(plan))
        self._keys = keys
        self._progress = progress
        self._refused: Refused | None = None
        self._hopeful = [machine for machine in self.machines if machine.script.hopeful]

    async def run(self) -> Outcome:
        """Live all devices to the end. Raises Refused if the people may not do their part."""
        plan, started = self.plan, time.monotonic()
        wire = Wire(
            plan.url,
            self.tally,
            concurrency=plan.concurrency,
            waiting=plan.waiting,
            rate=plan.rate,
        )
        async with wire, asyncio.TaskGroup() as tasks:
            people = None if plan.token is None else People(wire, plan.token)
            speakers = [self._speaker(machine, wire, people) for machine in self.machines]
            if people is not None:
                tasks.create_task(self._manage(people, speakers))
            for machine, speaker in zip(self.machines, speakers, strict=True):
                life = Life(machine, speaker, self.tally, downloads=plan.downloads)
                tasks.create_task(life.live(self.over))
            tasks.create_task(self._watch())
        if self._refused is not None:
            raise self._refused
        return Outcome(plan, time.monotonic() - started, self.machines, self.tally)

    async def _watch(self) -> None:
        """Tell the progress, and end it when it is over."""
        wanted, total = self.plan.until_version, len(self._hopeful)
        ends = time.monotonic() + self.plan.duration
        while not self.over.is_set():
            if wanted is None:
                done = sum(machine.entered for machine in self._hopeful)
            else:
                done = sum(machine.runs(wanted) for machine in self._hopeful)
            self._progress(done, total)
            if time.monotonic() >= ends or (wanted is not None and done == total):
                self.over.set()
            await pause(self.over, min(0.5, self.plan.interval))

    async def _manage(self, people: People, speakers: list[Speaker]) -> None:
        """Let devices in and send commands, as long as there are some to."""
        plan = self.plan
        keys = {s.machine.identifier: s.public_key for s in speakers if isinstance(s, RdfmSpeaker)}
        commanded = [s.machine for s in speakers if isinstance(s, DrogueSpeaker)]
        while not self.over.is_set():
            try:
                await people.register(plan.application, commanded, plan.password)
                if keys:
                    await people.let_in(keys)
                if plan.group is not None:
                    await people.group(plan.group, [s.machine for s in speakers])
                if plan.until_version is not None:
                    await people.order_updates(
                        plan.application,
                        commanded,
                        plan.until_version,
                        patience=_PATIENCE * plan.interval,
                    )
            except Unreachable:
                pass  # counted; they try again with the next round
            except Refused as error:
                self._refused = error
                self.over.set()
            await pause(self.over, plan.interval)

    def _speaker(self, machine: Machine, wire: Wire, people: People | None) -> Speaker:
        plan = self.plan
        if machine.dialect == "drogue":
            if people is None:
                raise ValueError("devices of Drogue Cloud must be registered: a token is needed")
            return DrogueSpeaker(
                machine, wire, plan.interval, plan.application, plan.password, people.posted
            )
        if machine.dialect == "otao":
            return OtaoSpeaker(machine, wire, plan.interval, plan.home)
        kind = {"rdfm": RdfmSpeaker, "inventory": InventorySpeaker}[machine.dialect]
        versions = None if people is None else people.version_of
        return kind(machine, wire, plan.interval, self._keys, versions)


def machines_of(plan: Plan) -> list[Machine]:
    """Return the devices of a plan, each with its script: the same ones for the same plan."""
    prefix = plan.prefix or f"sim-{plan.seed}"
    return [
        Machine(
            number=number,
            identifier=f"{prefix}-{number:05}",
            dialect=plan.dialects[number % len(plan.dialects)],
            device_type=plan.device_type,
            version=plan.version,
            script=Script(plan.seed, number, plan.faults, sockets=plan.sockets),
        )
        for number in range(plan.devices)
    ]


def simulate(plan: Plan, keys: KeyPool, progress: Progress = lambda *_: None) -> Outcome:
    """Run a plan to its end, in an event loop of its own."""

    async def run() -> Outcome:
        return await Simulation(plan, keys, progress).run()

    return asyncio.run(run())
