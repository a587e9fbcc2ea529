"""What a device is offered: by a group's policy, a pin, or the software's own strategy.

Device and group bear the same name, and the version holds it. `offer` is one with a file, which
every device can take; `software` one that has only a specification, which is for Kaa's devices.
"""

import secrets
from typing import Any

from tests.matrix import packages
from tests.matrix.table import Change, Facts, Look, Making, Matter, Removal
from tests.matrix.world import APPLICATION, INVENTORY, SOFTWARE, World, done, part

FIRST = "1.0.0"
OFFER, SOFTWARE_ONLY = ("offer",), ("software",)


def device(world: World, name: str, **told: str) -> None:
    """Let a device in that speaks RDFM, and give it a token by which it speaks Kaa's protocol."""
    world.enrolled(name, **{packages.VERSION: FIRST, **told})
    world.notes[name] = world.endpoint_token(name)


def _assign_by_rdfm(world: World, name: str) -> Facts:
    device(world, name)
    version = packages.UPLOAD.make(world, name)["version"]
    package = world.waited(lambda: world.rdfm_package(version))["id"]
    made = done(world.rdfm.post("/api/v2/groups", json={"metadata": {"rdfm.group.name": name}}))
    place = f"/api/v2/groups/{made.json()['id']}"
    serial = world.rdfm_serial(name)
    done(world.rdfm.patch(f"{place}/devices", json={"add": [serial], "remove": []}))
    done(world.rdfm.post(f"{place}/package", json={"packages": [package]}))
    done(world.rdfm.post(f"{place}/policy", json={"policy": f"exact_match,{version}"}))
    return {"offer": version}


def apply_package(world: World, name: str, **own: Any) -> str:
    """Apply a package with a file; return its version."""
    version = packages.version_of(name)
    world.apply("Package", name, packages.package(version, secrets.token_hex(32)) | own)
    return version


def _assign_by_kubectl(world: World, name: str) -> Facts:
    device(world, name)
    version = apply_package(world, name)
    group = {"application": APPLICATION, "name": name, "packages": [name]}
    selector = {"selector": {"matchLabels": {"fleet": name}}}
    own = f"{APPLICATION}.{name}"
    world.apply("DeviceGroup", own, group | selector | {"policy": f"exact_match,{version}"})
    label = f"fleet={name}"
    world.kubectl("label", "device", world.cluster_name("Device", deviceId=name), label)
    return {"offer": version}


def _pin(world: World, name: str) -> Facts:
    device(world, name)
    version = apply_package(world, name)
    world.patch("Device", world.cluster_name("Device", deviceId=name), {"pin": name})
    return {"offer": version}


def _offer(world: World, name: str) -> Facts:
    # Of a type of its own: what is offered to all must not reach the devices of other rows.
    device(world, name, **{packages.TYPE: name})
    version = apply_package(world, name, deviceType=name, offer={"strategy": "general"})
    return {"offer": version}


def _post_software(world: World, name: str) -> Facts:
    device(world, name)
    path = f"{INVENTORY}/devices/{part(name)}/group"
    done(world.inventory.put(path, json={"group": name}))
    version = packages.version_of(name)
    body = {
        "specification": {"channel": name},
        "rolloutStrategy": "targeted",
        "filters": [{"filterId": name}],
    }
    done(world.otao.post(f"{SOFTWARE}/{version}", json=body))
    return {"software": version}


ASSIGN = Making("rdfm", "a group's package and policy", OFFER, _assign_by_rdfm)
POST = Making("otao", "`POST …/software/{version}` for a group", SOFTWARE_ONLY, _post_software)
APPLY = Making("kubectl", "`apply` of a package and a group", OFFER, _assign_by_kubectl)
PIN = Making("kubectl", "`patch device`: `spec.pin`", OFFER, _pin)
GENERAL = Making("kubectl", "`apply` of a package: `spec.offer`", OFFER, _offer)


def check(world: World, name: str) -> Facts | None:
    """Return what the device is offered over RDFM."""
    reply = done(world.devices[name].check())
    if reply.status_code == 204:
        return None
    package = world.document(world.rdfm, f"/api/v1/packages/{reply.json()['id']}")
    return {"offer": package["metadata"]["rdfm.software.version"]}


def ask(world: World, name: str) -> Facts | None:
    """Return what the device is told over Kaa's protocol that it should run."""
    path = f"/kp1/{APPLICATION}-v1/cmx_ota/{world.notes[name]}/config/json"
    found = done(world.anybody.get(path)).json()
    runs = world.devices[name].metadata[packages.VERSION]
    if found.get("configId") in (None, "", runs):
        return None
    return {"offer": found["configId"], "software": found["configId"]}


def decide(world: World, name: str) -> Facts | None:
    """Return what the device gets, as the decision about it says."""
    found = world.document(world.native, f"/polyfleet/v1/devices/{part(name)}/decision")
    package = found["decision"]["package"]
    if package is None:
        return None
    return {"offer": package["version"], "software": package["version"]}


def _put_software(world: World, name: str) -> Facts:
    """Offer to a group what RDFM uploaded and assigned to nobody."""
    body = {"rolloutStrategy": "targeted", "filters": [{"filterId": name}]}
    done(world.otao.put(f"{SOFTWARE}/{packages.version_of(name)}", json=body))
    return {"offer": packages.version_of(name)}


def _upload_for_nobody(world: World, name: str) -> Facts:
    device(world, name)
    path = f"{INVENTORY}/devices/{part(name)}/group"
    done(world.inventory.put(path, json={"group": name}))
    packages.UPLOAD.make(world, name)
    world.waited(lambda: packages.see_software(world, name))
    return {}


UPLOAD = Making("rdfm", "`POST /api/v1/packages`, assigned to nobody", (), _upload_for_nobody)


def _suspend_by_otao(world: World, name: str) -> None:
    body = {"rolloutStrategy": "suspended"}
    done(world.otao.put(f"{SOFTWARE}/{packages.version_of(name)}", json=body))


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


def install(world: World, name: str) -> None:
    """Have the device say over RDFM that it runs the software."""
    world.devices[name].metadata[packages.VERSION] = packages.version_of(name)
    world.devices[name].token()


def applied(world: World, name: str) -> None:
    """Have the device say over Kaa's protocol that it runs the software."""
    version = packages.version_of(name)
    path = f"/kp1/{APPLICATION}-v1/cmx_ota/{world.notes[name]}/applied/json"
    done(world.anybody.post(path, json={"configId": version}))
    world.devices[name].metadata[packages.VERSION] = version


MATTER = Matter(
    "offer",
    "What a device is offered",
    (ASSIGN, POST, APPLY, PIN, GENERAL),
    (
        Look("rdfm", "`POST /api/v1/update/check`", OFFER, check),
        Look("otao", "`…/cmx_ota/…/config/json`", (*OFFER, *SOFTWARE_ONLY), ask),
        Look("native", "`GET …/devices/{id}/decision`", (*OFFER, *SOFTWARE_ONLY), decide),
    ),
    (Change("otao", "`PUT …/software/{version}` for a group", OFFER, UPLOAD, _put_software),),
    (
        Removal("rdfm", "a group's policy `no_update,`", APPLY, _forbid_by_rdfm),
        Removal("rdfm", "the device tells that it runs it", APPLY, install),
        Removal("otao", "`…/cmx_ota/…/applied/json`", ASSIGN, applied),
        Removal("otao", "`PUT …/software/{version}`: suspended", GENERAL, _suspend_by_otao),
        Removal("kubectl", "`patch device`: `spec.hold`", ASSIGN, _hold),
        Removal("kubectl", "`patch package`: `spec.offer`", GENERAL, _suspend),
        Removal("kubectl", "`patch group`: `spec.hold`", ASSIGN, _hold_group),
    ),
)
