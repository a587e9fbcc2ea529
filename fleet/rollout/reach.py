"""Whom a rollout reaches: positions and frontiers, from its spec and status alone."""

from collections.abc import Collection, Iterable, Mapping
from typing import Literal

import msgspec

from polyfleet.fleet import instants, selectors
from polyfleet.fleet.objects.device import FAILED, Update
from polyfleet.fleet.objects.group import DeviceGroup, LabelSelector
from polyfleet.fleet.objects.metadata import ObjectMeta
from polyfleet.fleet.objects.rollout import Rollout
from polyfleet.fleet.rollout import dates
from polyfleet.fleet.rollout.plan import plan_digest
from polyfleet.fleet.rollout.steps import only_waits, steps_of

State = Literal["Open", "Paused", "Aborted", "Unplanned"]

SNAPSHOT = "Snapshot"


class OpenStep(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A step that is open; `number` counts from 1.

    `until` (microseconds since 1970): who became a target later waits for the last step.
    """

    number: int
    selector: LabelSelector | None
    frontier: float
    until: int | None


class LiveRollout(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A rollout as decisions read it; `groups` are those of its targets that exist.

    `retried_at`: a failure told before then (RFC 3339, UTC) does not count any more.
    """

    rollout: Rollout
    digest: str
    state: State
    seed: str
    groups: Mapping[str, DeviceGroup]
    selector: LabelSelector | None
    open: tuple[OpenStep, ...]
    count: int
    retried_at: str

    @property
    def name(self) -> str:
        """The object's name."""
        return self.rollout.metadata.name


def live(rollout: Rollout, groups: Mapping[str, DeviceGroup]) -> LiveRollout:
    """Read a rollout; `groups` are those of its application, by object name.

    Nothing is open while its plan is not that of its spec, or while a person keeps it from going.
    """
    spec, status = rollout.spec, rollout.status
    digest = plan_digest(spec)
    planned = status.plan == digest and bool(status.seed)
    state: State = "Open" if planned else "Unplanned"
    if spec.paused:
        state = "Paused"
    if spec.aborted:
        state = "Aborted"
    return LiveRollout(
        rollout=rollout,
        digest=digest,
        state=state,
        seed=status.seed or "",
        groups={name: groups[name] for name in spec.targets.groups if name in groups},
        selector=spec.targets.selector,
        open=tuple(open_steps(rollout)) if planned else (),
        count=len(steps_of(spec)),
        retried_at=_retried_at(rollout),
    )


def open_steps(rollout: Rollout) -> Iterable[OpenStep]:
    """Yield the opened steps of a plan that is in force, in order."""
    steps = steps_of(rollout.spec)
    snapshot = rollout.spec.target_selection == SNAPSHOT
    for index, (step, opened) in enumerate(zip(steps, rollout.status.steps, strict=False)):
        last = index == len(steps) - 1
        if only_waits(step):
            continue
        yield OpenStep(
            number=index + 1,
            selector=step.selector,
            frontier=opened.frontier,
            until=counted_until(opened.opened_at) if snapshot and not last else None,
        )


def counted_until(opened_at: str | None) -> int:
    """Return until when a device must have been a target to be counted in a step."""
    try:
        return instants.microseconds(instants.parse(opened_at or "")) - dates.MARGIN
    except ValueError:  # somebody wrote the status by hand: nobody counts
        return 0


def targets(
    rollout: LiveRollout, groups: Collection[str], labels: Mapping[str, str | None]
) -> bool:
    """Say whether a device of the application, in those groups, is one of the targets."""
    if rollout.selector is not None:
        return _matches(rollout.selector, labels)
    return any(name in rollout.groups for name in groups)


def selecting(rollout: LiveRollout, labels: Mapping[str, str | None]) -> tuple[OpenStep, ...]:
    """Return the open steps that select a target with those labels."""
    return tuple(
        step for step in rollout.open if step.selector is None or _matches(step.selector, labels)
    )


def reached(
    rollout: LiveRollout,
    steps: Iterable[OpenStep],
    position: float,
    device: ObjectMeta,
    groups: Collection[str],
    *,
    offered: bool = False,
) -> OpenStep | None:
    """Return the first of the steps, which select the device, that has come to its position.

    Who was `offered` the package by the rollout was a target then, whatever dates tell since.
    """
    for step in steps:
        if position <= step.frontier and (
            offered or is_counted(rollout, step.selector, step.until, device, groups)
        ):
            return step
    return None


def is_counted(
    rollout: LiveRollout,
    selector: LabelSelector | None,
    until: int | None,
    device: ObjectMeta,
    groups: Collection[str],
) -> bool:
    """Say whether the target that a step selects was one by then, as far as dates tell."""
    if until is None:
        return True
    if selector is not None and not _by(dates.matching_since(device, selector), until):
        return False
    if rollout.selector is not None:
        return _by(dates.matching_since(device, rollout.selector), until)
    return any(
        _by(dates.member_since(device, rollout.groups[name]), until)
        for name in groups
        if name in rollout.groups
    )


def was_offered(rollout: LiveRollout, package: str, update: Update | None) -> bool:
    """Say whether the rollout is the last that offered the device the package."""
    return (
        update is not None
        and update.package == package
        and update.rollout_uid == rollout.rollout.metadata.uid
    )


def has_failed(rollout: LiveRollout, package: str, update: Update | None) -> bool:
    """Say whether the device could not install the package, and nobody retried it since."""
    return (
        update is not None
        and update.package == package
        and update.state == FAILED
        and update.at >= rollout.retried_at
    )


def _retried_at(rollout: Rollout) -> str:
    asked = [rollout.spec.retry_failed_before]
    asked += [step.opened_at for step in rollout.status.steps[:1]]
    known = []
    for text in asked:
        try:
            known.append(instants.timestamp(instants.parse(text or "")))
        except ValueError:
            continue
    return max(known, default="")


def _by(since: int | None, until: int) -> bool:
    return since is not None and since <= until


def _matches(selector: LabelSelector, labels: Mapping[str, str | None]) -> bool:
    return selectors.matches(selector, {k: v for k, v in labels.items() if v is not None})
