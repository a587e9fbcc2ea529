"""Devices: made, changed and removed by anybody, and seen by everybody."""

from typing import Any

from tests.matrix.table import Change, Facts, Look, Making, Matter, Removal
from tests.matrix.world import (
    APPLICATION,
    APPS,
    DEVICE_TYPE,
    INVENTORY,
    UPLOAD,
    World,
    done,
    part,
    some,
    texts,
)

TYPE, VERSION = "rdfm.hardware.devtype", "rdfm.software.version"
DEVICES = f"{APPS}/{APPLICATION}/devices"
FIELDS = ("id", "type", "version", "site", "floor")


def _facts(name: str, attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": name,
        "type": attributes.get(TYPE),
        "version": attributes.get(VERSION),
        "site": attributes.get("site"),
        "floor": attributes.get("floor"),
    }


# Makings


def _enroll(world: World, name: str) -> Facts:
    site = some()
    world.enrolled(name, site=site)
    return {"id": name, "type": DEVICE_TYPE, "version": "v0", "site": site}


def _create_in_inventory(world: World, name: str) -> Facts:
    site = some()
    body = {"id": name, "attributes": [{"name": "site", "value": site}]}
    done(world.inventory.post(f"{INVENTORY}/devices", json=body))
    return {"id": name, "site": site}


def _create_in_drogue(world: World, name: str) -> Facts:
    ring = some()
    metadata = {"application": APPLICATION, "name": name, "labels": {"ring": ring}}
    done(world.drogue.post(DEVICES, json={"metadata": metadata}))
    return {"id": name, "ring": ring}


def _apply(world: World, name: str) -> Facts:
    site, ring = some(), some()
    told = {TYPE: DEVICE_TYPE, VERSION: "v1", "site": site}
    spec = {"application": APPLICATION, "deviceId": name, "attributes": texts(**told)}
    world.apply("Device", f"{APPLICATION}.{name}", spec, ring=ring)
    return {"id": name, "type": DEVICE_TYPE, "version": "v1", "site": site, "ring": ring}


ENROLL = Making(
    "rdfm",
    "`POST /api/v1/auth/device`, `POST /api/v1/auth/register`",
    ("id", "type", "version", "site"),
    _enroll,
)
CREATE = Making("inventory", "`POST …/devices`", ("id", "site"), _create_in_inventory)
REGISTER = Making("drogue", "`POST …/apps/{app}/devices`", ("id", "ring"), _create_in_drogue)
APPLY = Making("kubectl", "`apply`", ("id", "type", "version", "site", "ring"), _apply)


# Looks


def _rdfm(version: str) -> Look:
    def see(world: World, name: str) -> Facts | None:
        found = world.rdfm_device(name, version)
        return None if found is None else _facts(name, found["metadata"])

    return Look("rdfm", f"`GET /api/{version}/devices`", FIELDS, see)


def _see_in_inventory(world: World, name: str) -> Facts | None:
    found = world.document(world.inventory, f"{INVENTORY}/devices/{part(name)}")
    if found is None:
        return None
    attributes = {item["name"]: item["value"] for item in found.get("attributes", [])}
    return _facts(found["id"], attributes)


def _search_in_inventory(world: World, name: str) -> Facts | None:
    shown = _see_in_inventory(world, name)
    if shown is None:
        return None
    query = {"site": shown["site"]} if shown["site"] else {"per_page": 500}
    found = world.document(world.inventory, f"{INVENTORY}/devices", params=query)
    return shown if name in [item["id"] for item in found] else None


def _see_in_drogue(world: World, name: str) -> Facts | None:
    found = world.document(world.drogue, f"{DEVICES}/{part(name)}")
    if found is None:
        return None
    return {
        "id": found["metadata"]["name"],
        "ring": found["metadata"].get("labels", {}).get("ring"),
        "locked": found.get("spec", {}).get("core", {}).get("disabled", False),
    }


def _select_in_drogue(world: World, name: str) -> Facts | None:
    shown = _see_in_drogue(world, name)
    if shown is None:
        return None
    query = {"labels": f"ring={shown['ring']}"} if shown["ring"] else {}
    found = world.document(world.drogue, DEVICES, params=query)
    return shown if name in [item["metadata"]["name"] for item in found] else None


def _see_decision(world: World, name: str) -> Facts | None:
    found = world.document(world.native, f"/polyfleet/v1/devices/{part(name)}/decision")
    if found is None:
        return None
    facts = found["facts"]
    seen = _facts(found["device"]["id"], facts["attributes"])
    decisive = {"type": facts["deviceType"], "version": facts["version"]}
    return {**seen, **decisive, "locked": facts["disabled"]}


def _see_object(world: World, name: str) -> Facts | None:
    found = world.device(name)
    if found is None:
        return None
    status, spec = found.get("status", {}), found["spec"]
    held = [*spec.get("attributes", []), *spec.get("enrolled", {}).get("metadata", [])]
    attributes = {
        item["name"]: next(iter(item["value"].values()))
        for item in (*held, *status.get("reported", []))
    }
    return {
        **_facts(spec["deviceId"], attributes),
        "ring": found["metadata"]["labels"].get("ring"),
        "locked": spec.get("disabled", False),
    }


LOOKS = (
    _rdfm("v1"),
    _rdfm("v2"),
    Look("inventory", "`GET …/devices/{id}`", FIELDS, _see_in_inventory),
    Look("inventory", "`GET …/devices?site=`", ("id", "site"), _search_in_inventory),
    Look("drogue", "`GET …/devices/{device}`", ("id", "ring", "locked"), _see_in_drogue),
    Look("drogue", "`GET …/devices?labels=`", ("id", "ring"), _select_in_drogue),
    Look("native", "`GET …/devices/{id}/decision`", (*FIELDS, "locked"), _see_decision),
    Look("kubectl", "`get devices`", (*FIELDS, "ring", "locked"), _see_object),
)


# Changes


def _tell_anew(world: World, name: str) -> Facts:
    site = some()
    world.devices[name].metadata |= {VERSION: "v7", "site": site}
    world.devices[name].token()
    return {"version": "v7", "site": site}


def _upload(world: World, name: str) -> Facts:
    floor = some()
    credential = {"Authorization": f"Bearer {world.devices[name].token()}"}
    body = [{"name": "floor", "value": floor}]
    done(world.anybody.patch(UPLOAD, json=body, headers=credential))
    return {"floor": floor}


def _replace_in_drogue(world: World, name: str) -> Facts:
    ring = some()
    metadata = {"application": APPLICATION, "name": name, "labels": {"ring": ring}}
    body = {"metadata": metadata, "spec": {"core": {"disabled": True}}}
    done(world.drogue.put(f"{DEVICES}/{part(name)}", json=body))
    return {"ring": ring, "locked": True}


def _patch_object(world: World, name: str) -> Facts:
    site, ring = some(), some()
    told = {TYPE: DEVICE_TYPE, VERSION: "v1", "site": site}
    found = world.device(name)
    assert found is not None
    own = found["metadata"]["name"]
    world.patch("Device", own, {"attributes": texts(**told), "disabled": True})
    world.kubectl("label", "--overwrite", "device", own, f"ring={ring}")
    return {"site": site, "ring": ring, "locked": True}


CHANGES = (
    Change("rdfm", "`POST /api/v1/auth/device` again", ("version", "site"), ENROLL, _tell_anew),
    Change("inventory", "`PATCH …/device/attributes`", ("floor",), ENROLL, _upload),
    Change("drogue", "`PUT …/devices/{device}`", ("ring", "locked"), CREATE, _replace_in_drogue),
    Change("kubectl", "`patch`, `label`", ("site", "ring", "locked"), APPLY, _patch_object),
)


# Removals


def _remove_from_rdfm(version: str, by: Making) -> Removal:
    def remove(world: World, name: str) -> None:
        done(world.rdfm.delete(f"/api/{version}/devices/{world.rdfm_serial(name)}"))

    return Removal("rdfm", f"`DELETE /api/{version}/devices/<id>`", by, remove)


REMOVALS = (
    _remove_from_rdfm("v1", CREATE),
    _remove_from_rdfm("v2", APPLY),
    Removal(
        "inventory",
        "`DELETE …/devices/{id}`",
        REGISTER,
        lambda world, name: done(world.inventory.delete(f"{INVENTORY}/devices/{part(name)}")),
    ),
    Removal(
        "drogue",
        "`DELETE …/devices/{device}`",
        ENROLL,
        lambda world, name: done(world.drogue.delete(f"{DEVICES}/{part(name)}")),
    ),
    Removal(
        "kubectl",
        "`delete`",
        ENROLL,
        lambda world, name: world.kubectl(
            "delete", "device", world.cluster_name("Device", deviceId=name)
        ),
    ),
)

MATTER = Matter(
    "device",
    "A device",
    (ENROLL, CREATE, REGISTER, APPLY),
    LOOKS,
    CHANGES,
    REMOVALS,
)
