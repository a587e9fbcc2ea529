"""How an object says in `metadata.ownerReferences` with which other one it goes."""

from typing import Any

from polyfleet.fleet.objects.kinds import Kind, Object


def owner_reference(kind: Kind[Object], owner: Object) -> dict[str, Any]:
    """Return the reference to an owner of this kind."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "name": owner.metadata.name,
        "uid": owner.metadata.uid,
    }
