"""Prepared HTTP requests, as bytes to be sent again and again."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from benchmarks.devices import FleetDevice
from polyfleet.simulator.keys import KeyPool

_COLLECTION = "/apis/polyfleet.dev/v1alpha1/namespaces/{}/devices"


def request(
    method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> bytes:
    """Return an HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: benchmark"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def json_request(
    method: str, path: str, document: Any, headers: Mapping[str, str] | None = None
) -> bytes:
    """Return a request with a JSON body."""
    body = json.dumps(document, separators=(",", ":")).encode()
    return request(method, path, {"Content-Type": "application/json", **(headers or {})}, body)


def check_update(device: FleetDevice, token: str) -> bytes:
    """Return RDFM's question for an update."""
    return json_request("POST", "/api/v1/update/check", device.told(), bearer(token))


def authorize_device(device: FleetDevice, keys: KeyPool, timestamp: int) -> bytes:
    """Return a signed RDFM device authorization."""
    body = json.dumps(
        {
            "metadata": device.told(),
            "public_key": keys.public_pem(device.number),
            "timestamp": timestamp,
        }
    ).encode()
    signature = base64.b64encode(keys.sign(device.number, body)).decode()
    headers = {"Content-Type": "application/json", "X-RDFM-Device-Signature": signature}
    return request("POST", "/api/v1/auth/device", headers, body)


def accept_device(device: FleetDevice, keys: KeyPool, management_token: str) -> bytes:
    """Return the request that lets an enrolled device in."""
    document = {
        "mac_address": device.identifier,
        "public_key": keys.public_pem(device.number),
    }
    return json_request("POST", "/api/v1/auth/register", document, bearer(management_token))


def show_device(device: FleetDevice, management_token: str) -> bytes:
    """Return RDFM's request for one device."""
    return request("GET", f"/api/v1/devices/{device.number}", bearer(management_token))


def create_object(device: FleetDevice, keys: KeyPool, token: str, namespace: str) -> bytes:
    """Return the creation of the Device object on kube-apiserver itself."""
    headers = {"Authorization": f"Bearer {token}"}
    return json_request("POST", _COLLECTION.format(namespace), device.document(keys), headers)


def report_status(device: FleetDevice, token: str, namespace: str) -> bytes:
    """Return the patch of the Device's status on kube-apiserver itself."""
    path = f"{_COLLECTION.format(namespace)}/{device.name}/status"
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/merge-patch+json",
    }
    return json_request("PATCH", path, device.status(), headers)


def get_object(device: FleetDevice, token: str, namespace: str) -> bytes:
    """Return the GET of the Device object on kube-apiserver itself."""
    path = f"{_COLLECTION.format(namespace)}/{device.name}"
    return request("GET", path, {"Authorization": f"Bearer {token}"})


def bearer(token: str) -> dict[str, str]:
    """Return the header in RDFM's form."""
    return {"Authorization": f"Bearer token={token}"}
