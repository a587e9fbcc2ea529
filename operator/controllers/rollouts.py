"""Plans rollouts, opens their steps, and keeps their status."""

from datetime import datetime

import msgspec

from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.objects.kinds import ROLLOUTS
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.objects.rollout import OpenedStep, Rollout, RolloutCounts, RolloutStatus
from polyfleet.fleet.rollout.plan import seed_for
from polyfleet.fleet.rollout.progress import Wait, counted_promotion, is_over, next_wait
from polyfleet.fleet.rollout.reach import SNAPSHOT, LiveRollout, counted_until, live
from polyfleet.fleet.rollout.steps import EVERYBODY, frontier, steps_of
from polyfleet.fleet.rollout.tally import Tally, places
from polyfleet.operator.context import Context
from polyfleet.operator.controllers.packages import file_owner
from polyfleet.operator.indexes import application_present
from polyfleet.operator.reconcile.adoption import metadata_patch
from polyfleet.operator.reconcile.rollouts import RolloutFacts, judge, ready, settles_at


async def reconcile(context: Context, name: str) -> float | None:
    """Plan the rollout anew if it was edited, open what is due, and bring its status up to date."""
    cache = context.cache
    rollout = cache.rollouts.get(name)
    if rollout is None or rollout.metadata.terminating:
        context.counts.forget(name)
        return None
    metadata = metadata_patch(rollout.metadata, application=rollout.spec.application)
    rollout = await context.write(ROLLOUTS, rollout, metadata=metadata)
    package = cache.packages.get(rollout.spec.package)
    named = [cache.groups.get(group) for group in rollout.spec.targets.groups]
    groups = [group for group in named if group is not None]
    condition = ready(
        rollout,
        package,
        groups,
        application_present=application_present(cache, rollout.spec.application),
        file_owner=file_owner(cache, package) if package is not None else None,
    )
    look = Look(context, rollout, package if condition.holds else None)
    await look.go()
    facts = RolloutFacts(
        before=rollout,
        rollout=look.live,
        ready=condition,
        counts=look.counts,
        failures=look.tally.failures if look.tally is not None else rollout.status.failures,
        nobody=look.nobody,
        planned_in=look.planned_in,
    )
    verdict = judge(facts, context.clock())
    rollout = await context.write(ROLLOUTS, rollout, status=verdict.status)
    context.tell(rollout, *verdict.notices)
    return verdict.again_after


class Look:
    """One look at a rollout: what opens now, and the counts then; nothing is written."""

    def __init__(self, context: Context, rollout: Rollout, package: Package | None) -> None:
        self._context = context
        self._package = package
        self.live = self._as_live(rollout)
        self._note_promotion(None)
        self.tally: Tally | None = None
        self.planned_in: float | None = None

    @property
    def counts(self) -> RolloutCounts | None:
        """The numbers, if they were counted."""
        return self.tally.counts if self.tally is not None else None

    @property
    def nobody(self) -> bool:
        """Whether the step opened last is known to reach nobody now."""
        return self.tally is not None and not self.tally.newest

    async def go(self) -> None:
        """Open what is due, then count."""
        package, context = self._package, self._context
        if package is None or self.live.state == "Aborted":
            context.counts.forget(self.live.name)
            return
        now = context.clock()
        if self.live.state == "Unplanned" and not self._must_settle(now):
            await self._plan(package, now)
        self.tally = await context.counts.tally(self.live, package)
        while self.live.state == "Open":
            wait = next_wait(self.live.rollout, nobody=self.nobody)
            settled = self.tally.settled
            if wait is None or not is_over(
                wait, self.live.rollout, self.live.digest, now, settled=settled
            ):
                break
            self._note_promotion(wait)
            await self._open(package, now)
            self.tally = await context.counts.tally(self.live, package)

    def _must_settle(self, now: datetime) -> bool:
        at = settles_at(self.live.rollout)
        if at is None or at <= now:
            return False
        self.planned_in = (at - now).total_seconds()
        return True

    async def _plan(self, package: Package, now: datetime) -> None:
        seed = seed_for(self.live.rollout.metadata.uid, self.live.rollout.spec.package)
        status = msgspec.structs.replace(
            self.live.rollout.status, plan=self.live.digest, seed=seed, steps=()
        )
        self._become(status)
        await self._open(package, now)

    async def _open(self, package: Package, now: datetime) -> None:
        """Open the next step: its frontier is the position of the last device within its limit."""
        rollout = self.live.rollout
        steps, opened = steps_of(rollout.spec), rollout.status.steps
        step, at = steps[len(opened)], timestamp(now)
        last = len(opened) == len(steps) - 1
        snapshot = rollout.spec.target_selection == SNAPSHOT and not last
        until = counted_until(at) if snapshot else None
        positions: list[float] = []
        async for devices in self._context.counts.in_slices(rollout.spec.application):
            types = self._context.counts.types
            positions += places(self.live, package, step, until, devices, type_of=types)
        new = OpenedStep(
            population=len(positions),
            frontier=EVERYBODY if last else frontier(step, positions),
            opened_at=at,
        )
        self._become(msgspec.structs.replace(rollout.status, steps=(*opened, new)))

    def _note_promotion(self, wait: Wait | None) -> None:
        rollout = self.live.rollout
        counted = counted_promotion(rollout, self.live.digest, wait)
        if counted != rollout.status.promoted:
            self._become(msgspec.structs.replace(rollout.status, promoted=counted))

    def _become(self, status: RolloutStatus) -> None:
        self.live = self._as_live(msgspec.structs.replace(self.live.rollout, status=status))

    def _as_live(self, rollout: Rollout) -> LiveRollout:
        application = rollout.spec.application
        groups = {
            group.metadata.name: group
            for name in rollout.spec.targets.groups
            if (group := self._context.cache.groups.get(name)) is not None
            and group.spec.application == application
            and not group.metadata.terminating
        }
        return live(rollout, groups)
