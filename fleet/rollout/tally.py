"""How many devices a rollout may reach, has reached, and what came of it: from what they report."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from polyfleet.fleet import attributes, membership, selectors, versions
from polyfleet.fleet.attributes import VERSION_KEY
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.objects.rollout import RolloutCounts, RolloutFailure, RolloutStep
from polyfleet.fleet.rollout.plan import position
from polyfleet.fleet.rollout.reach import (
    LiveRollout,
    has_failed,
    is_counted,
    reached,
    selecting,
    was_offered,
)

MOST_FAILURES = 20


class Standing(NamedTuple):
    """Where one target stands; `failure` is why it failed, if it did.

    `newest` says that it is reached, and that the step opened last selects it.
    """

    reached: bool
    newest: bool
    offered: bool
    updated: bool
    failure: RolloutFailure | None


class Tally:
    """Counts of targets that can be taken back one by one, so that no device is kept."""

    def __init__(self) -> None:
        self.total = 0
        self.reached = 0
        self.newest = 0
        self.offered = 0
        self.updated = 0
        self.unsettled = 0
        self._failures: dict[str, RolloutFailure] = {}

    def add(self, device: Device, standing: Standing | None) -> None:
        """Count a device."""
        self._count(standing, 1)
        if standing is not None and standing.failure is not None:
            self._failures[device.metadata.name] = standing.failure

    def take(self, device: Device, standing: Standing | None) -> None:
        """Take a device out of the counts, given where it stood when it was counted."""
        self._count(standing, -1)
        self._failures.pop(device.metadata.name, None)

    @property
    def counts(self) -> RolloutCounts:
        """The numbers as the status shows them."""
        return RolloutCounts(
            total=self.total,
            reached=self.reached,
            offered=self.offered,
            updated=self.updated,
            failed=len(self._failures),
        )

    @property
    def settled(self) -> bool:
        """Whether all who are reached run the package. A step with nobody shows nothing."""
        return self.newest > 0 and self.unsettled == 0

    @property
    def failures(self) -> tuple[RolloutFailure, ...]:
        """The first twenty devices that failed, by name."""
        names = sorted(self._failures)[:MOST_FAILURES]
        return tuple(self._failures[name] for name in names)

    def _count(self, standing: Standing | None, by: int) -> None:
        if standing is None:
            return
        self.total += by
        self.reached += by * standing.reached
        self.newest += by * standing.newest
        self.offered += by * standing.offered
        self.updated += by * standing.updated
        self.unsettled += by * (standing.reached and not standing.updated)


TypeOf = Callable[[Device], str | None]
"""Tells a device's type; whoever asks for the same devices again may remember it."""


def standing_of(
    rollout: LiveRollout,
    package: Package,
    device: Device,
    type_of: TypeOf = attributes.device_type_of,
) -> Standing | None:
    """Say where a device of the rollout's application stands; None if it is no target.

    A target is a device whose type is the package's, too; one of another type never gets it, and
    neither does one whose id an older device has.
    """
    groups = _target_groups(rollout, device)
    if groups is None or not _fits(package, device, type_of):
        return None
    update, version = device.status.update, package.spec.version
    running = _version(device)
    updated = running == version or (
        running is not None
        and versions.is_later(running, version)
        and versions.precedence(version) is not None
    )
    failure = None
    if not updated and update is not None and has_failed(rollout, package.metadata.name, update):
        name = device.metadata.name
        failure = RolloutFailure(device=name, message=update.message, at=update.at)
    offered = was_offered(rollout, package.metadata.name, update)
    steps = selecting(rollout, device.metadata.labels)
    place = _place(rollout, device)
    found = reached(rollout, steps, place, device.metadata, groups, offered=offered)
    return Standing(
        reached=found is not None,
        newest=found is not None and steps[-1] is rollout.open[-1],
        offered=offered,
        updated=updated,
        failure=failure,
    )


def places(
    rollout: LiveRollout,
    package: Package,
    step: RolloutStep,
    until: int | None,
    devices: Iterable[Device],
    *,
    type_of: TypeOf = attributes.device_type_of,
) -> Iterator[float]:
    """Yield the positions of a step's population: the targets that it selects and that count.

    `until` (microseconds since 1970) is by when they must have been targets, None for ever. Whom
    the open steps reach already stands before all others (at 0), so that it counts in the limit.
    """
    for device in devices:
        groups = _target_groups(rollout, device)
        if groups is None or not _fits(package, device, type_of):
            continue
        meta = device.metadata
        if step.selector is not None and not selectors.matches(step.selector, meta.labels):
            continue
        place = _place(rollout, device)
        offered = was_offered(rollout, package.metadata.name, device.status.update)
        steps = selecting(rollout, meta.labels)
        if reached(rollout, steps, place, meta, groups, offered=offered) is not None:
            yield 0.0
        elif is_counted(rollout, step.selector, until, meta, groups):
            yield place


def _place(rollout: LiveRollout, device: Device) -> float:
    return position(rollout.seed, device.spec.application, device.spec.device_id)


def _target_groups(rollout: LiveRollout, device: Device) -> tuple[str, ...] | None:
    """Return the groups by which the device is a target; None if it is none."""
    if not device.present:
        return None
    if rollout.selector is not None:
        return () if selectors.matches(rollout.selector, device.metadata.labels) else None
    found = tuple(
        name for name, group in rollout.groups.items() if membership.is_member(device, group)
    )
    return found or None


def _fits(package: Package, device: Device, type_of: TypeOf) -> bool:
    wanted = package.spec.device_type
    return wanted is None or type_of(device) == wanted


def _version(device: Device) -> str | None:
    software = device.status.software
    if software is not None:
        return software.version
    known = attributes.merged(device).get(VERSION_KEY)
    found = attributes.text(known.value) if known is not None else None
    return found if isinstance(found, str) else None
