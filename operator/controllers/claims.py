"""Takes names back that nobody uses: whoever took them may have died before it made its object."""

from contextlib import suppress
from typing import Any

from polyfleet.fleet.claims import is_needed
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.claim import Claim
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import APPLICATIONS, CLAIMS, DEVICES, Kind
from polyfleet.kube.errors import Conflict, Gone, NotFound
from polyfleet.operator.context import Context

_PAGE = 500
_HOLDERS: dict[str, Kind[Any]] = {"Device": DEVICES, "Application": APPLICATIONS}


async def sweep(context: Context, _: str) -> float | None:
    """Delete the claims that are not needed; return when to look again, in seconds."""
    with suppress(Gone):  # the list took too long: the next round begins anew
        async for page in context.client.list_pages(CLAIMS, limit=_PAGE):
            for claim in page.items:
                if not await _is_needed(context, claim):
                    # As it was when the holder was looked at, which may have taken it anew since.
                    with suppress(NotFound, Conflict):
                        await context.writer.delete(CLAIMS, claim)
    return context.settings.claim_sweep_interval


async def _is_needed(context: Context, claim: Claim) -> bool:
    """Say whether the claim holds; the API server is asked, as the cache may be behind."""
    kind, name = _HOLDERS.get(claim.spec.holder.kind), claim.spec.holder.name
    holder: Device | Application | None = None
    if kind is not None:
        if is_needed(claim, context.cache.store(kind).get(name), context.clock()):
            return True
        with suppress(NotFound):
            holder = await context.writer.read(kind, name)
    return is_needed(claim, holder, context.clock())
