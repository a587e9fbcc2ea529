"""Keeps the status of groups, tidies their membership changes, and sweeps deleted ones."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from polyfleet.fleet import membership
from polyfleet.fleet.claimants import older_claimant
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import DEVICES, GROUPS
from polyfleet.kube.cache import Cache
from polyfleet.kube.errors import Conflict, NotFound
from polyfleet.kube.membership_tidy import abort_expired, tidy
from polyfleet.kube.parallel import for_each
from polyfleet.operator.context import Context
from polyfleet.operator.controllers.serials import new_serial
from polyfleet.operator.indexes import (
    MEMBERSHIP,
    WIRE_NAME,
    MembershipKey,
    application_present,
    group_wire_name,
)
from polyfleet.operator.reconcile.adoption import metadata_patch, release_patch
from polyfleet.operator.reconcile.groups import GroupFacts, judge
from polyfleet.operator.reconcile.verdict import Notice

_PAGE = 200
_ROUNDS = 5
_ROUND_SECONDS = 0.5


async def reconcile(context: Context, name: str) -> float | None:
    """Bring the group's labels, finalizer and status up to date."""
    cache = context.cache
    group = cache.groups.get(name)
    if group is None:
        context.swept.forget(name)
        return None
    if group.metadata.terminating:
        await _sweep(context, group)
        return None
    serial = await new_serial(context, GROUPS, group)
    metadata = metadata_patch(
        group.metadata, application=group.spec.application, serial=serial, finalizer=True
    )
    if metadata is not None:
        group = await context.write(GROUPS, group, metadata=metadata)
    again = await _settle_changes(context, group)
    group = cache.groups.get(name) or group
    verdict = judge(_facts(cache, group), context.clock())
    await context.write(GROUPS, group, status=verdict.status)
    return again


async def _settle_changes(context: Context, group: DeviceGroup) -> float | None:
    """End what is past its deadline, and turn the marks of ended changes into plain labels."""
    now = context.clock()
    await abort_expired(context.writer, group, now)
    return await tidy(context.writer, context.cache, group, now)


def count_members(cache: Cache, group: DeviceGroup) -> int:
    """Return how many devices are in the group, without looking at each where labels suffice."""
    name = group.metadata.name
    incarnation = membership.incarnation(group.metadata.uid)

    def labelled(state: str, change: str) -> list[str]:
        key: MembershipKey = (name, incarnation, state, change)
        return list(cache.devices.names(MEMBERSHIP, key))

    members = labelled("member", "")
    # A mark counts as its change says: joining once it is committed, leaving until then.
    for change in group.status.changes:
        members += labelled("joining" if change.committed else "leaving", change.id)
    if group.spec.selector is None:
        return len(members)
    selected = cache.devices.select(group.spec.selector)
    matching = {device.metadata.name for device in selected if membership.is_member(device, group)}
    return len(matching.union(members))


def _facts(cache: Cache, group: DeviceGroup) -> GroupFacts:
    (wire_name,) = group_wire_name(group)
    packages = {
        name: package
        for name in group.spec.packages
        if (package := cache.packages.get(name)) is not None
    }
    return GroupFacts(
        group=group,
        members=count_members(cache, group),
        packages=packages,
        application_present=application_present(cache, group.spec.application),
        older=older_claimant(group, cache.groups.find(WIRE_NAME, wire_name)),
        serial=group.metadata.serial,
    )


async def _sweep(context: Context, group: DeviceGroup) -> None:
    """Take the group's label off its devices, then let it go."""
    release = release_patch(group.metadata)
    if release is None:
        return
    name, uid = group.metadata.name, group.metadata.uid
    for _ in range(_ROUNDS):
        if not await _sweep_once(context, name, uid):
            break
        # Lists are read from the API server, so only what was labelled meanwhile is left.
        await asyncio.sleep(_ROUND_SECONDS)
    else:
        raise Conflict(409, "Conflict", "devices still join the group that is being deleted")
    swept = context.swept.of(name, uid)
    if swept:
        # Before the write: once the group is gone, there is nothing to tell of.
        context.tell(group, Notice("GroupSwept", f"{swept} devices left the deleted group"))
        context.swept.forget(name)
    with suppress(NotFound):
        await context.write(GROUPS, group, metadata=release)


async def _sweep_once(context: Context, name: str, uid: str) -> bool:
    """Take the label off all devices that have it; return whether any had."""
    key = membership.label_key(name)

    def without(device: Device) -> Mapping[str, Any] | None:
        changes = membership.leaving_labels(device.metadata.labels, name)
        return {"metadata": {"labels": changes}} if changes else None

    async def clear(device: Device) -> None:
        context.cache.devices.apply(device)
        with suppress(NotFound):
            await context.writer.update(DEVICES, device.metadata.name, without)
            context.swept.add(name, uid)

    found = False
    async for page in context.client.list_pages(DEVICES, limit=_PAGE, label_selector=key):
        found = found or bool(page.items)
        await for_each(page.items, clear)
    return found
