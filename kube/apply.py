"""Objects that Polyfleet makes for others: created if absent, then kept as they should be.

Server-side apply alone would adopt an object of that name which somebody else made. So an object
is created, which fails if there is one, and applied only where it is ours by its controller: as
the very version that was looked at, and forced, for whatever differs on our own object is drift.
"""

from collections.abc import Callable, Mapping
from typing import Any

from polyfleet.fleet.objects.kinds import Kind
from polyfleet.fleet.objects.metadata import APPLICATION_UID_LABEL
from polyfleet.kube.client import Client
from polyfleet.kube.errors import AlreadyExists, Conflict, NotFound
from polyfleet.kube.resources import Resource

_ATTEMPTS = 3


class NameTakenError(Exception):
    """The name belongs to an object that is not ours."""


async def apply_owned(
    client: Client,
    kind: Kind[Any] | Resource,
    body: Mapping[str, Any],
    *,
    adjust: Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Make an object, or bring ours of that name up to date; return it as it is then.

    The body's label polyfleet.dev/application-uid says whose it is, and so does the controller
    among its ownerReferences if it has one. `adjust` makes of the body and the object that is
    there what is to be applied. Raises NameTakenError if there is one that is not ours, and
    Conflict if it is being deleted or others are faster again and again.
    """
    name = body["metadata"]["name"]
    for _ in range(_ATTEMPTS):
        found = await read(client, kind, name)
        try:
            if found is None:
                return await _as_applied(client, kind, await client.create_document(kind, body))
            check_owned(found, body, kind)
            if found["metadata"].get("deletionTimestamp"):
                break
            found = await _as_applied(client, kind, found)
            wanted = body if adjust is None else adjust(body, found)
            return await client.patch_document(
                kind, name, _checked(wanted, found), content="apply", force=True
            )
        except (AlreadyExists, NotFound, Conflict):
            continue
    raise Conflict(409, "Conflict", f"{kind.name} {name} is being changed or deleted by others")


async def read(client: Client, kind: Kind[Any] | Resource, name: str) -> dict[str, Any] | None:
    """Return an object as it is on the API server; None if there is none."""
    try:
        return await client.get_document(kind, name)
    except NotFound:
        return None


def check_owned(
    found: Mapping[str, Any], body: Mapping[str, Any], kind: Kind[Any] | Resource
) -> None:
    """Raise NameTakenError if an object does not belong to whom the body says it does."""
    metadata, wanted = found["metadata"], body["metadata"]
    labels = metadata.get("labels") or {}
    same = labels.get(APPLICATION_UID_LABEL) == wanted["labels"][APPLICATION_UID_LABEL]
    if wanted.get("ownerReferences"):
        # Anybody can set a label on an object; only one controller can own it.
        same = _controller(metadata) == _controller(wanted)
    if not same:
        raise NameTakenError(f"there is a {kind.name} {metadata['name']} that is somebody else's")


def _controller(metadata: Mapping[str, Any]) -> str | None:
    owners = metadata.get("ownerReferences") or ()
    return next((owner["uid"] for owner in owners if owner.get("controller")), None)


def _checked(body: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    checks = {key: found["metadata"][key] for key in ("uid", "resourceVersion")}
    return {**body, "metadata": {**body["metadata"], **checks}}


async def _as_applied(
    client: Client, kind: Kind[Any] | Resource, found: dict[str, Any]
) -> dict[str, Any]:
    """Count our own creation of the object as an apply, so that later ones can take fields away.

    A process that dies between the creation and this leaves it to the next apply.
    """
    metadata = found["metadata"]
    entries = metadata.get("managedFields") or []
    changed = [
        {**entry, "operation": "Apply"} if _is_creation(entry, client.field_manager) else entry
        for entry in entries
    ]
    if changed == entries or any(_is_apply(entry, client.field_manager) for entry in entries):
        return found
    patch = [
        {"op": "replace", "path": f"/metadata/{key}", "value": value}
        for key, value in (
            ("uid", metadata["uid"]),
            ("resourceVersion", metadata["resourceVersion"]),
            ("managedFields", changed),
        )
    ]
    return await client.patch_document(kind, metadata["name"], patch, content="json")


def _is_creation(entry: Mapping[str, Any], manager: str) -> bool:
    ours = entry.get("manager") == manager and entry.get("operation") == "Update"
    return ours and not entry.get("subresource")


def _is_apply(entry: Mapping[str, Any], manager: str) -> bool:
    return entry.get("manager") == manager and entry.get("operation") == "Apply"
