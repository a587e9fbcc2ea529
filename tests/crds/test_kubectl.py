"""What people see who work with kubectl."""

import json
import re
from collections.abc import Callable

import pytest
import yaml

FLEET = """
apiVersion: polyfleet.dev/v1alpha1
kind: Device
metadata:
  name: d1
  labels: {polyfleet.dev/serial: "7", attr.polyfleet.dev/rdfm.hardware.devtype: kettle}
spec: {application: default, deviceId: "aa:bb"}
---
apiVersion: polyfleet.dev/v1alpha1
kind: Device
metadata: {name: d2}
spec: {application: kettles, deviceId: "aa:cc", data: {spec: {any: [1, {thing: 1.5}]}}}
---
apiVersion: polyfleet.dev/v1alpha1
kind: DeviceGroup
metadata: {name: canary}
spec: {application: default, name: canary, policy: "exact_match,2.0"}
---
apiVersion: polyfleet.dev/v1alpha1
kind: Package
metadata: {name: p1}
spec: {application: default, version: "2.0", deviceType: kettle}
---
apiVersion: polyfleet.dev/v1alpha1
kind: Enrollment
metadata: {name: e1}
spec: {application: default, deviceId: "aa:dd", publicKey: PEM, sourceAddress: 10.0.0.1}
---
apiVersion: polyfleet.dev/v1alpha1
kind: Application
metadata: {name: kettles}
spec: {name: kettles, owner: {user: ann}}
---
apiVersion: polyfleet.dev/v1alpha1
kind: Rollout
metadata: {name: r1}
spec: {application: default, package: p1, targets: {groups: [canary]}}
---
apiVersion: polyfleet.dev/v1alpha1
kind: Command
metadata: {name: c1}
spec: {application: default, device: "aa:bb", name: reboot, expiresAt: "2030-01-01T00:00:00Z"}
---
apiVersion: polyfleet.dev/v1alpha1
kind: User
metadata: {name: ann}
spec: {name: ann, administrator: true}
"""
STATUS = {
    "status": {
        "software": {"version": "1.0"},
        "lastSeen": "2020-01-01T00:00:00Z",
        "reported": [
            {"name": "mac", "value": {"string": "x"}, "source": "rdfm"},
            {"name": "rdfm.hardware.devtype", "value": {"string": "kettle"}, "source": "rdfm"},
        ],
    }
}

Kubectl = Callable[..., str]


@pytest.fixture
def fleet(kubectl: Kubectl) -> Kubectl:
    kubectl("apply", "-f", "-", stdin=FLEET)
    kubectl(
        "patch", "device", "d1", "--subresource=status", "--type=merge", "-p", json.dumps(STATUS)
    )
    return kubectl


def table(text: str) -> list[dict[str, str]]:
    """Read kubectl's table; columns are told apart by two or more spaces, as it prints them."""
    lines = text.strip().splitlines()
    heads = lines[0].split("   ")
    names = [head.strip() for head in heads if head.strip()]
    starts = [lines[0].index(name) for name in names]
    ends = [*starts[1:], None]
    return [
        {name: line[a:b].strip() for name, a, b in zip(names, starts, ends, strict=True)}
        for line in lines[1:]
    ]


def test_devices_show_id_version_type_serial_and_when_last_seen(fleet: Kubectl) -> None:
    first, second = table(fleet("get", "devices"))
    shown = {name: first[name] for name in ("NAME", "ID", "VERSION", "TYPE", "SERIAL")}
    assert shown == {"NAME": "d1", "ID": "aa:bb", "VERSION": "1.0", "TYPE": "kettle", "SERIAL": "7"}
    assert re.match("[0-9]+y", first["LAST SEEN"])
    assert second["APPLICATION"] == "kettles"


@pytest.mark.parametrize("name", ["groups", "group", "grp", "devicegroups"])
def test_groups_answer_to_short_names(fleet: Kubectl, name: str) -> None:
    (row,) = table(fleet("get", name))
    assert (row["GROUP"], row["POLICY"], row["PRIORITY"]) == ("canary", "exact_match,2.0", "25")


def test_the_whole_fleet_shows_at_once(fleet: Kubectl) -> None:
    shown = fleet("get", "devices,groups,packages,enrollments,apps,rollouts,commands,users")
    for name in ("device", "devicegroup", "package", "enrollment", "application", "user"):
        assert f"{name}.polyfleet.dev/" in shown


def test_the_category_lists_every_kind(fleet: Kubectl) -> None:
    shown = fleet("get", "polyfleet", "-o", "name").split()
    assert {line.split("/")[0].split(".")[0] for line in shown} == {
        yaml.safe_load(document)["kind"].lower() for document in FLEET.split("---")
    }


def test_devices_are_found_by_their_wire_name_and_application(fleet: Kubectl) -> None:
    def found(selector: str) -> list[str]:
        return fleet("get", "devices", "-o", "name", "--field-selector", selector).split()

    assert found("spec.deviceId=aa:cc") == ["device.polyfleet.dev/d2"]
    assert found("spec.application=default") == ["device.polyfleet.dev/d1"]
    assert found("status.software.version=1.0") == ["device.polyfleet.dev/d1"]
    assert found("spec.application=default,spec.deviceId=aa:cc") == []


def test_free_json_of_clients_is_kept(fleet: Kubectl) -> None:
    device = json.loads(fleet("get", "device", "d2", "-o", "json"))
    assert device["spec"]["data"]["spec"] == {"any": [1, {"thing": 1.5}]}


def test_kubectl_explains_a_field(fleet: Kubectl) -> None:
    assert "no_update, or exact_match" in fleet("explain", "devicegroups.spec.policy")
