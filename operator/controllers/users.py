"""Gives users their serials, and says whose name is taken."""

from polyfleet.fleet.claimants import older_claimant
from polyfleet.fleet.objects.kinds import USERS
from polyfleet.operator.context import Context
from polyfleet.operator.controllers.serials import new_serial
from polyfleet.operator.indexes import WIRE_NAME
from polyfleet.operator.reconcile.adoption import metadata_patch
from polyfleet.operator.reconcile.users import judge


async def reconcile(context: Context, name: str) -> float | None:
    """Bring the user's serial and conditions up to date."""
    cache = context.cache
    user = cache.users.get(name)
    if user is None or user.metadata.terminating:
        return None
    serial = await new_serial(context, USERS, user)
    user = await context.write(USERS, user, metadata=metadata_patch(user.metadata, serial=serial))
    older = older_claimant(user, cache.users.find(WIRE_NAME, user.spec.name))
    verdict = judge(user, older=older, serial=user.metadata.serial, now=context.clock())
    await context.write(USERS, user, status=verdict.status)
    return None
