"""Groups: RDFM's two forms of a DeviceGroup, and what their bodies say."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import orjson

from polyfleet.api.dialects.rdfm.translate.dates import birth, greenwich
from polyfleet.api.dialects.rdfm.translate.wire import embedded, exact_object, fragment
from polyfleet.fleet.objects.group import DeviceGroup

NAME_KEY = "rdfm.group.name"
_LONGEST_NAME = 253
_LARGEST_MEMO = 4096


def document(
    group: DeviceGroup, *, devices: Iterable[int], packages: Iterable[int], priority: bool
) -> dict[str, Any]:
    """Return a group with the exact keys that RDFM's clients accept; `priority` only in API v2."""
    spec = group.spec
    found = {
        "id": group.serial,
        "created": greenwich(birth(group.metadata, spec.created_at)),
        "devices": sorted(devices),
        "packages": list(packages),
        "metadata": _metadata(group),
        "policy": spec.policy,
    }
    if priority:
        found["priority"] = spec.priority
    return found


def nameless(serial: int) -> str:
    """Return the name of a group whose maker gave none."""
    return f"group-{serial}"


def _metadata(group: DeviceGroup) -> orjson.Fragment:
    """Return a group's metadata, with the name by which everybody else knows it."""
    spec = group.spec
    if group.serial is not None and spec.name == nameless(group.serial):
        return embedded(spec.metadata)
    return _named(spec.metadata, spec.name)


@lru_cache(_LARGEST_MEMO)
def _named(metadata: str, name: str) -> orjson.Fragment:
    try:
        document = exact_object(metadata)
    except ValueError:
        document = {}
    return fragment({NAME_KEY: name, **document})


def wire_name(metadata: dict[str, Any]) -> str | None:
    """Return the name that a group's metadata asks for, if it can be one."""
    name = metadata.get(NAME_KEY)
    if not isinstance(name, str):
        return None
    fits = name == name.strip() and name.isprintable() and 0 < len(name) <= _LONGEST_NAME
    return name if fits else None
