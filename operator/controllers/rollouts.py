"""Keeps the conditions of rollouts."""

from polyfleet.fleet.objects.kinds import ROLLOUTS
from polyfleet.operator.context import Context
from polyfleet.operator.indexes import application_present
from polyfleet.operator.reconcile.adoption import metadata_patch
from polyfleet.operator.reconcile.rollouts import judge


async def reconcile(context: Context, name: str) -> float | None:
    """Bring the rollout's label and conditions up to date."""
    cache = context.cache
    rollout = cache.rollouts.get(name)
    if rollout is None or rollout.metadata.terminating:
        return None
    metadata = metadata_patch(rollout.metadata, application=rollout.spec.application)
    rollout = await context.write(ROLLOUTS, rollout, metadata=metadata)
    groups = [cache.groups.get(group) for group in rollout.spec.targets.groups]
    verdict = judge(
        rollout,
        package=cache.packages.get(rollout.spec.package),
        groups=[group for group in groups if group is not None],
        application_present=application_present(cache, rollout.spec.application),
        now=context.clock(),
    )
    await context.write(ROLLOUTS, rollout, status=verdict.status)
    return None
