"""What kubectl makes gives the same answers as what the API makes."""

import json
import secrets
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.dialects.rdfm.fleet import Fleet
from tests.dialects.waiting import eventually

Kubectl = Callable[..., str]


def manifest(kind: str, name: str, spec: dict[str, Any], serial: int | None) -> dict[str, Any]:
    labels = {"polyfleet.dev/application": "default"}
    if serial is not None:
        labels["polyfleet.dev/serial"] = str(serial)
    return {
        "apiVersion": "polyfleet.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "labels": labels},
        "spec": {"application": "default", **spec},
    }


def apply(kubectl: Kubectl, *documents: dict[str, Any]) -> None:
    kubectl("apply", "-f", "-", stdin="\n---\n".join(map(json.dumps, documents)))


def a_serial() -> int:
    """Return a serial far above those that the facade gives out in these tests."""
    return 10_000_000 + secrets.randbelow(10_000_000)


def test_a_device_made_by_kubectl_is_let_in(fleet: Fleet, shared_kubectl: Kubectl) -> None:
    device, serial = fleet.stranger(), a_serial()
    spec = {"deviceId": device.identifier, "publicKeys": [device.pem]}
    apply(shared_kubectl, manifest("Device", f"any-{serial}", spec, serial))
    eventually(lambda: device.ask().status_code == 200)
    shown = fleet.manager.get(f"/api/v1/devices/{serial}").json()
    assert (shown["mac_address"], shown["public_key"]) == (device.identifier, device.pem)
    assert device.check().status_code == 204


def test_attributes_that_people_declare_are_metadata_too(
    fleet: Fleet, shared_kubectl: Kubectl
) -> None:
    serial = a_serial()
    spec = {
        "deviceId": f"declared-{serial}",
        "attributes": [
            {"name": "floor", "value": {"number": 3}},
            {"name": "tags", "value": {"strings": ["a", "b"]}},
        ],
    }
    apply(shared_kubectl, manifest("Device", f"declared-{serial}", spec, serial))
    path = f"/api/v1/devices/{serial}"
    eventually(lambda: fleet.manager.get(path).status_code == 200)
    assert fleet.manager.get(path).json()["metadata"] == {"floor": "3", "tags": ["a", "b"]}


def test_an_object_without_a_serial_is_left_out(fleet: Fleet, shared_kubectl: Kubectl) -> None:
    name = f"bare-{secrets.token_hex(4)}"
    apply(shared_kubectl, manifest("Device", name, {"deviceId": name}, None))
    store = fleet.server.facade.cache.devices
    eventually(lambda: store.get(name) is not None)
    reply = fleet.manager.get("/api/v1/devices")
    assert reply.status_code == 200
    assert name not in [item["name"] for item in reply.json()]


def test_a_package_elsewhere_is_offered_by_its_own_address(
    fleet: Fleet, shared_kubectl: Kubectl
) -> None:
    device, number = fleet.device()
    package, group = a_serial(), a_serial()
    url = "https://downloads.example.com/v5.img"
    apply(
        shared_kubectl,
        manifest(
            "Package",
            f"package-{package}",
            {
                "version": "v5",
                "deviceType": "dummy",
                "artifact": {"driver": "url", "url": url, "sha256": "ab" * 32, "size": 9},
            },
            package,
        ),
        manifest(
            "DeviceGroup",
            f"group-{group}",
            {
                "name": f"by-hand-{group}",
                "selector": {"matchLabels": {"ring": f"r{group}"}},
                "policy": "exact_match,v5",
                "packages": [f"package-{package}"],
            },
            group,
        ),
    )
    [object_] = [
        item.metadata.name
        for item in fleet.server.facade.cache.devices.values()
        if item.metadata.serial == number
    ]
    shared_kubectl("label", "device", object_, f"ring=r{group}")
    reply = eventually(lambda: _offer(device.check()))
    assert reply["uri"] == url
    assert (reply["id"], reply["sha256"]) == (package, "ab" * 32)
    shown = fleet.manager.get(f"/api/v1/groups/{group}").json()
    assert (shown["devices"], shown["packages"]) == ([number], [package])
    assert shown["metadata"] == {"rdfm.group.name": f"by-hand-{group}"}
    assert fleet.manager.get(f"/api/v1/devices/{number}").json()["group"] == group
    link = fleet.manager.get(f"/api/v1/packages/{package}/download").json()
    assert link == {"id": package, "download_url": url}


def _offer(reply: httpx.Response) -> dict[str, Any] | None:
    return reply.json() if reply.status_code == 200 else None


def test_metadata_that_is_no_json_reads_as_the_name_alone(
    fleet: Fleet, shared_kubectl: Kubectl
) -> None:
    serial = a_serial()
    spec = {"name": f"odd-{serial}", "metadata": "not json"}
    apply(shared_kubectl, manifest("DeviceGroup", f"odd-{serial}", spec, serial))
    path = f"/api/v1/groups/{serial}"
    eventually(lambda: fleet.manager.get(path).status_code == 200)
    assert fleet.manager.get(path).json()["metadata"] == {"rdfm.group.name": spec["name"]}
    assert fleet.manager.get("/api/v1/groups").status_code == 200


def _enrollment_of(fleet: Fleet, identifier: str) -> str:
    [name] = [
        item.metadata.name
        for item in fleet.server.facade.cache.enrollments.values()
        if item.spec.device_id == identifier
    ]
    return name


def test_a_denied_device_stays_out_and_is_not_listed(fleet: Fleet, shared_kubectl: Kubectl) -> None:
    device = fleet.stranger()
    device.ask()
    name = _enrollment_of(fleet, device.identifier)
    patch = '{"spec":{"approval":"Denied"}}'
    shared_kubectl("patch", "enrollment", name, "--type=merge", "-p", patch)

    def listed() -> list[str]:
        items = fleet.manager.get("/api/v1/auth/pending").json()
        return [item["mac_address"] for item in items]

    eventually(lambda: device.identifier not in listed())
    assert device.ask().status_code == 401
    assert device.identifier not in listed()
    body = {"mac_address": device.identifier, "public_key": device.pem}
    assert fleet.manager.post("/api/v1/auth/register", json=body).status_code == 404


@pytest.mark.parametrize(
    "lock", [{"disabled": True}, {"data": {"spec": {"core": {"disabled": True}}}}]
)
def test_a_device_that_is_locked_out_gets_no_token(
    fleet: Fleet, shared_kubectl: Kubectl, lock: dict[str, Any]
) -> None:
    device, number = fleet.device()
    token = device.token()
    store = fleet.server.facade.cache.devices
    found = store.by_serial(number)
    assert found is not None
    patch = json.dumps({"spec": lock})
    shared_kubectl("patch", "device", found.metadata.name, "--type=merge", "-p", patch)
    eventually(lambda: device.check(token).status_code == 401)
    assert device.ask().status_code == 401
    waiting = fleet.manager.get("/api/v1/auth/pending").json()
    assert device.identifier not in [item["mac_address"] for item in waiting]


def test_what_the_api_makes_is_an_object_like_any_other(
    fleet: Fleet, shared_kubectl: Kubectl
) -> None:
    name = f"canary-{secrets.token_hex(4)}"
    _, number = fleet.device()
    package = fleet.package("v3", note="x")["id"]
    group = fleet.group(devices=[number], packages=[package], **{"rdfm.group.name": name})
    document = json.loads(
        shared_kubectl("get", "devicegroups", "-l", f"polyfleet.dev/serial={group}", "-o", "json")
    )
    [item] = document["items"]
    assert item["metadata"]["name"] == f"default.{name}"
    assert item["spec"]["name"] == name
    assert item["spec"]["packages"] == [f"default.package-{package}"]
    assert json.loads(item["spec"]["metadata"]) == {"rdfm.group.name": name}
    members = shared_kubectl(
        "get", "devices", "-l", f"group.polyfleet.dev/default.{name}", "-o", "name"
    )
    assert len(members.split()) == 1
