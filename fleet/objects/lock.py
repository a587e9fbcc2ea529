"""The section `core` of clients' data, by which an application or a device is locked out."""

from collections.abc import Mapping
from typing import Any

import msgspec

from polyfleet.fleet.json_text import decode_shallow

_KEY = b'"core"'


def is_disabled(spec: Mapping[str, Any]) -> bool:
    """Say whether the section `core` locks out; one that cannot be read does."""
    core = spec.get("core")
    if core is None:
        return False
    return not isinstance(core, Mapping) or core.get("disabled", False) is not False


def without_lock(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec that does not lock out by a section that can be read."""
    core = spec.get("core")
    if not isinstance(core, Mapping) or core.get("disabled") is not True:
        return dict(spec)
    return {**spec, "core": {key: value for key, value in core.items() if key != "disabled"}}


def data_disables(data: msgspec.Raw) -> bool:
    """Say whether encoded data locks out; nearly all is seen not to without being decoded."""
    if _KEY not in bytes(data):
        return False
    decoded = decode_shallow(data)
    spec = decoded.get("spec") if isinstance(decoded, dict) else None
    return isinstance(spec, dict) and is_disabled(spec)
