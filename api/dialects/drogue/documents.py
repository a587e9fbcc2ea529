"""Applications and devices as this API shows them, and the versions by which it tells them apart.

A version is a digest of what clients of this API can write: what others do to the same object
never makes a client's write fail.
"""

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import orjson

from polyfleet.api.dialects.drogue import finalizers, labels
from polyfleet.api.dialects.drogue.credentials import without_credentials
from polyfleet.fleet.device_credentials import without_clear_text
from polyfleet.fleet.json_text import shallow
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.lock import is_disabled
from polyfleet.fleet.objects.metadata import ObjectMeta

_REMEMBERED = 16_384


class Data(NamedTuple):
    """The structured JSON of an application or a device."""

    spec: dict[str, Any]
    status: dict[str, Any]
    annotations: dict[str, Any]


def data_of(item: Application | Device) -> Data:
    """Return the structured JSON that an object holds.

    Parts of another form read as empty, what is nested too deeply as null.
    """
    stored = orjson.loads(shallow(bytes(item.spec.data)))
    parts = (stored.get(name) if isinstance(stored, dict) else None for name in Data._fields)
    return Data(*(part if isinstance(part, dict) else {} for part in parts))


def version_of(item: Application | Device) -> str:
    """Return the version of an object in this API."""
    meta, spec = item.metadata, item.spec
    own: list[Any] = [
        meta.uid,
        meta.deletion_timestamp,
        labels.shown(meta.labels),
        finalizers.shown(meta),
        spec.data,
    ]
    if isinstance(item, Application):
        own += [item.spec.owner, item.spec.members, item.spec.transfer_to]
    else:
        own.append(item.spec.disabled)
    digest = hashlib.blake2b(msgspec.json.encode(own), digest_size=16).digest()
    return str(uuid.UUID(bytes=digest, version=4))


def application_document(application: Application) -> dict[str, Any]:
    """Return an application."""
    data = data_of(application)
    metadata = _metadata(application.metadata, application.spec.name, application.spec.created_at)
    metadata["resourceVersion"] = version_of(application)
    return _document(metadata, data, data.spec)


def device_document(device: Device, application: Application, *, secret: bool) -> dict[str, Any]:
    """Return a device; with `secret` its hashed credentials too, for those who may set them."""
    data = data_of(device)
    metadata = _metadata(device.metadata, device.spec.device_id, device.spec.created_at)
    metadata["application"] = application.spec.name
    metadata["resourceVersion"] = version_of(device)
    spec = with_lock(data.spec, disabled=device.spec.disabled)
    shown = without_clear_text(spec) if secret else without_credentials(spec)
    return _document(metadata, data, shown)


def with_lock(spec: Mapping[str, Any], *, disabled: bool) -> dict[str, Any]:
    """Return a device's spec whose section `core` says what holds, whoever decided it."""
    if is_disabled(spec) == disabled:
        return dict(spec)
    core = spec.get("core")
    return {**spec, "core": {**(core if isinstance(core, dict) else {}), "disabled": disabled}}


class Documents:
    """Encoded objects, kept while they do not change."""

    def __init__(self) -> None:
        self._encoded: dict[tuple[str, bool], tuple[str, str, bytes]] = {}

    def application(self, application: Application) -> bytes:
        """Return an application's document."""
        key = (application.metadata.uid, False)
        known = self._known(key, application.metadata, "")
        if known is None:
            known = self._keep(
                key, application.metadata, "", orjson.dumps(application_document(application))
            )
        return known

    def device(self, device: Device, application: Application, *, secret: bool) -> bytes:
        """Return a device's document."""
        key = (device.metadata.uid, secret)
        name = application.spec.name
        known = self._known(key, device.metadata, name)
        if known is None:
            document = device_document(device, application, secret=secret)
            known = self._keep(key, device.metadata, name, orjson.dumps(document))
        return known

    def _known(self, key: tuple[str, bool], meta: ObjectMeta, name: str) -> bytes | None:
        entry = self._encoded.get(key)
        if entry is None or entry[0] != meta.resource_version or entry[1] != name:
            return None
        return entry[2]

    def _keep(self, key: tuple[str, bool], meta: ObjectMeta, name: str, body: bytes) -> bytes:
        self._encoded.pop(key, None)
        while len(self._encoded) >= _REMEMBERED:
            del self._encoded[next(iter(self._encoded))]
        self._encoded[key] = (meta.resource_version, name, body)
        return body


def _metadata(meta: ObjectMeta, name: str, created_at: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": name,
        "uid": meta.uid,
        "creationTimestamp": created_at or meta.creation_timestamp,
        "generation": max(0, meta.generation - 1),
    }
    if meta.deletion_timestamp is not None:
        found["deletionTimestamp"] = meta.deletion_timestamp
    if held_by := finalizers.shown(meta):
        found["finalizers"] = held_by
    if shown := labels.shown(meta.labels):
        found["labels"] = shown
    return found


def _document(metadata: dict[str, Any], data: Data, spec: Mapping[str, Any]) -> dict[str, Any]:
    if annotations := {k: v for k, v in data.annotations.items() if isinstance(v, str)}:
        metadata["annotations"] = annotations
    document: dict[str, Any] = {"metadata": metadata}
    if spec:
        document["spec"] = spec
    if data.status:
        document["status"] = data.status
    return document
