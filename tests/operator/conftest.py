"""Builders for the pure rules, and a real operator process under the chart's own rights."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kubernetes import client

from polyfleet.crds.base import GROUP, VERSION
from polyfleet.crds.generate import KINDS
from polyfleet.fleet.objects import kinds
from polyfleet.local.install import connect, service_account_kubeconfig

PATIENCE = 180.0
PLURALS = {kind.names.kind: kind.names.plural for kind in KINDS}
VIEWS = {v.name: v.view for v in vars(kinds).values() if isinstance(v, kinds.Kind)}


class Make:
    """Builds views: `make("Device", "d1", deviceId="aa")`; the defaults make it whole."""

    def __call__(
        self,
        kind: str,
        name: str,
        /,
        *,
        metadata: Mapping[str, Any] | None = None,
        status: Mapping[str, Any] | None = None,
        **spec: Any,
    ) -> Any:
        meta = {
            "name": name,
            "uid": f"uid-of-{name}",
            "generation": 1,
            "creationTimestamp": "2030-01-01T00:00:00Z",
            **(metadata or {}),
        }
        document = {"metadata": meta, "spec": defaults(kind, name) | spec, "status": status or {}}
        return msgspec.json.decode(json.dumps(document), type=VIEWS[kind])


def defaults(kind: str, name: str) -> dict[str, Any]:
    """Return the smallest valid spec of a kind."""
    application = {"application": "default"}
    return {
        "Application": {"name": name},
        "Device": application | {"deviceId": name},
        "DeviceGroup": application | {"name": name},
        "Package": application | {"version": "1.0.0"},
        "Rollout": application | {"package": "p1", "targets": {"selector": {}}},
        "Enrollment": application | {"deviceId": name, "publicKey": "PEM"},
        "Command": application
        | {"device": "d1", "name": "reboot", "expiresAt": "2090-01-01T00:00:00Z"},
        "User": {"name": name},
        "AccessToken": {"user": "ann", "userUid": "u", "prefix": name, "hash": name},
        "Key": {"user": "ann", "userUid": "u", "id": name, "public": f"ssh-ed25519 {name}"},
        "Build": application | {"image": "kettle:1"},
        "Domain": application | {"domain": name},
        "Claim": application
        | {"type": "Alias", "value": name, "holder": {"kind": "Device", "name": name}},
    }[kind]


@pytest.fixture(scope="session")
def make() -> Make:
    return Make()


class Fleet:
    """The objects of one namespace, as an administrator sees and changes them."""

    def __init__(self, connection: client.ApiClient, namespace: str) -> None:
        self.namespace = namespace
        self._objects = client.CustomObjectsApi(connection)
        self.leases = client.CoordinationV1Api(connection)

    def create(
        self, kind: str, name: str, /, *, labels: Mapping[str, str] | None = None, **spec: Any
    ) -> dict[str, Any]:
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": kind,
            "metadata": {"name": name, "labels": dict(labels or {})},
            "spec": defaults(kind, name) | spec,
        }
        created: dict[str, Any] = self._objects.create_namespaced_custom_object(
            *self._place(kind), body
        )
        return created

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._objects.get_namespaced_custom_object(
                *self._place(kind), name
            )
        except client.ApiException as error:
            if error.status == 404:
                return None
            raise
        return found

    def all(self, kind: str) -> list[dict[str, Any]]:
        listed = self._objects.list_namespaced_custom_object(*self._place(kind))
        found: list[dict[str, Any]] = listed["items"]
        return found

    def patch(self, kind: str, name: str, **patch: Any) -> None:
        self._objects.patch_namespaced_custom_object(
            *self._place(kind), name, patch, _content_type="application/merge-patch+json"
        )

    def edit(self, kind: str, name: str, manager: str, patch: dict[str, Any]) -> None:
        """Change an object under the name that another program has in `managedFields`."""
        self._objects.patch_namespaced_custom_object(
            *self._place(kind),
            name,
            patch,
            field_manager=manager,
            _content_type="application/merge-patch+json",
        )

    def set_status(self, kind: str, name: str, **status: Any) -> None:
        self._objects.patch_namespaced_custom_object_status(
            *self._place(kind),
            name,
            {"status": status},
            _content_type="application/merge-patch+json",
        )

    def delete(self, kind: str, name: str) -> None:
        self._objects.delete_namespaced_custom_object(*self._place(kind), name)

    def events(self, reason: str) -> list[str]:
        """Return the notes of the events with that reason."""
        # Not by the client's own models: they refuse the events of Kubernetes' own controllers.
        listed = self._objects.list_namespaced_custom_object(
            "events.k8s.io", "v1", self.namespace, "events"
        )
        return [event["note"] for event in listed["items"] if event.get("reason") == reason]

    def gone(self, kind: str, name: str, *, seconds: float = PATIENCE) -> None:
        """Wait until the object is not there any more."""
        eventually(lambda: self.get(kind, name) is None, f"{kind} {name} goes", seconds)

    def adopted(self, kind: str, name: str) -> dict[str, Any]:
        """Wait until the object has a serial; return it."""
        return self.comes_to(kind, name, lambda item: serial_of(item) is not None)

    def comes_to(
        self, kind: str, name: str, holds: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any]:
        """Wait until something holds of the object; return it as it is then.

        What is not there yet (KeyError) does not hold.
        """
        seen: list[dict[str, Any] | None] = [None]

        def look() -> bool:
            seen[0] = self.get(kind, name)
            with suppress(KeyError):
                return seen[0] is not None and holds(seen[0])
            return False

        eventually(look, lambda: f"{kind} {name}, at last {json.dumps(seen[0], indent=1)}")
        assert seen[0] is not None
        return seen[0]

    def condition(self, kind: str, name: str, type_: str, status: str, reason: str) -> str:
        """Wait until the object has the condition; return its message."""
        item = self.comes_to(
            kind,
            name,
            lambda item: condition_of(item, type_)[:2] == (status, reason),
        )
        return condition_of(item, type_)[2]

    def _place(self, kind: str) -> tuple[str, str, str, str]:
        return GROUP, VERSION, self.namespace, PLURALS[kind]


def serial_of(item: Mapping[str, Any]) -> int | None:
    text = item["metadata"].get("labels", {}).get("polyfleet.dev/serial", "")
    return int(text) if text.isdigit() else None


def condition_of(item: Mapping[str, Any], type_: str) -> tuple[str, str, str]:
    for condition in item.get("status", {}).get("conditions", ()):
        if condition["type"] == type_:
            return condition["status"], condition["reason"], condition["message"]
    return "", "", ""


def eventually(
    holds: Callable[[], bool], what: str | Callable[[], str], seconds: float = PATIENCE
) -> None:
    """Wait until something holds, or fail saying what did not happen."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {seconds} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.05)


@dataclass
class Operator:
    """A running operator process."""

    process: subprocess.Popen[bytes]
    log: Path

    def logged(self, event: str) -> dict[str, Any] | None:
        """Return the first log line about that event."""
        for line in self.log.read_text().splitlines():
            with suppress(json.JSONDecodeError):
                entry: dict[str, Any] = json.loads(line)
                if entry.get("event") == event:
                    return entry
        return None

    def wait_for(self, event: str) -> dict[str, Any]:
        """Wait until the process has logged an event; return the line."""

        def look() -> bool:
            assert self.process.poll() is None or self.logged(event), self.log.read_text()
            return self.logged(event) is not None

        eventually(look, lambda: f"{event!r} in the log:\n{self.log.read_text()}")
        found = self.logged(event)
        assert found is not None
        return found

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


Start = Callable[..., AbstractContextManager[Operator]]


@pytest.fixture(scope="session")
def start_operator(
    admin_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., AbstractContextManager[Operator]]:
    """Start an operator process in a namespace, under the chart's Role; settings by keyword."""
    folder = tmp_path_factory.mktemp("operator")

    @contextmanager
    def start(namespace: str, **settings: object) -> Iterator[Operator]:
        kubeconfig = service_account_kubeconfig(
            admin_kubeconfig,
            folder / f"{namespace}.kubeconfig",
            namespace=namespace,
            name="polyfleet-operator",
            workloads_namespace=str(settings.get("workloads_namespace", namespace)),
        )
        log = folder / f"{namespace}-{secrets.token_hex(4)}.log"
        chosen = {"namespace": namespace, "expiry_grace": 0, **settings}
        environment = {
            **{name: text for name, text in os.environ.items() if "POLYFLEET" not in name},
            **{f"POLYFLEET_{name.upper()}": str(value) for name, value in chosen.items()},
            "KUBECONFIG": str(kubeconfig),
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "polyfleet.operator"],
                env=environment,
                stdout=output,
                stderr=output,
            )
            try:
                yield Operator(process, log)
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait(PATIENCE)

    return start


@contextmanager
def fresh_fleet(admin_kubeconfig: Path) -> Iterator[Fleet]:
    name = f"test-{secrets.token_hex(5)}"
    with connect(admin_kubeconfig) as connection:
        core = client.CoreV1Api(connection)
        core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
        yield Fleet(connection, name)
        core.delete_namespace(name)


@pytest.fixture(scope="session")
def operator(admin_kubeconfig: Path, start_operator: Start) -> Iterator[tuple[Fleet, Operator]]:
    """Run one operator for all tests that do without one of their own."""
    with (
        fresh_fleet(admin_kubeconfig) as fleet,
        start_operator(fleet.namespace, attribute_labels="ring,site") as process,
    ):
        process.wait_for("looked at everything")
        yield fleet, process


@pytest.fixture
def fleet(operator: tuple[Fleet, Operator]) -> Fleet:
    """Provide the shared namespace, with an operator at work in it."""
    assert operator[1].process.poll() is None, operator[1].log.read_text()
    return operator[0]


@pytest.fixture
def own_fleet(admin_kubeconfig: Path) -> Iterator[Fleet]:
    """Provide a namespace of the test's own, without an operator."""
    with fresh_fleet(admin_kubeconfig) as found:
        yield found


@pytest.fixture
def unique() -> str:
    """Provide a name that no other test uses."""
    return f"n{secrets.token_hex(4)}"
