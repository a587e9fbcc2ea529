"""What a device is offered. Device, group and version bear the same name."""

import secrets

from tests.matrix import packages
from tests.matrix.table import Facts, Look, Making, Matter, Removal
from tests.matrix.world import APPLICATION, World, done, part

OFFER = ("offer",)


def _assign_by_rdfm(world: World, name: str) -> Facts:
    world.enrolled(name)
    packages.UPLOAD.make(world, name)
    package = world.waited(lambda: world.rdfm_package(name))["id"]
    made = done(world.rdfm.post("/api/v2/groups", json={"metadata": {"rdfm.group.name": name}}))
    place = f"/api/v2/groups/{made.json()['id']}"
    serial = world.rdfm_serial(name)
    done(world.rdfm.patch(f"{place}/devices", json={"add": [serial], "remove": []}))
    done(world.rdfm.post(f"{place}/package", json={"packages": [package]}))
    done(world.rdfm.post(f"{place}/policy", json={"policy": f"exact_match,{name}"}))
    return {"offer": name}


def _assign_by_kubectl(world: World, name: str) -> Facts:
    world.enrolled(name)
    world.apply("Package", name, packages.package(name, secrets.token_hex(32)))
    group = {"application": APPLICATION, "name": name, "packages": [name]}
    selector = {"selector": {"matchLabels": {"fleet": name}}}
    own = f"{APPLICATION}.{name}"
    world.apply("DeviceGroup", own, group | selector | {"policy": f"exact_match,{name}"})
    device = world.cluster_name("Device", deviceId=name)
    world.kubectl("label", "device", device, f"fleet={name}")
    return {"offer": name}


def _pin(world: World, name: str) -> Facts:
    world.enrolled(name)
    world.apply("Package", name, packages.package(name, secrets.token_hex(32)))
    world.patch("Device", world.cluster_name("Device", deviceId=name), {"pin": name})
    return {"offer": name}


def _offer(world: World, name: str) -> Facts:
    # Of a type of its own: what is offered to all must not reach the devices of other rows.
    world.enrolled(name, **{packages.TYPE: name, packages.VERSION: "1.0.0"})
    version = f"2.0.0-{name}"
    own = {"deviceType": name, "offer": {"strategy": "general"}}
    world.apply("Package", name, packages.package(version, secrets.token_hex(32)) | own)
    return {"offer": version}


ASSIGN = Making("rdfm", "a group's package and policy", OFFER, _assign_by_rdfm)
APPLY = Making("kubectl", "`apply` of a package and a group", OFFER, _assign_by_kubectl)
PIN = Making("kubectl", "`patch device`: `spec.pin`", OFFER, _pin)

GENERAL = Making("kubectl", "`apply` of a package: `spec.offer`", OFFER, _offer)


def _check(world: World, name: str) -> Facts | None:
    reply = done(world.devices[name].check())
    if reply.status_code == 204:
        return None
    package = world.document(world.rdfm, f"/api/v1/packages/{reply.json()['id']}")
    return {"offer": package["metadata"]["rdfm.software.version"]}


def _decision(world: World, name: str) -> Facts | None:
    found = world.document(world.native, f"/polyfleet/v1/devices/{part(name)}/decision")
    package = found["decision"]["package"]
    return None if package is None else {"offer": package["version"]}


def _forbid_by_rdfm(world: World, name: str) -> None:
    group = world.waited(lambda: world.rdfm_group(name))
    path = f"/api/v1/groups/{group['id']}/policy"
    done(world.rdfm.post(path, json={"policy": "no_update,"}))


def _hold(world: World, name: str) -> None:
    world.patch("Device", world.cluster_name("Device", deviceId=name), {"hold": True})


def _hold_group(world: World, name: str) -> None:
    world.patch("DeviceGroup", world.cluster_name("DeviceGroup", name=name), {"hold": True})


def _suspend(world: World, name: str) -> None:
    world.patch("Package", name, {"offer": {"strategy": "suspended"}})


def _install(world: World, name: str) -> None:
    device = world.devices[name]
    device.metadata["rdfm.software.version"] = name
    device.token()


MATTER = Matter(
    "offer",
    "What a device is offered",
    (ASSIGN, APPLY, PIN, GENERAL),
    (
        Look("rdfm", "`POST /api/v1/update/check`", OFFER, _check),
        Look("native", "`GET …/devices/{id}/decision`", OFFER, _decision),
    ),
    (),
    (
        Removal("rdfm", "a group's policy `no_update,`", APPLY, _forbid_by_rdfm),
        Removal("rdfm", "the device tells that it runs it", APPLY, _install),
        Removal("kubectl", "`patch device`: `spec.hold`", ASSIGN, _hold),
        Removal("kubectl", "`patch package`: `spec.offer`", GENERAL, _suspend),
        Removal("kubectl", "`patch group`: `spec.hold`", ASSIGN, _hold_group),
    ),
)
