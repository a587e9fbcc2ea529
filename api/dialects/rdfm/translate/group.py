"""Groups: RDFM's two forms of a DeviceGroup, and what their bodies say."""

from collections.abc import Iterable
from typing import Any

from polyfleet.api.dialects.rdfm.translate.dates import birth, unzoned
from polyfleet.api.dialects.rdfm.translate.wire import embedded
from polyfleet.fleet.objects.group import DeviceGroup

NAME_KEY = "rdfm.group.name"
_LONGEST_NAME = 253


def document(
    group: DeviceGroup, *, devices: Iterable[int], packages: Iterable[int], priority: bool
) -> dict[str, Any]:
    """Return a group with the exact keys that RDFM's clients accept; `priority` only in API v2."""
    spec = group.spec
    found = {
        "id": group.serial,
        "created": unzoned(birth(group.metadata, spec.created_at)),
        "devices": sorted(devices),
        "packages": list(packages),
        "metadata": embedded(spec.metadata),
        "policy": spec.policy,
    }
    if priority:
        found["priority"] = spec.priority
    return found


def wire_name(metadata: dict[str, Any]) -> str | None:
    """Return the name that a group's metadata asks for, if it can be one."""
    name = metadata.get(NAME_KEY)
    if not isinstance(name, str):
        return None
    fits = name == name.strip() and name.isprintable() and 0 < len(name) <= _LONGEST_NAME
    return name if fits else None
