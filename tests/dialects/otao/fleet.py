"""What the tests of this folder drive: an application with software, groups and devices."""

import secrets
from typing import Any
from urllib.parse import quote

import httpx

from polyfleet.api.core.identity.endpoint_tokens import digest, generate
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.membership import label_key, member_value
from polyfleet.fleet.names import object_name
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import APPLICATIONS, DEVICES, GROUPS
from tests.facade_fixtures import FacadeServer

BASE = "/api/v1"
GENERAL = {"rolloutStrategy": "general"}


class Fleet:
    """An application, and a maker of what belongs to it; people call as `caller`."""

    def __init__(self, server: FacadeServer, caller: httpx.Client, **spec: Any) -> None:
        self.server = server
        self.caller = caller
        self.name = f"app-{secrets.token_hex(4)}"
        whole = {"name": self.name, "createdAt": self._now(), **spec}
        server.call(server.facade.writer.create(APPLICATIONS, self.name, whole))

    @classmethod
    def of_default(cls, server: FacadeServer, caller: httpx.Client) -> "Fleet":
        """Return a maker for the default application."""
        fleet = cls.__new__(cls)
        fleet.server, fleet.caller, fleet.name = server, caller, "default"
        return fleet

    @property
    def software(self) -> str:
        """The path of the application's software."""
        return f"{BASE}/applications/{self.name}/software"

    def post(self, version: str, **body: Any) -> httpx.Response:
        """Ask for a version to be made; `general` unless said otherwise."""
        path = f"{self.software}/{quote(version, safe='')}"
        return self.caller.post(path, json={**GENERAL, **body})

    def make(self, version: str, **body: Any) -> None:
        """Make a version of software."""
        reply = self.post(version, **body)
        assert reply.status_code == 201, reply.text

    def show(self, version: str) -> dict[str, Any]:
        """Return a version as the API shows it."""
        reply = self.caller.get(f"{self.software}/{quote(version, safe='')}")
        assert reply.status_code == 200, reply.text
        document: dict[str, Any] = reply.json()
        return document

    def group(self, name: str) -> DeviceGroup:
        """Make a group."""
        spec = {"application": self.name, "name": name, "createdAt": self._now()}
        return self._create(GROUPS, object_name("DeviceGroup", self.name, name), spec)

    def device(
        self, name: str = "", groups: tuple[DeviceGroup, ...] = (), **spec: Any
    ) -> "Endpoint":
        """Make a device with an endpoint token, in these groups."""
        name, token = name or f"device-{secrets.token_hex(4)}", generate()
        whole = {
            "application": self.name,
            "deviceId": name,
            "createdAt": self._now(),
            "endpointTokenHashes": [digest(token)],
            **spec,
        }
        labels = {label_key(group.metadata.name): member_value(group, 1) for group in groups}
        made = self._create(DEVICES, object_name("Device", self.name, name), whole, labels)
        return Endpoint(self, made, token)

    def current(self, endpoint: str, caller: httpx.Client | None = None) -> httpx.Response:
        """Ask what a device runs."""
        path = f"{BASE}/endpoints/{quote(endpoint, safe='')}/software/current"
        return (caller or self.caller).get(path)

    def _create(self, kind: Any, name: str, spec: Any, labels: Any = None) -> Any:
        writer = self.server.facade.writer
        return self.server.call(writer.create(kind, name, spec, labels=labels))

    def _now(self) -> str:
        return timestamp(self.server.facade.clock())


class Endpoint:
    """A device that speaks for itself over Kaa's protocol."""

    def __init__(self, fleet: Fleet, device: Device, token: str) -> None:
        self.fleet = fleet
        self.uid = device.metadata.uid
        own = device.spec.device_id
        self.flat = own if fleet.name == "default" else f"~{fleet.name}~{own}"
        self.token = token
        self.path = f"/kp1/{fleet.name}-v1/cmx_ota/{token}"

    @property
    def device(self) -> Device:
        """The device as the facade's cache has it."""
        found = self.fleet.server.facade.cache.devices.by_uid(self.uid)
        assert found is not None
        return found

    @property
    def version(self) -> str | None:
        """The version that the device was last heard to run."""
        software = self.device.status.software
        return software.version if software is not None else None

    def change(self, patch: dict[str, Any]) -> None:
        """Change the device as an administrator would, whatever the facade writes meanwhile."""
        writer, name = self.fleet.server.facade.writer, self.device.metadata.name
        self.fleet.server.call(writer.update(DEVICES, name, lambda _: patch))

    def ask(self, **question: Any) -> Any:
        """Ask what to run."""
        reply = self.send("config/json", json=question)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def report(self, version: str, status: int | None = None, reason: str | None = None) -> None:
        """Tell what became of a version."""
        body: dict[str, Any] = {"configId": version}
        if status is not None:
            body["statusCode"] = status
        if reason is not None:
            body["reasonPhrase"] = reason
        reply = self.send("applied/json", json=body)
        assert reply.status_code == 200, reply.text
        assert reply.json() == {"statusCode": 200, "reasonPhrase": "OK"}

    def send(self, resource: str, **request: Any) -> httpx.Response:
        """Send a request of the protocol."""
        with self.fleet.server.client() as client:
            return client.post(f"{self.path}/{resource}", **request)


def message(reply: httpx.Response) -> str:
    """Return the text of an error, which must have the document's one field and no other."""
    assert reply.headers["content-type"] == "application/json"
    document = reply.json()
    assert document.keys() == {"message"}
    assert isinstance(document["message"], str)
    assert document["message"]
    return str(document["message"])


def reason(reply: httpx.Response) -> str:
    """Return the text of an error for devices, which tells its status in the body, too."""
    assert reply.headers["content-type"] == "application/json"
    document = reply.json()
    assert document.keys() == {"statusCode", "reasonPhrase"}
    assert document["statusCode"] == reply.status_code
    assert document["reasonPhrase"]
    return str(document["reasonPhrase"])
