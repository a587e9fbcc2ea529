"""What a rollout would do next: the steps to come and their devices, without writing anything."""

from datetime import datetime

import msgspec

from polyfleet.fleet import instants, selectors
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.objects.rollout import RolloutStep
from polyfleet.fleet.rollout import dates
from polyfleet.fleet.rollout.plan import position, seed_for
from polyfleet.fleet.rollout.reach import SNAPSHOT, LiveRollout
from polyfleet.fleet.rollout.steps import EVERYBODY, frontier, quota, steps_of
from polyfleet.fleet.rollout.tally import Tally, places, standing_of

MOST_NEXT = 20


class NextDevice(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A device that the next step would come to."""

    position: float
    device_id: str
    name: str


class StepPreview(msgspec.Struct, frozen=True, kw_only=True):
    """A step as it was opened, or as it would be if it opened now."""

    number: int
    open: bool
    population: int
    reaches: int
    frontier: float


class Preview:
    """Goes through the devices of the rollout's application; then says what comes next."""

    def __init__(self, rollout: LiveRollout, package: Package, now: datetime) -> None:
        spec = rollout.rollout.spec
        self.tally = Tally()
        self._package = package
        self._opened = rollout.rollout.status.steps
        if rollout.digest != rollout.rollout.status.plan:
            self._opened = ()
            seed = seed_for(rollout.rollout.metadata.uid, spec.package)
            rollout = msgspec.structs.replace(rollout, seed=seed, open=())
        self._rollout = rollout
        self._steps = steps_of(spec)
        self._until = (
            instants.microseconds(now) - dates.MARGIN if spec.target_selection == SNAPSHOT else None
        )
        self._places: list[list[float]] = [[] for _ in self._steps]
        self._candidates: list[NextDevice] = []

    def add(self, device: Device) -> None:
        """Look at one device of the application."""
        standing = standing_of(self._rollout, self._package, device)
        if standing is None:
            return
        self.tally.add(device, standing)
        for index in range(len(self._opened), len(self._steps)):
            found = self._place(index, device)
            self._places[index] += found
            is_next = index == len(self._opened) and not standing.reached and not standing.updated
            if found and is_next:
                spec = device.spec
                place = position(self._rollout.seed, spec.application, spec.device_id)
                self._candidates.append(
                    NextDevice(position=place, device_id=spec.device_id, name=device.metadata.name)
                )

    @property
    def opened(self) -> int:
        """How many steps of the plan are open."""
        return len(self._opened)

    def steps(self) -> list[StepPreview]:
        """Return all steps; those to come as if they opened now."""
        found = []
        for index, step in enumerate(self._steps):
            if index < len(self._opened):
                was = self._opened[index]
                count, edge = was.population, was.frontier
            else:
                count, edge = len(self._places[index]), self._frontier(index)
            found.append(
                StepPreview(
                    number=index + 1,
                    open=index < len(self._opened),
                    population=count,
                    reaches=quota(step, count),
                    frontier=edge,
                )
            )
        return found

    def next(self) -> tuple[int, list[NextDevice]]:
        """Return how many devices the next step would add, and the first twenty in its order."""
        if len(self._opened) >= len(self._steps):
            return 0, []
        edge = self._frontier(len(self._opened))
        chosen = sorted(item for item in self._candidates if item.position <= edge)
        return len(chosen), chosen[:MOST_NEXT]

    def _frontier(self, index: int) -> float:
        last = index == len(self._steps) - 1
        return EVERYBODY if last else frontier(self._steps[index], self._places[index])

    def _place(self, index: int, device: Device) -> list[float]:
        step: RolloutStep = self._steps[index]
        last = index == len(self._steps) - 1
        if step.selector is not None and not selectors.matches(
            step.selector, device.metadata.labels
        ):
            return []
        until = None if last else self._until
        return list(places(self._rollout, self._package, step, until, (device,)))
