"""What rollouts bring to devices that ask over RDFM."""

import json
import secrets
from collections.abc import Callable
from typing import Any

import msgspec

from polyfleet.fleet.objects.rollout import RolloutSpec
from polyfleet.fleet.rollout.plan import plan_digest
from tests.dialects.rdfm.fleet import Fleet
from tests.dialects.rdfm.test_kubectl import apply
from tests.dialects.waiting import eventually

Kubectl = Callable[..., str]


def test_a_device_is_offered_what_a_rollout_brings_once_it_has_come_so_far(
    fleet: Fleet, shared_kubectl: Kubectl
) -> None:
    device, serial = fleet.device(version="1.0.0")
    package = fleet.package("2.0.0")
    group = fleet.group(devices=[serial])
    cache = fleet.server.facade.cache
    targets = {"groups": [_named(cache.groups, group)]}
    brought = _named(cache.packages, package["id"])
    name = f"ring-{secrets.token_hex(4)}"
    spec = {"application": "default", "package": brought, "targets": targets}
    rollout = {
        "apiVersion": "polyfleet.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name},
        "spec": spec,
    }
    apply(shared_kubectl, rollout)
    eventually(lambda: cache.rollouts.get(name) is not None)
    assert device.check().status_code == 204

    digest = plan_digest(msgspec.convert(spec, RolloutSpec))
    opened = {"population": 1, "frontier": 1, "openedAt": "2026-01-01T00:00:00.000000Z"}
    status = json.dumps({"status": {"plan": digest, "seed": "seed", "steps": [opened]}})
    command = ("patch", "rollout", name, "--type=merge", "-p")
    shared_kubectl(*command, status, "--subresource=status")
    offer = eventually(lambda: (reply := device.check()).status_code == 200 and reply.json())
    assert offer["id"] == package["id"]
    assert device.check(**{"rdfm.software.version": "2.0.0"}).status_code == 204
    known = eventually(lambda: _update(fleet, serial))
    assert (known.package, known.rollout) == (brought, name)

    shared_kubectl(*command, '{"spec":{"paused":true}}')
    eventually(lambda: device.check().status_code == 204)


def _named(store: Any, serial: int) -> str:
    found = store.by_serial(serial)
    assert found is not None
    name: str = found.metadata.name
    return name


def _update(fleet: Fleet, serial: int) -> Any:
    device = fleet.server.facade.cache.devices.by_serial(serial)
    return device.status.update if device is not None else None
