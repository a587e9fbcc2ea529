"""Taking names that must be unique, and giving them back.

A claim is only ever deleted as it was when it was judged, and whoever takes a name that it holds
already writes to the claim: nobody deletes it then by what was seen before.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any

from polyfleet.fleet.claims import ClaimedName, is_needed
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.names import application_label
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.claim import Claim, ClaimHolder
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import APPLICATIONS, CLAIMS, DEVICES, Kind
from polyfleet.fleet.objects.metadata import APPLICATION_LABEL, KEPT_ANNOTATION
from polyfleet.kube.errors import AlreadyExists, Conflict, NotFound
from polyfleet.kube.writer import Writer

_ATTEMPTS = 5
HOLDERS: dict[str, Kind[Any]] = {"Device": DEVICES, "Application": APPLICATIONS}
"""The kinds whose objects hold names."""


async def take(
    writer: Writer, names: Iterable[ClaimedName], holder: ClaimHolder, now: datetime
) -> list[Claim]:
    """Take all of the names for a holder, or none; return the claims that it did not have before.

    The holder's uid is absent while it is not made. Raises Conflict if somebody else has one.
    """
    taken: list[Claim] = []
    try:
        for name in sorted(names):
            claim = await _take_one(writer, name, holder, now)
            if claim is not None:
                taken.append(claim)
    except Conflict:
        await release(writer, taken)
        raise
    return taken


async def held(writer: Writer, names: Iterable[ClaimedName], holder: ClaimHolder) -> list[Claim]:
    """Return the holder's claims of the names. Asks the API server.

    Who is about to give names up asks before, and releases these after: if somebody takes a name
    for the same holder meanwhile, it stays taken.
    """
    claims = [await _read(writer, name) for name in sorted(names)]
    return [claim for claim in claims if claim is not None and _is_held_by(claim, holder)]


async def release(writer: Writer, claims: Iterable[Claim]) -> None:
    """Give names back, but for those whose claims have changed."""
    for claim in claims:
        await _drop(writer, claim)


async def holder_of(writer: Writer, name: ClaimedName, now: datetime) -> ClaimHolder | None:
    """Return who has a name; None if nobody does. Asks the API server."""
    claim = await _read(writer, name)
    if claim is None or not await holds(writer, claim, now):
        return None
    return claim.spec.holder


async def holds(writer: Writer, claim: Claim, now: datetime) -> bool:
    """Say whether its holder has the name, or may be about to write it. Asks the API server."""
    kind = HOLDERS.get(claim.spec.holder.kind)
    holder: Device | Application | None = None
    if kind is not None:
        with suppress(NotFound):
            holder = await writer.read(kind, claim.spec.holder.name)
    return is_needed(claim, holder, now)


async def _take_one(
    writer: Writer, name: ClaimedName, holder: ClaimHolder, now: datetime
) -> Claim | None:
    """Return the new claim; None if it was the holder's already."""
    for _ in range(_ATTEMPTS):
        with suppress(AlreadyExists):
            return await _create(writer, name, holder, now)
        claim = await _read(writer, name)
        if claim is None:
            continue
        if holder.uid is not None and _is_held_by(claim, holder):
            with suppress(NotFound, Conflict):
                await _keep(writer, claim, now)
                return None
        elif await holds(writer, claim, now):
            break
        else:
            await _drop(writer, claim)
    raise Conflict(409, "Conflict", "the name is taken")


async def _create(writer: Writer, name: ClaimedName, holder: ClaimHolder, now: datetime) -> Claim:
    spec: dict[str, Any] = {
        "type": name.type,
        "value": name.value,
        "holder": {"kind": holder.kind, "name": holder.name},
        "createdAt": timestamp(now),
    }
    labels = {}
    if holder.uid is not None:
        spec["holder"]["uid"] = holder.uid
    if name.application:
        spec["application"] = name.application
        labels[APPLICATION_LABEL] = application_label(name.application)
    return await writer.create(CLAIMS, name.object_name, spec, labels=labels)


async def _keep(writer: Writer, claim: Claim, now: datetime) -> None:
    """Make the claim young again: its holder may be about to write the name."""
    patch = {"metadata": {"annotations": {KEPT_ANNOTATION: timestamp(now)}}}
    await writer.patch(CLAIMS, claim, patch)


async def _read(writer: Writer, name: ClaimedName) -> Claim | None:
    with suppress(NotFound):
        return await writer.read(CLAIMS, name.object_name)
    return None


async def _drop(writer: Writer, claim: Claim) -> None:
    with suppress(NotFound, Conflict):
        await writer.delete(CLAIMS, claim)


def _is_held_by(claim: Claim, holder: ClaimHolder) -> bool:
    named = claim.spec.holder
    same = (named.kind, named.name) == (holder.kind, holder.name)
    return same and named.uid in (None, holder.uid)
