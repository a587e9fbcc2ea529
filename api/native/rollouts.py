"""What a rollout would do next: a dry run over the fleet as it is."""

import asyncio

from polyfleet.api.core.errors import Conflict, NotFound
from polyfleet.api.core.facade import Facade
from polyfleet.api.native.schemas import (
    PlannedStep,
    RolloutCountsBody,
    RolloutPlan,
    UpcomingDevice,
)
from polyfleet.fleet.objects.rollout import Rollout
from polyfleet.fleet.rights import Principal, Right
from polyfleet.fleet.rollout.preview import Preview
from polyfleet.fleet.rollout.progress import next_wait
from polyfleet.fleet.rollout.reach import live

_SLICE = 200


async def plan_of(facade: Facade, principal: Principal, name: str) -> RolloutPlan:
    """Return the steps of the rollout of that object name, and who would be next.

    `NotFound` if it may not be seen, `Conflict` if its package is not there.
    """
    rollout = _visible(facade, principal, name)
    application = rollout.spec.application
    package = facade.cache.packages.get(rollout.spec.package)
    if package is None or package.spec.application != application or package.metadata.terminating:
        raise Conflict(f"the package {rollout.spec.package} is not there: nothing can be planned")
    groups = {
        group.metadata.name: group
        for group in facade.cache.groups.values()
        if group.spec.application == application and not group.metadata.terminating
    }
    found = live(rollout, groups)
    preview = Preview(found, package, facade.clock())
    devices = facade.cache.devices.values()
    for start in range(0, len(devices), _SLICE):
        for device in devices[start : start + _SLICE]:
            if device.spec.application == application:
                preview.add(device)
        await asyncio.sleep(0)  # devices and people that ask meanwhile come first
    count, upcoming = preview.next()
    counts = preview.tally.counts
    planned, nobody = found.state != "Unplanned", not preview.tally.newest
    wait = next_wait(rollout, nobody=nobody) if planned else None
    return RolloutPlan(
        name=name,
        package=package.metadata.name,
        version=package.spec.version,
        digest=found.digest,
        state=found.state,
        waits="" if wait is None else str(wait),
        counts=RolloutCountsBody(
            total=counts.total,
            reached=counts.reached,
            offered=counts.offered,
            updated=counts.updated,
            failed=counts.failed,
        ),
        steps=[
            PlannedStep(
                number=step.number,
                open=step.open,
                population=step.population,
                reaches=step.reaches,
                frontier=step.frontier,
            )
            for step in preview.steps()
        ],
        next_count=count,
        next_devices=[
            UpcomingDevice(id=item.device_id, name=item.name, position=item.position)
            for item in upcoming
        ],
    )


def _visible(facade: Facade, principal: Principal, name: str) -> Rollout:
    rollout = facade.cache.rollouts.get(name)
    home = facade.cache.applications.get(rollout.spec.application) if rollout else None
    if (
        rollout is None
        or rollout.metadata.terminating
        or home is None
        or not home.present
        or not facade.identity.allows(principal, Right.READ_DEVICES, home)
    ):
        raise NotFound("there is no such rollout, or it may not be seen with these credentials")
    return rollout
