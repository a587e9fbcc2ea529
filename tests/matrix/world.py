"""One fleet and all its faces, each with a caller in that face's own form of the credential."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from polyfleet.api.core.identity import endpoint_tokens
from tests.dialects.rdfm.fleet import SimulatedDevice
from tests.operator.conftest import eventually
from tests.stage import Stage

APPLICATION = "default"
DEVICE_TYPE = "kettle"

INVENTORY = "/api/management/v1/inventory"
Result = TypeVar("Result")

UPLOAD = "/api/devices/v1/inventory/device/attributes"
SOFTWARE = f"/api/v1/applications/{APPLICATION}/software"
APPS = "/api/registry/v1alpha1/apps"


class World:
    """What the rows and columns of the matrix act on."""

    def __init__(self, stage: Stage, kubectl: Callable[..., str], kubeconfig: Path) -> None:
        self.stage = stage
        self._clients = ExitStack()
        self._kubeconfig = kubeconfig
        self.cluster = stage.fleet
        self.kubectl = kubectl
        self.devices: dict[str, SimulatedDevice] = {}
        """The devices with a key, by id."""
        self.notes: dict[str, Any] = {}
        """What rows have to remember, by the thing's name."""

    def close(self) -> None:
        """Close the callers' connections."""
        self._clients.close()

    @cached_property
    def anybody(self) -> httpx.Client:
        """A caller without credentials."""
        return self._open()

    @cached_property
    def rdfm(self) -> httpx.Client:
        """An administrator, by `Bearer token=<token>`."""
        return self._caller(f"Bearer token={self.stage.token}")

    @cached_property
    def inventory(self) -> httpx.Client:
        """An administrator, by `Bearer <token>`."""
        return self._caller(f"Bearer {self.stage.token}")

    @cached_property
    def native(self) -> httpx.Client:
        """An administrator, by `Bearer <token>`."""
        return self.inventory

    @cached_property
    def otao(self) -> httpx.Client:
        """An administrator, by `Bearer <token>`."""
        return self.inventory

    @cached_property
    def deis(self) -> httpx.Client:
        """An administrator, by `token <token>`."""
        return self._caller(f"token {self.stage.token}")

    @cached_property
    def drogue(self) -> httpx.Client:
        """An administrator, by Basic with name and access token."""
        return self._open(auth=(self.stage.admin, self.stage.token))

    def apply(self, kind: str, name: str, spec: Mapping[str, Any], **labels: str) -> None:
        """Apply an object by kubectl."""
        self.kubectl("apply", "-f", "-", stdin=manifest(kind, name, spec, labels))

    def patch(self, kind: str, name: str, spec: Mapping[str, Any]) -> None:
        """Change fields of an object's spec by kubectl."""
        self.kubectl(
            "patch", kind.lower(), name, "--type=merge", f"--patch={_json({'spec': spec})}"
        )

    def object(self, kind: str, **spec: str) -> dict[str, Any] | None:
        """Return the object of a kind whose spec has these fields, as kubectl shows it."""
        for item in self.cluster.all(kind):
            if all(item["spec"].get(key) == value for key, value in spec.items()):
                return None if item["metadata"].get("deletionTimestamp") else item
        return None

    def device(self, name: str, application: str = APPLICATION) -> dict[str, Any] | None:
        """Return the Device of that id."""
        return self.object("Device", deviceId=name, application=application)

    def cluster_name(self, kind: str, **spec: str) -> str:
        """Return the name of the object of a kind whose spec has these fields."""
        found = self.object(kind, **spec)
        assert found is not None, f"there is no {kind} with {spec}"
        return str(found["metadata"]["name"])

    def waited(self, look: Callable[[], Result | None]) -> Result:
        """Return what a look gives as soon as it gives something."""
        seen: list[Result] = []

        def found() -> bool:
            value = look()
            seen.extend([] if value is None else [value])
            return bool(seen)

        eventually(found, "it is there", 30.0)
        return seen[0]

    def administrator(self, name: str) -> str:
        """Make an administrator by `polyfleet admin bootstrap`; return the access token."""
        told = self.polyfleet("admin", "bootstrap", "--reset", "--output", "json", "--user", name)
        token: str = json.loads(told)["token"]
        return token

    def endpoint_token(self, device: str) -> str:
        """Give a device a token as `polyfleet endpoint-token` does; return it."""
        token = endpoint_tokens.generate()
        hashes = [endpoint_tokens.digest(token)]
        name = self.cluster_name("Device", deviceId=device)
        self.cluster.patch("Device", name, spec={"endpointTokenHashes": hashes})
        devices = self.stage.server.facade.cache.devices

        def known() -> bool:
            found = devices.get(name)
            return found is not None and list(found.spec.endpoint_token_hashes) == hashes

        eventually(known, "the facade knows the token", 30.0)
        return token

    def rdfm_package(self, version: str) -> dict[str, Any] | None:
        """Return the package of that version, as RDFM shows it."""
        for item in self.document(self.rdfm, "/api/v1/packages"):
            if item["metadata"].get("rdfm.software.version") == version:
                return dict(item)
        return None

    def enrolled(self, name: str, **told: str) -> SimulatedDevice:
        """Let a new device with a key in, over RDFM."""
        device = SimulatedDevice(self.anybody, name, device_type=DEVICE_TYPE)
        device.metadata |= told
        assert device.ask().status_code == 401
        accepted = self.rdfm.post(
            "/api/v1/auth/register", json={"mac_address": name, "public_key": device.pem}
        )
        assert accepted.status_code == 200, accepted.text
        self.devices[name] = device
        return device

    def rdfm_group(self, name: str, version: str = "v1") -> dict[str, Any] | None:
        """Return the group of that name, as RDFM shows it."""
        for item in self.document(self.rdfm, f"/api/{version}/groups"):
            if item["metadata"].get("rdfm.group.name") == name:
                return dict(item)
        return None

    def rdfm_device(self, name: str, version: str = "v1") -> dict[str, Any] | None:
        """Return the device of that id, as RDFM shows it."""
        for item in self.document(self.rdfm, f"/api/{version}/devices"):
            if item["mac_address"] == name:
                return dict(item)
        return None

    def rdfm_serial(self, name: str) -> int:
        """Return a device's number; wait for it if kubectl made the device."""
        return int(self.waited(lambda: self.rdfm_device(name))["id"])

    def document(self, client: httpx.Client, path: str, **options: Any) -> Any:
        """Return what a GET shows; None if there is nothing."""
        reply = client.get(path, **options)
        if reply.status_code in (404, 204):
            return None
        assert reply.status_code == 200, f"{path}: {reply.status_code} {reply.text}"
        return reply.json()

    def running(self, application: str, process_type: str = "web") -> dict[str, Any] | None:
        """Return the Deployment of an application's processes, as kubectl shows it."""
        name = f"app-{application}-{process_type}"
        text = self.kubectl("get", "deployment", name, "--ignore-not-found", "-o", "json")
        found: dict[str, Any] = json.loads(text or "{}")
        return found if found and "deletionTimestamp" not in found["metadata"] else None

    def polyfleet(self, *arguments: str) -> str:
        """Run the command line `polyfleet` as somebody with kubectl's rights; return its words."""
        command = [sys.executable, "-m", "polyfleet.cli.main", *arguments]
        done = subprocess.run(
            [*command, "--namespace", self.cluster.namespace],
            env={**os.environ, "KUBECONFIG": str(self._kubeconfig)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _caller(self, authorization: str) -> httpx.Client:
        return self._open(headers={"Authorization": authorization})

    def _open(self, **options: Any) -> httpx.Client:
        return self._clients.enter_context(self.stage.server.client(**options))


def manifest(
    kind: str, name: str, spec: Mapping[str, Any], labels: Mapping[str, str] | None = None
) -> str:
    """Return an object to apply."""
    return _json(
        {
            "apiVersion": "polyfleet.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": name, "labels": dict(labels or {})},
            "spec": dict(spec),
        }
    )


def done(reply: httpx.Response) -> httpx.Response:
    """Check that a request succeeded; return its answer."""
    assert reply.is_success, f"{reply.request.method} {reply.request.url}: {reply.text}"
    return reply


def texts(**attributes: str) -> list[dict[str, Any]]:
    """Return attributes as a Device's spec holds them; `_` in names stands for a dot."""
    return [
        {"name": name.replace("_", "."), "value": {"string": value}}
        for name, value in attributes.items()
    ]


def part(text: str) -> str:
    """Return a text as part of a path."""
    return quote(text, safe="")


def some() -> str:
    """Return a value that nothing else has."""
    return f"v{secrets.token_hex(4)}"


def _json(document: Any) -> str:
    return json.dumps(document)
