"""Groups and what they want of their devices."""

from typing import Any

from tests.matrix.table import Change, Facts, Look, Making, Matter, Removal
from tests.matrix.world import APPLICATION, INVENTORY, World, done, part

WORDS = ("name", "policy", "priority")
POLICY, NONE = "exact_match,v5", "no_update,"


def _create_by_rdfm(world: World, name: str) -> Facts:
    done(world.rdfm.post("/api/v1/groups", json={"rdfm.group.name": name}))
    return {"name": name, "policy": NONE, "priority": 25}


def _create_by_rdfm_v2(world: World, name: str) -> Facts:
    body = {"metadata": {"rdfm.group.name": name}, "priority": 7}
    done(world.rdfm.post("/api/v2/groups", json=body))
    return {"name": name, "policy": NONE, "priority": 7}


def _create_by_inventory(world: World, name: str) -> Facts:
    done(world.inventory.post(f"{INVENTORY}/devices", json={"id": f"{name}-d", "attributes": []}))
    path = f"{INVENTORY}/devices/{part(name)}-d/group"
    done(world.inventory.put(path, json={"group": name}))
    return {"name": name, "policy": NONE, "priority": 25}


def _apply(world: World, name: str) -> Facts:
    spec: dict[str, Any] = {"application": APPLICATION, "name": name}
    wanted = {"policy": POLICY, "priority": 3}
    world.apply("DeviceGroup", f"{APPLICATION}.{name}", spec | wanted)
    return {"name": name, **wanted}


V1 = Making("rdfm", "`POST /api/v1/groups`", WORDS, _create_by_rdfm)
V2 = Making("rdfm", "`POST /api/v2/groups`", WORDS, _create_by_rdfm_v2)
PUT = Making("inventory", "`PUT …/devices/{id}/group`", WORDS, _create_by_inventory)
APPLY = Making("kubectl", "`apply`", WORDS, _apply)


def _look_by_rdfm(version: str, words: tuple[str, ...]) -> Look:
    def see(world: World, name: str) -> Facts | None:
        found = world.rdfm_group(name, version)
        return None if found is None else {**found, "name": name}

    return Look("rdfm", f"`GET /api/{version}/groups`", words, see)


def _see_object(world: World, name: str) -> Facts | None:
    found = world.object("DeviceGroup", name=name)
    return None if found is None else found["spec"]


LOOKS = (
    _look_by_rdfm("v1", ("name", "policy")),
    _look_by_rdfm("v2", WORDS),
    Look("kubectl", "`get groups`", WORDS, _see_object),
)


def _set(version: str, field: str, value: str | int, by: Making) -> Change:
    def change(world: World, name: str) -> Facts:
        group = world.waited(lambda: world.rdfm_group(name, version))
        path = f"/api/{version}/groups/{group['id']}/{field}"
        done(world.rdfm.post(path, json={field: value}))
        return {field: value}

    return Change("rdfm", f"`POST /api/{version}/groups/<id>/{field}`", (field,), by, change)


def _patch(world: World, name: str) -> Facts:
    wanted = {"policy": POLICY, "priority": 4}
    world.patch("DeviceGroup", world.cluster_name("DeviceGroup", name=name), wanted)
    return wanted


def _remove(version: str, by: Making) -> Removal:
    def remove(world: World, name: str) -> None:
        group = world.waited(lambda: world.rdfm_group(name, version))
        done(world.rdfm.delete(f"/api/{version}/groups/{group['id']}"))

    return Removal("rdfm", f"`DELETE /api/{version}/groups/<id>`", by, remove)


MATTER = Matter(
    "group",
    "A group",
    (V1, V2, PUT, APPLY),
    LOOKS,
    (
        _set("v1", "policy", POLICY, PUT),
        _set("v2", "policy", "exact_match,v6", APPLY),
        _set("v2", "priority", 9, APPLY),
        Change("kubectl", "`patch`", ("policy", "priority"), V1, _patch),
    ),
    (
        _remove("v1", APPLY),
        _remove("v2", V1),
        Removal(
            "kubectl",
            "`delete`",
            V2,
            lambda world, name: world.kubectl(
                "delete", "devicegroup", world.cluster_name("DeviceGroup", name=name)
            ),
        ),
    ),
)
