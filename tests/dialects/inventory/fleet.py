"""What the tests of this folder drive: a maker of devices and groups."""

import secrets
from typing import Any
from urllib.parse import quote

import httpx

from polyfleet.fleet.objects.device import Device
from polyfleet.kube.devices import find_device
from tests.facade_fixtures import FacadeServer

BASE = "/api/management/v1/inventory"
SERVICE = "/api/0.1.0"
SEARCH = "/api/management/v2/inventory/filters/search"
UPLOAD = "/api/devices/v1/inventory/device/attributes"
LOGIN = "/api/management/v1/useradm/auth/login"


class Fleet:
    """Makes devices and groups through the API."""

    def __init__(self, server: FacadeServer, manager: httpx.Client) -> None:
        self.server = server
        self.manager = manager

    def device(self, identifier: str | None = None, **attributes: Any) -> str:
        """Make a device with these attributes and return its id."""
        name = identifier or f"device-{secrets.token_hex(6)}"
        listed = [{"name": key, "value": value} for key, value in attributes.items()]
        reply = self.manager.post(f"{BASE}/devices", json={"id": name, "attributes": listed})
        assert reply.status_code == 201, reply.text
        return name

    def show(self, identifier: str) -> dict[str, Any]:
        """Return a device as the API shows it."""
        reply = self.manager.get(f"{BASE}/devices/{quote(identifier, safe='')}")
        assert reply.status_code == 200, reply.text
        document: dict[str, Any] = reply.json()
        return document

    def move(self, identifier: str, group: str) -> None:
        """Move a device into a group."""
        reply = self.manager.put(f"{BASE}/devices/{identifier}/group", json={"group": group})
        assert (reply.status_code, reply.content) == (204, b""), reply.text

    def group_of(self, identifier: str) -> str | None:
        """Return a device's group."""
        reply = self.manager.get(f"{BASE}/devices/{identifier}/group")
        assert reply.status_code == 200, reply.text
        group: str | None = reply.json()["group"]
        return group

    def listed(self, **parameters: Any) -> list[str]:
        """Return the ids that the list gives for these parameters."""
        reply = self.manager.get(f"{BASE}/devices", params={"per_page": 500, **parameters})
        assert reply.status_code == 200, reply.text
        return [item["id"] for item in reply.json()]

    def found(self, *filters: tuple[Any, ...], sort: list[Any] | None = None) -> list[str]:
        """Return the ids that a search gives for filters (attribute, type, value[, scope])."""
        reply = self.manager.post(
            SEARCH,
            json={
                "per_page": 500,
                "filters": [
                    {
                        "scope": found[3] if len(found) > 3 else "inventory",
                        "attribute": found[0],
                        "type": found[1],
                        "value": found[2],
                    }
                    for found in filters
                ],
                "sort": sort or [],
            },
        )
        assert reply.status_code == 200, reply.text
        return [item["id"] for item in reply.json()]

    def cached(self, identifier: str) -> Device:
        """Return the device as the facade's cache has it."""
        device = find_device(self.server.facade.cache.devices, "default", identifier)
        assert device is not None
        return device

    def token(self, identifier: str) -> str:
        """Return a token of a device."""

        async def issue() -> str:
            return self.server.facade.identity.issue_device_token(self.cached(identifier))

        return self.server.call(issue())

    def upload(self, identifier: str, attributes: Any, *, method: str = "PATCH") -> httpx.Response:
        """Upload attributes as the device."""
        headers = {"Authorization": f"Bearer {self.token(identifier)}"}
        with self.server.client(headers=headers) as device:
            return device.request(method, UPLOAD, json=attributes)


def attributes_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return a shown device's attributes by name."""
    return {item["name"]: item["value"] for item in document.get("attributes", [])}


def error_text(reply: httpx.Response) -> str:
    """Return the text of an error, which must have the document's two fields and no other."""
    assert reply.headers["content-type"] == "application/json; charset=utf-8"
    document = reply.json()
    assert document.keys() == {"error", "request_id"}
    assert document["request_id"] == reply.headers["x-men-requestid"]
    text = document["error"]
    assert isinstance(text, str)
    assert text
    return text
