"""Clients' finalizers, kept as Kubernetes' own: below a prefix, odd characters escaped."""

import re
from collections.abc import Iterable

from polyfleet.fleet.objects.metadata import ObjectMeta

_PREFIX = "drogue.polyfleet.dev/"
_NATIVE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_TO_ESCAPE = re.compile("_(?=[0-9A-F]{2})|[^A-Za-z0-9._-]")
_ESCAPED = re.compile("(?:_[0-9A-F]{2})+")


def shown(metadata: ObjectMeta) -> list[str]:
    """Return the finalizers that clients set, as they named them."""
    names = (name for name in metadata.finalizers if name.startswith(_PREFIX))
    return [_ESCAPED.sub(_unescaped, name.removeprefix(_PREFIX)) for name in names]


def native(names: Iterable[str]) -> list[str]:
    """Return clients' finalizers as they are kept."""
    return [_PREFIX + _TO_ESCAPE.sub(_escaped, name) for name in names]


def merged(metadata: ObjectMeta, given: Iterable[str]) -> list[str]:
    """Return all finalizers of an object whose client gave these in place of the earlier ones."""
    others = [name for name in metadata.finalizers if not name.startswith(_PREFIX)]
    return others + native(given)


def can_be_kept(name: str) -> bool:
    """Say whether Kubernetes takes the finalizer as it is kept."""
    (kept,) = native([name])
    return _NATIVE.fullmatch(kept.removeprefix(_PREFIX)) is not None


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"_{byte:02X}" for byte in found[0].encode())


def _unescaped(found: re.Match[str]) -> str:
    return bytes.fromhex(found[0].replace("_", "")).decode(errors="replace")
