"""Takes names back that nobody uses: whoever took them may have died before it made its object."""

from contextlib import suppress

from polyfleet.fleet.claims import is_needed
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.claim import Claim
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import CLAIMS
from polyfleet.kube.errors import Gone, NotFound
from polyfleet.operator.context import Context

_PAGE = 500


async def sweep(context: Context, _: str) -> float | None:
    """Delete the claims that are not needed; return when to look again, in seconds."""
    with suppress(Gone):  # the list took too long: the next round begins anew
        async for page in context.client.list_pages(CLAIMS, limit=_PAGE):
            for claim in page.items:
                if not is_needed(claim, _holder(context, claim), context.clock()):
                    with suppress(NotFound):
                        await context.writer.delete(CLAIMS, claim, checked=False)
    return context.settings.claim_sweep_interval


def _holder(context: Context, claim: Claim) -> Device | Application | None:
    name = claim.spec.holder.name
    match claim.spec.holder.kind:
        case "Device":
            return context.cache.devices.get(name)
        case "Application":
            return context.cache.applications.get(name)
        case _:
            return None
