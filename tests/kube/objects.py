"""Builders of devices: as views, and as the API server would write them."""

from typing import Any

import orjson

from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.kube.codec import codec_of


def device_document(
    name: str = "d1",
    *,
    version: int = 1,
    uid: str | None = None,
    labels: dict[str, str] | None = None,
    created: str = "2026-01-01T00:00:00Z",
    **spec: Any,
) -> dict[str, Any]:
    return {
        "apiVersion": "polyfleet.dev/v1alpha1",
        "kind": "Device",
        "metadata": {
            "name": name,
            "uid": uid or f"uid-{name}",
            "resourceVersion": str(version),
            "creationTimestamp": created,
            "labels": labels or {},
        },
        "spec": {"application": "default", "deviceId": name, **spec},
    }


def device(name: str = "d1", **fields: Any) -> Device:
    return codec_of(DEVICES).object(orjson.dumps(device_document(name, **fields)))


def event(type_: str, document: dict[str, Any]) -> bytes:
    return orjson.dumps({"type": type_, "object": document}) + b"\n"


def bookmark(version: int, *, initial_events_end: bool = False) -> bytes:
    annotations = {"k8s.io/initial-events-end": "true"} if initial_events_end else {}
    metadata = {"resourceVersion": str(version), "annotations": annotations}
    return event("BOOKMARK", {"kind": "Device", "metadata": metadata})


def status(code: int, reason: str, message: str = "no") -> dict[str, Any]:
    return {"kind": "Status", "code": code, "reason": reason, "message": message}


SPEC = {"application": "default", "deviceId": "d1"}
