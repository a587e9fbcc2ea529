"""Taking names that must be unique, and giving them back."""

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
from polyfleet.fleet.objects.metadata import APPLICATION_LABEL
from polyfleet.kube.errors import AlreadyExists, Conflict, NotFound
from polyfleet.kube.writer import Writer

_ATTEMPTS = 3
_HOLDERS: dict[str, Kind[Any]] = {"Device": DEVICES, "Application": APPLICATIONS}


async def take(
    writer: Writer, names: Iterable[ClaimedName], holder: ClaimHolder, now: datetime
) -> list[ClaimedName]:
    """Take all of the names for a holder, or none; return those that were not its own before.

    The holder's uid is absent while it is not made. Raises Conflict if somebody else has one.
    """
    taken: list[ClaimedName] = []
    try:
        for name in sorted(names):
            if await _take_one(writer, name, holder, now):
                taken.append(name)  # noqa: PERF401 - what was taken so far is needed on failure
    except Conflict:
        await release(writer, taken, holder)
        raise
    return taken


async def release(writer: Writer, names: Iterable[ClaimedName], holder: ClaimHolder) -> None:
    """Give names back that are the holder's; others stay."""
    for name in names:
        claim = await _read(writer, name)
        if claim is not None and _is_held_by(claim, holder):
            await _drop(writer, claim)


async def holder_of(writer: Writer, name: ClaimedName, now: datetime) -> ClaimHolder | None:
    """Return who has a name; None if nobody does. Asks the API server."""
    claim = await _read(writer, name)
    if claim is None or not await _holds(writer, claim, now):
        return None
    return claim.spec.holder


async def _take_one(writer: Writer, name: ClaimedName, holder: ClaimHolder, now: datetime) -> bool:
    for _ in range(_ATTEMPTS):
        try:
            await _create(writer, name, holder, now)
        except AlreadyExists:
            claim = await _read(writer, name)
            if claim is None:
                continue
            if holder.uid is not None and _is_held_by(claim, holder):
                return False
            if await _holds(writer, claim, now):
                break
            await _drop(writer, claim)
        else:
            return True
    raise Conflict(409, "Conflict", "the name is taken")


async def _create(writer: Writer, name: ClaimedName, holder: ClaimHolder, now: datetime) -> None:
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
    await writer.create(CLAIMS, name.object_name, spec, labels=labels)


async def _read(writer: Writer, name: ClaimedName) -> Claim | None:
    with suppress(NotFound):
        return await writer.read(CLAIMS, name.object_name)
    return None


async def _holds(writer: Writer, claim: Claim, now: datetime) -> bool:
    kind = _HOLDERS.get(claim.spec.holder.kind)
    holder: Device | Application | None = None
    if kind is not None:
        with suppress(NotFound):
            holder = await writer.read(kind, claim.spec.holder.name)
    return is_needed(claim, holder, now)


async def _drop(writer: Writer, claim: Claim) -> None:
    with suppress(NotFound, Conflict):
        await writer.delete(CLAIMS, claim, checked=False)


def _is_held_by(claim: Claim, holder: ClaimHolder) -> bool:
    held = claim.spec.holder
    same = (held.kind, held.name) == (holder.kind, holder.name)
    return same and held.uid in (None, holder.uid)
