"""Credentials of devices in clients' data, and secrets in clear text among them.

Over the API none come in: passwords are hashed, and a reference takes a pre-shared key's place.
kubectl can write them.
"""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from polyfleet.fleet.json_text import decode_shallow

SECTIONS = ("credentials", "authentication")
REFERENCE = b"polyfleet-psk:"
"""How a reference to a pre-shared key begins, in base64 as a key would be."""
_HASHES = frozenset({"sha512", "bcrypt"})
_KEYS = tuple(f'"{name}"'.encode() for name in SECTIONS)


def credentials(spec: Mapping[str, Any], section: str) -> list[dict[str, Any]]:
    """Return the credentials of one section; none for a section that is not of the known form."""
    found = spec.get(section)
    entries = found.get("credentials") if isinstance(found, Mapping) else None
    return [item for item in entries if isinstance(item, dict)] if isinstance(entries, list) else []


def without_clear_text(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec without what may be a secret in clear text: what cannot be read may be one."""
    return {
        name: _cleared(part) if name in SECTIONS and part is not None else part
        for name, part in spec.items()
        if name not in SECTIONS or part is None or isinstance(part, Mapping)
    }


def has_clear_text(data: msgspec.Raw) -> bool:
    """Say whether encoded data of a device holds what may be a secret in clear text."""
    encoded = bytes(data)
    if not any(key in encoded for key in _KEYS):
        return False
    decoded = decode_shallow(data)
    spec = decoded.get("spec") if isinstance(decoded, dict) else None
    return isinstance(spec, dict) and without_clear_text(spec) != spec


def is_reference(key: object) -> bool:
    """Say whether a text in a pre-shared key's place refers to one that is kept elsewhere."""
    if not isinstance(key, str):
        return False
    try:
        return base64.b64decode(key).startswith(REFERENCE)
    except ValueError:
        return False


def _cleared(section: Mapping[str, Any]) -> dict[str, Any]:
    entries = section.get("credentials")
    if entries is None:
        return dict(section)
    known = entries if isinstance(entries, list) else []
    kept = [entry for entry in known if isinstance(entry, dict) and not _is_clear(entry)]
    return {**section, "credentials": kept}


def _is_clear(entry: Mapping[str, Any]) -> bool:
    if "psk" in entry:
        psk = entry["psk"]
        if not isinstance(psk, Mapping) or not is_reference(psk.get("key")):
            return True
    return not all(map(_is_hashed, _passwords(entry)))


def _is_hashed(password: object) -> bool:
    return isinstance(password, Mapping) and all(
        kind in _HASHES and isinstance(text, str) and text.startswith("$")
        for kind, text in password.items()
    )


def _passwords(entry: Mapping[str, Any]) -> Iterator[object]:
    if "pass" in entry:
        yield entry["pass"]
    if "user" in entry:
        user = entry["user"]
        yield user.get("password") if isinstance(user, Mapping) else user
