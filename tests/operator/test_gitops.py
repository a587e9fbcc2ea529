"""Manifests that are applied again and again, by people and by GitOps controllers."""

import json
from typing import Any

import pytest

from polyfleet.fleet.membership import parse_value


@pytest.fixture
def manifest(fleet: Any, unique: str) -> str:
    """Provide a device that is in a group by the manifest's own label."""
    fleet.create("DeviceGroup", unique)
    device = {
        "apiVersion": "polyfleet.dev/v1alpha1",
        "kind": "Device",
        "metadata": {
            "name": unique,
            "namespace": fleet.namespace,
            "labels": {f"group.polyfleet.dev/{unique}": "true"},
        },
        "spec": {"application": "default", "deviceId": unique},
    }
    return json.dumps(device)


def joined(fleet: Any, unique: str) -> str:
    """Wait until the device is in the group; return the label that says since when."""
    beside = f"joined.polyfleet.dev/{unique}"
    device = fleet.comes_to("Device", unique, lambda item: item["metadata"]["labels"][beside])
    fleet.comes_to("DeviceGroup", unique, lambda item: item["status"].get("members") == 1)
    value: str = device["metadata"]["labels"][beside]
    assert parse_value(value) is not None
    return value


def test_a_manifest_with_a_group_label_can_be_applied_twice(
    fleet: Any, kubectl: Any, manifest: str, unique: str
) -> None:
    kubectl("apply", "-n", fleet.namespace, "-f", "-", stdin=manifest)
    before = joined(fleet, unique)
    version = fleet.adopted("Device", unique)["metadata"]["resourceVersion"]
    assert kubectl("diff", "-n", fleet.namespace, "-f", "-", stdin=manifest) == ""
    again = kubectl("apply", "-n", fleet.namespace, "-f", "-", stdin=manifest)
    assert again.endswith("unchanged\n")
    assert fleet.get("Device", unique)["metadata"]["resourceVersion"] == version
    assert joined(fleet, unique) == before


def test_server_side_apply_meets_no_conflict(
    fleet: Any, kubectl: Any, manifest: str, unique: str
) -> None:
    apply = ("apply", "--server-side", "-n", fleet.namespace, "-f", "-")
    kubectl(*apply, stdin=manifest)
    before = joined(fleet, unique)
    kubectl(*apply, stdin=manifest)
    assert kubectl("diff", "--server-side", "-n", fleet.namespace, "-f", "-", stdin=manifest) == ""
    assert joined(fleet, unique) == before
