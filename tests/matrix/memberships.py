"""Who is in a group. The device and the group bear the same name; kubectl makes both."""

from tests.matrix.table import Facts, Look, Making, Matter, Removal
from tests.matrix.world import APPLICATION, INVENTORY, World, done, part

MEMBER = ("member",)


def _prepare(world: World, name: str) -> None:
    common = {"application": APPLICATION}
    world.apply("Device", f"{APPLICATION}.{name}", common | {"deviceId": name})
    world.apply("DeviceGroup", f"{APPLICATION}.{name}", common | {"name": name})
    world.cluster.adopted("DeviceGroup", f"{APPLICATION}.{name}")
    world.cluster.adopted("Device", f"{APPLICATION}.{name}")


def _change_by_rdfm(world: World, name: str, version: str, *, joins: bool) -> None:
    group = world.waited(lambda: world.rdfm_group(name, version))
    serial = [world.waited(lambda: world.rdfm_device(name, version))["id"]]
    body = {"add": serial if joins else [], "remove": [] if joins else serial}
    done(world.rdfm.patch(f"/api/{version}/groups/{group['id']}/devices", json=body))


def _by_rdfm(version: str) -> Making:
    def make(world: World, name: str) -> Facts:
        _prepare(world, name)
        _change_by_rdfm(world, name, version, joins=True)
        return {"member": name}

    return Making("rdfm", f"`PATCH /api/{version}/groups/<id>/devices`", MEMBER, make)


def _move(world: World, name: str) -> Facts:
    _prepare(world, name)
    world.waited(lambda: world.document(world.inventory, f"{INVENTORY}/devices/{part(name)}"))
    path = f"{INVENTORY}/devices/{part(name)}/group"
    done(world.inventory.put(path, json={"group": name}))
    return {"member": name}


def _move_many(world: World, name: str) -> Facts:
    _prepare(world, name)
    world.waited(lambda: world.document(world.inventory, f"{INVENTORY}/devices/{part(name)}"))
    reply = done(world.inventory.patch(f"{INVENTORY}/groups/{part(name)}/devices", json=[name]))
    assert reply.json()["updated_count"] == 1
    return {"member": name}


def _label(world: World, name: str) -> Facts:
    _prepare(world, name)
    own = f"{APPLICATION}.{name}"
    world.kubectl("label", "device", own, f"group.polyfleet.dev/{own}=true")
    return {"member": name}


def _select(world: World, name: str) -> Facts:
    spec = {"application": APPLICATION, "deviceId": name}
    world.apply("Device", f"{APPLICATION}.{name}", spec, fleet=name)
    group = {"application": APPLICATION, "name": name}
    selector = {"selector": {"matchLabels": {"fleet": name}}}
    world.apply("DeviceGroup", f"{APPLICATION}.{name}", group | selector)
    return {"member": name}


MOVE = Making("inventory", "`PUT …/devices/{id}/group`", MEMBER, _move)
MOVE_MANY = Making("inventory", "`PATCH …/groups/{name}/devices`", MEMBER, _move_many)
LABEL = Making("kubectl", "`label device`", MEMBER, _label)
SELECT = Making("kubectl", "`apply`, with a selector", MEMBER, _select)
BY_V1, BY_V2 = _by_rdfm("v1"), _by_rdfm("v2")


# Looks


def _members_by_rdfm(version: str) -> Look:
    def see(world: World, name: str) -> Facts | None:
        group, device = world.rdfm_group(name, version), world.rdfm_device(name, version)
        if group is None or device is None or device["id"] not in group["devices"]:
            return None
        return {"member": name}

    return Look("rdfm", f"`GET /api/{version}/groups`", MEMBER, see)


def _groups_by_rdfm(version: str) -> Look:
    def see(world: World, name: str) -> Facts | None:
        group, device = world.rdfm_group(name, version), world.rdfm_device(name, version)
        if group is None or device is None:
            return None
        groups = [device["group"]] if version == "v1" else device["groups"]
        return {"member": name} if group["id"] in groups else None

    return Look("rdfm", f"`GET /api/{version}/devices`", MEMBER, see)


def _group_of(world: World, name: str) -> Facts | None:
    found = world.document(world.inventory, f"{INVENTORY}/devices/{part(name)}/group")
    return None if found is None or found["group"] is None else {"member": found["group"]}


def _members(world: World, name: str) -> Facts | None:
    found = world.document(world.inventory, f"{INVENTORY}/groups/{part(name)}/devices")
    return {"member": found[0]} if found else None


def _groups(world: World, name: str) -> Facts | None:
    found = world.document(world.inventory, f"{INVENTORY}/groups")
    return {"member": name} if name in found else None


def _decision(world: World, name: str) -> Facts | None:
    found = world.document(world.native, f"/polyfleet/v1/devices/{part(name)}/decision")
    return None if found is None or name not in found["facts"]["groups"] else {"member": name}


def _count(world: World, name: str) -> Facts | None:
    found = world.object("DeviceGroup", name=name)
    counted = found is not None and found.get("status", {}).get("members")
    return {"member": name} if counted == 1 else None


LOOKS = (
    _groups_by_rdfm("v1"),
    _groups_by_rdfm("v2"),
    _members_by_rdfm("v1"),
    _members_by_rdfm("v2"),
    Look("inventory", "`GET …/devices/{id}/group`", MEMBER, _group_of),
    Look("inventory", "`GET …/groups/{name}/devices`", MEMBER, _members),
    Look("inventory", "`GET …/groups`", MEMBER, _groups),
    Look("native", "`GET …/devices/{id}/decision`", MEMBER, _decision),
    Look("kubectl", "`get groups`, its count of members", MEMBER, _count),
)


# Removals


def _leave_by_rdfm(version: str, by: Making) -> Removal:
    return Removal(
        "rdfm",
        f"`PATCH /api/{version}/groups/<id>/devices`",
        by,
        lambda world, name: _change_by_rdfm(world, name, version, joins=False),
    )


def _leave_many(world: World, name: str) -> None:
    path = f"{INVENTORY}/groups/{part(name)}/devices"
    reply = done(world.inventory.request("DELETE", path, json=[name]))
    assert reply.json()["updated_count"] == 1


REMOVALS = (
    _leave_by_rdfm("v1", MOVE),
    _leave_by_rdfm("v2", LABEL),
    Removal(
        "inventory",
        "`DELETE …/devices/{id}/group/{name}`",
        BY_V1,
        lambda world, name: done(
            world.inventory.delete(f"{INVENTORY}/devices/{part(name)}/group/{part(name)}")
        ),
    ),
    Removal("inventory", "`DELETE …/groups/{name}/devices`", LABEL, _leave_many),
    Removal(
        "kubectl",
        "`label device …-`",
        MOVE_MANY,
        lambda world, name: world.kubectl(
            "label",
            "device",
            f"{APPLICATION}.{name}",
            f"group.polyfleet.dev/{APPLICATION}.{name}-",
        ),
    ),
    Removal(
        "kubectl",
        "`delete group`",
        BY_V2,
        lambda world, name: world.kubectl("delete", "devicegroup", f"{APPLICATION}.{name}"),
    ),
)

MATTER = Matter(
    "membership",
    "A device's place in a group",
    (BY_V1, BY_V2, MOVE, MOVE_MANY, LABEL, SELECT),
    LOOKS,
    (),
    REMOVALS,
)
