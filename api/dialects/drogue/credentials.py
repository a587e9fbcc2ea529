"""Credentials of devices: hashed before they are stored, pre-shared keys kept apart.

In place of a pre-shared key stands a reference: base64 as the key was, so that clients which read
a device and write it back keep it, but worth nothing. The keys are in a Secret.
"""

import base64
import copy
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.to_thread

from polyfleet.api.core.errors import Invalid, Unavailable
from polyfleet.api.core.identity import sha512_crypt
from polyfleet.api.dialects.drogue.patience import Patience
from polyfleet.fleet.device_credentials import REFERENCE, SECTIONS, credentials, is_reference
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.fleet.objects.owners import owner_reference
from polyfleet.kube.client import Client
from polyfleet.kube.errors import AlreadyExists, Conflict, NotFound
from polyfleet.kube.resources import SECRETS

AT_ONCE = 2
_REFERENCE_BYTES = 16
_MOST_COMPARED = 4


@dataclass(frozen=True, slots=True)
class Protected:
    """A spec without secrets; `keys` are pre-shared keys by reference, to be put away."""

    spec: dict[str, Any]
    keys: Mapping[str, str] = field(repr=False, default_factory=dict)


class CredentialGuard:
    """Takes the secrets out of specs; hashing happens in threads, few at once."""

    def __init__(self) -> None:
        self._threads = anyio.CapacityLimiter(AT_ONCE)

    async def protect(self, spec: dict[str, Any], stored: Mapping[str, Any]) -> Protected:
        """Return a checked spec as it may be stored; `stored` is what is there now.

        A password whose hash is there already keeps it. Raises Invalid for a reference to a
        pre-shared key that the device does not have.
        """
        if not any(credentials(spec, name) for name in SECTIONS):
            return Protected(spec)
        return await anyio.to_thread.run_sync(_protect, spec, stored, limiter=self._threads)


class PreSharedKeys:
    """The Secrets that hold pre-shared keys: one a device, owned by it."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def add(self, device: Device, keys: Mapping[str, str]) -> None:
        """Keep keys by reference. May raise ApiError and Unavailable."""
        if keys:
            await self._change(device, lambda data: data | _entries(keys))

    async def forget(self, device: Device, references: Iterable[str]) -> None:
        """Forget these keys, and no others: another writer puts a key here before it refers to it.

        May raise ApiError and Unavailable.
        """
        if gone := {_entry(reference) for reference in references}:
            await self._change(
                device, lambda data: {key: value for key, value in data.items() if key not in gone}
            )

    async def _change(self, device: Device, change: Any) -> None:
        name = f"device-{device.metadata.uid}-psk"
        patience = Patience()
        while True:
            try:
                return await self._try_to_change(name, device, change)
            except (AlreadyExists, Conflict):
                if not await patience.pause():
                    raise Unavailable("it changes all the time", retry_after=1.0) from None

    async def _try_to_change(self, name: str, device: Device, change: Any) -> None:
        try:
            document = await self._client.get_document(SECRETS, name)
        except NotFound:
            body = {"metadata": _metadata(name, device), "type": "Opaque", "data": change({})}
            if body["data"]:
                await self._client.create_document(SECRETS, body)
            return
        before = document.get("data") or {}
        after = change(before)
        if after != before:
            await self._client.replace_document(SECRETS, name, {**document, "data": after})


def without_credentials(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec as people may see it who may not change it."""
    return {key: value for key, value in spec.items() if key not in SECTIONS}


def references(spec: Mapping[str, Any]) -> frozenset[str]:
    """Return the references to pre-shared keys in a spec."""
    return frozenset(psk["key"] for psk in _pre_shared(spec) if is_reference(psk["key"]))


def _protect(spec: dict[str, Any], stored: Mapping[str, Any]) -> Protected:
    known = references(stored)
    hashes = _hashes(stored)
    spec = copy.deepcopy(spec)
    keys: dict[str, str] = {}
    for name in SECTIONS:
        for number, entry in enumerate(credentials(spec, name)):
            if "pass" in entry:
                entry["pass"] = _hashed(entry["pass"], hashes.get(None, ()))
            elif "user" in entry:
                user = entry["user"]
                user["password"] = _hashed(user["password"], hashes.get(user["username"], ()))
            elif "psk" in entry:
                path = f"spec.{name}.credentials[{number}].psk.key"
                _put_away(entry["psk"], known, keys, path)
    return Protected(spec, keys)


def _hashed(password: str | Mapping[str, Any], stored: list[str] | tuple[()]) -> dict[str, Any]:
    given = {"plain": password} if isinstance(password, str) else password
    plain = given.get("plain")
    if plain is None:
        return {kind: text for kind, text in given.items() if text is not None}
    for known in stored[:_MOST_COMPARED]:
        if sha512_crypt.verify(plain, known):
            return {"sha512": known}
    return {"sha512": sha512_crypt.hashed(plain)}


def _hashes(spec: Mapping[str, Any]) -> dict[str | None, list[str]]:
    """Return the stored hashes by user name; None for passwords without one."""
    found: dict[str | None, list[str]] = {}
    for name in SECTIONS:
        for entry in credentials(spec, name):
            user = entry.get("user")
            who = user.get("username") if isinstance(user, dict) else None
            password = user.get("password") if isinstance(user, dict) else entry.get("pass")
            if isinstance(password, dict) and isinstance(password.get("sha512"), str):
                known = found.setdefault(who, [])
                if password["sha512"] not in known:
                    known.append(password["sha512"])
    return found


def _put_away(psk: dict[str, Any], known: frozenset[str], keys: dict[str, str], path: str) -> None:
    key = psk["key"]
    if key in known:
        return
    if is_reference(key):
        raise Invalid(path, "refers to a key that the device does not have")
    handle = REFERENCE + secrets.token_hex(_REFERENCE_BYTES).encode()
    psk["key"] = base64.b64encode(handle).decode()
    keys[psk["key"]] = key


def _pre_shared(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name in SECTIONS:
        for entry in credentials(spec, name):
            psk = entry.get("psk")
            if isinstance(psk, dict) and isinstance(psk.get("key"), str):
                yield psk


def _entries(keys: Mapping[str, str]) -> dict[str, str]:
    return {_entry(reference): key for reference, key in keys.items()}


def _entry(reference: str) -> str:
    """Return the name of a key within its Secret."""
    return base64.b64decode(reference).removeprefix(REFERENCE).decode(errors="replace")


def _metadata(name: str, device: Device) -> dict[str, Any]:
    return {"name": name, "ownerReferences": [owner_reference(DEVICES, device)]}
