"""Takes names back that nobody uses: whoever took them may have died before it made its object."""

from contextlib import suppress

from polyfleet.fleet.claims import is_needed
from polyfleet.fleet.objects.claim import Claim
from polyfleet.fleet.objects.kinds import CLAIMS
from polyfleet.kube.claims import HOLDERS, holds
from polyfleet.kube.errors import Conflict, Gone, NotFound
from polyfleet.operator.context import Context

_PAGE = 500


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
    """Say whether the claim holds; the API server is asked only where the cache denies it."""
    kind, now = HOLDERS.get(claim.spec.holder.kind), context.clock()
    known = context.cache.store(kind).get(claim.spec.holder.name) if kind is not None else None
    return is_needed(claim, known, now) or await holds(context.writer, claim, now)
