"""Writing what a client gives in place of what there is, and nothing else of the object."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from polyfleet.api.core.errors import Conflict, Unavailable
from polyfleet.api.core.exact_json import canonical
from polyfleet.api.dialects.drogue import finalizers, labels
from polyfleet.api.dialects.drogue.documents import data_of, version_of
from polyfleet.api.dialects.drogue.patience import Patience
from polyfleet.api.dialects.drogue.resources import Given, Preconditions
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import Kind
from polyfleet.kube.writer import Writer

Item = TypeVar("Item", Application, Device)


async def settled(
    writer: Writer, kind: Kind[Item], item: Item, *preconditions: Preconditions
) -> Item:
    """Return the object as it is, once the preconditions are found to hold.

    A cache may lag behind what the client read elsewhere, so the API server is asked before a
    client is refused. Raises Conflict.
    """
    if _hold(item, preconditions):
        return item
    item = await writer.read(kind, item.metadata.name)
    if not _hold(item, preconditions):
        raise Conflict("the object is not the one that the request is about")
    return item


async def until_written(
    writer: Writer,
    kind: Kind[Item],
    item: Item,
    preconditions: Preconditions,
    attempt: Callable[[Item], Awaitable[bool]],
    *,
    still_allowed: Callable[[Item], None] = lambda _: None,
) -> None:
    """Try to write until no other writer comes in between.

    `attempt` gets the object as it is and returns False if somebody else was faster; then
    `still_allowed` raises if the caller may no longer write it. Raises Conflict if a precondition
    does not hold, and Unavailable if it takes too long.
    """
    patience = Patience()
    while True:
        item = await settled(writer, kind, item, preconditions)
        if await attempt(item):
            return
        if not await patience.pause():
            raise Unavailable("it changes all the time", retry_after=1.0)
        item = await writer.read(kind, item.metadata.name)
        still_allowed(item)


def operations(item: Item, given: Given, data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the JSON patch that makes the object what a client wants; empty if it is that."""
    meta = item.metadata
    found: list[dict[str, Any]] = []
    if given.labels != labels.shown(meta.labels):
        found.append(_put("/metadata/labels", labels.merged(meta.labels, given.labels)))
    if given.finalizers != finalizers.shown(meta):
        found.append(_put("/metadata/finalizers", finalizers.merged(meta, given.finalizers)))
    stored = data_of(item)._asdict()
    before = {name: part for name, part in stored.items() if part}
    if canonical(before) != canonical(data):
        found.append(_put("/spec/data", data))
    return found


def _hold(item: Item, preconditions: tuple[Preconditions, ...]) -> bool:
    return all(
        wanted.uid in (None, item.metadata.uid)
        and (wanted.resource_version is None or wanted.resource_version == version_of(item))
        for wanted in preconditions
    )


def _put(path: str, value: object) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}
