"""The same fleet over kubectl, RDFM and this API."""

import json
import secrets
from collections.abc import Callable
from typing import Any

from tests.dialects.inventory.fleet import BASE, Fleet
from tests.dialects.waiting import eventually

Kubectl = Callable[..., str]


def manifest(kind: str, name: str, spec: dict[str, Any]) -> str:
    return json.dumps(
        {
            "apiVersion": "polyfleet.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": {"application": "default", **spec},
        }
    )


def test_a_device_made_by_kubectl_is_shown_listed_and_changed(
    fleet: Fleet, shared_kubectl: Kubectl
) -> None:
    name = f"any-{secrets.token_hex(4)}"
    identifier = f"Some Device {name}"
    attributes = [
        {"name": "own", "value": {"string": name}, "description": "whose"},
        {"name": "floor", "value": {"number": 3}},
    ]
    spec = {"deviceId": identifier, "attributes": attributes}
    shared_kubectl("apply", "-f", "-", stdin=manifest("Device", name, spec))
    eventually(lambda: fleet.listed(own=name) == [identifier])
    shown = fleet.show(identifier)
    assert shown["attributes"] == [
        {"name": "own", "value": name, "description": "whose"},
        {"name": "floor", "value": 3},
    ]
    assert fleet.manager.post(f"{BASE}/devices", json={"id": identifier}).status_code == 409
    fleet.move(identifier.replace(" ", "%20"), f"g-{name}")
    labels = json.loads(shared_kubectl("get", "device", name, "-o", "json"))["metadata"]["labels"]
    assert any(key.startswith("group.polyfleet.dev/") for key in labels)
    shared_kubectl("delete", "device", name)
    eventually(lambda: fleet.listed(own=name) == [])


def test_a_device_made_here_is_a_device_of_kubectl(fleet: Fleet, shared_kubectl: Kubectl) -> None:
    identifier = fleet.device(f"made-{secrets.token_hex(4)}", floor=2, tags=["a", "b"])
    listing = shared_kubectl("get", "devices", "-o", "json", "--field-selector",
                                f"spec.deviceId={identifier}")  # fmt: skip
    [document] = json.loads(listing)["items"]
    assert document["spec"]["attributes"] == [
        {"name": "floor", "value": {"number": 2}},
        {"name": "tags", "value": {"strings": ["a", "b"]}},
    ]


def test_a_group_made_here_is_selected_by_its_label(fleet: Fleet, shared_kubectl: Kubectl) -> None:
    device, group = fleet.device(), f"canary-{secrets.token_hex(4)}"
    fleet.move(device, group)
    selector = f"group.polyfleet.dev/default.{group}"
    listing = json.loads(shared_kubectl("get", "devices", "-l", selector, "-o", "json"))
    assert [item["spec"]["deviceId"] for item in listing["items"]] == [device]


def rdfm_device(fleet: Fleet, identifier: str) -> dict[str, Any]:
    found = [
        item
        for item in fleet.manager.get("/api/v2/devices").json()
        if item["mac_address"] == identifier
    ]
    assert len(found) == 1
    document: dict[str, Any] = found[0]
    return document


def rdfm_group(fleet: Fleet, *, priority: int, devices: list[int], name: str) -> int:
    body = {"metadata": {"rdfm.group.name": name}, "priority": priority}
    made = fleet.manager.post("/api/v2/groups", json=body)
    assert made.status_code == 200, made.text
    serial = int(made.json()["id"])
    changed = fleet.manager.patch(
        f"/api/v2/groups/{serial}/devices", json={"add": devices, "remove": []}
    )
    assert changed.status_code == 200, changed.text
    return serial


def test_a_device_made_here_is_an_rdfm_device(fleet: Fleet) -> None:
    identifier = fleet.device(floor=2)
    fleet.upload(identifier, [{"name": "ip", "value": "1.2.3.4"}])
    shown = rdfm_device(fleet, identifier)
    assert shown["metadata"] == {"floor": "2", "ip": "1.2.3.4"}


def test_the_group_of_a_device_of_several_rdfm_groups_is_the_active_one(fleet: Fleet) -> None:
    identifier, own = fleet.device(), secrets.token_hex(4)
    serial = rdfm_device(fleet, identifier)["id"]
    later = rdfm_group(fleet, priority=30, devices=[serial], name=f"later-{own}")
    assert fleet.group_of(identifier) == f"later-{own}"
    first = rdfm_group(fleet, priority=10, devices=[serial], name=f"first-{own}")
    assert fleet.group_of(identifier) == f"first-{own}"
    assert fleet.listed(group=f"first-{own}") == [identifier]
    assert fleet.listed(group=f"later-{own}") == []
    listed = fleet.manager.get(f"{BASE}/groups").json()
    assert f"first-{own}" in listed
    assert f"later-{own}" not in listed
    fleet.move(identifier, f"moved-{own}")
    groups = rdfm_device(fleet, identifier)["groups"]
    assert len(groups) == 1
    assert groups[0] not in {first, later}


def test_taking_a_device_out_of_its_active_group_leaves_the_next(fleet: Fleet) -> None:
    identifier, own = fleet.device(), secrets.token_hex(4)
    serial = rdfm_device(fleet, identifier)["id"]
    rdfm_group(fleet, priority=30, devices=[serial], name=f"later-{own}")
    rdfm_group(fleet, priority=10, devices=[serial], name=f"first-{own}")
    path = f"{BASE}/devices/{identifier}/group"
    assert fleet.manager.delete(f"{path}/later-{own}").status_code == 404
    assert fleet.manager.delete(f"{path}/first-{own}").status_code == 204
    assert fleet.group_of(identifier) == f"later-{own}"
