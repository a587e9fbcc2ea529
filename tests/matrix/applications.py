"""Applications; their devices are `~<application>~<id>` where no applications are known."""

from tests.matrix.table import Change, Facts, Look, Making, Matter, Removal
from tests.matrix.world import APPS, INVENTORY, World, done, part, some

DEVICE = "kettle"


def flat(name: str) -> str:
    """Return the id of the application's device in dialects that know no applications."""
    return f"~{name}~{DEVICE}"


def _create(world: World, name: str) -> Facts:
    ring = some()
    done(world.drogue.post(APPS, json={"metadata": {"name": name, "labels": {"ring": ring}}}))
    metadata = {"application": name, "name": DEVICE}
    done(world.drogue.post(f"{APPS}/{name}/devices", json={"metadata": metadata}))
    return {"name": name, "ring": ring, "device": DEVICE}


def _create_in_deis(world: World, name: str) -> Facts:
    done(world.deis.post("/v1/apps", json={"id": name}))
    return {"name": name}


def _apply(world: World, name: str) -> Facts:
    ring = some()
    world.apply("Application", name, {"name": name}, ring=ring)
    world.apply("Device", f"{name}.{DEVICE}", {"application": name, "deviceId": DEVICE})
    return {"name": name, "ring": ring, "device": DEVICE}


WORDS = ("name", "ring", "device")
CREATE = Making("drogue", "`POST …/apps`, `POST …/apps/{app}/devices`", WORDS, _create)
IN_DEIS = Making("deis", "`POST /v1/apps`", ("name",), _create_in_deis)
APPLY = Making("kubectl", "`apply` of an application and a device", WORDS, _apply)


def _see_in_drogue(world: World, name: str) -> Facts | None:
    found = world.document(world.drogue, f"{APPS}/{name}")
    if found is None or found["metadata"].get("deletionTimestamp"):
        return None
    return {"name": name, "ring": found["metadata"].get("labels", {}).get("ring")}


def _see_in_deis(world: World, name: str) -> Facts | None:
    found = world.document(world.deis, f"/v1/apps/{name}")
    return None if found is None else {"name": found["id"]}


def _list_in_deis(world: World, name: str) -> Facts | None:
    found = world.document(world.deis, "/v1/apps", params={"page_size": 100})
    return {"name": name} if name in [item["id"] for item in found["results"]] else None


def _see_software(world: World, name: str) -> Facts | None:
    found = world.document(world.otao, f"/api/v1/applications/{name}/software")
    return None if found is None else {"name": name}


def _see_devices_in_drogue(world: World, name: str) -> Facts | None:
    found = world.document(world.drogue, f"{APPS}/{name}/devices")
    return {"device": found[0]["metadata"]["name"]} if found else None


def _see_by_rdfm(world: World, name: str) -> Facts | None:
    return None if world.rdfm_device(flat(name)) is None else {"device": DEVICE}


def _see_in_inventory(world: World, name: str) -> Facts | None:
    found = world.document(world.inventory, f"{INVENTORY}/devices/{part(flat(name))}")
    return None if found is None else {"device": DEVICE}


def _see_decision(world: World, name: str) -> Facts | None:
    path = f"/polyfleet/v1/applications/{name}/devices/{DEVICE}/decision"
    found = world.document(world.native, path)
    if found is None:
        return None
    assert found["device"]["application"] == name
    return {"device": found["device"]["id"]}


def _see_object(world: World, name: str) -> Facts | None:
    found = world.object("Application", name=name)
    if found is None:
        return None
    ring = found["metadata"].get("labels", {}).get("ring")
    device = world.device(DEVICE, name)
    return {"name": name, "ring": ring, "device": device and device["spec"]["deviceId"]}


def _label_in_drogue(world: World, name: str) -> Facts:
    ring = some()
    world.waited(lambda: _see_in_drogue(world, name))
    body = {"metadata": {"name": name, "labels": {"ring": ring}}}
    done(world.drogue.put(f"{APPS}/{name}", json=body))
    return {"ring": ring}


def _label_by_kubectl(world: World, name: str) -> Facts:
    ring = some()
    own = world.cluster_name("Application", name=name)
    world.kubectl("label", "--overwrite", "application", own, f"ring={ring}")
    return {"ring": ring}


MATTER = Matter(
    "application",
    "An application and its device",
    (CREATE, IN_DEIS, APPLY),
    (
        Look("rdfm", "`GET /api/v1/devices`", ("device",), _see_by_rdfm),
        Look("inventory", "`GET …/devices/{id}`", ("device",), _see_in_inventory),
        Look("drogue", "`GET …/apps/{app}`", ("name", "ring"), _see_in_drogue),
        Look("drogue", "`GET …/apps/{app}/devices`", ("device",), _see_devices_in_drogue),
        Look("otao", "`GET …/applications/{app}/software`", ("name",), _see_software),
        Look("deis", "`GET /v1/apps/{app}`", ("name",), _see_in_deis),
        Look("deis", "`GET /v1/apps`", ("name",), _list_in_deis),
        Look("native", "`GET …/decision`", ("device",), _see_decision),
        Look("kubectl", "`get applications,devices`", WORDS, _see_object),
    ),
    (
        Change("drogue", "`PUT …/apps/{app}`", ("ring",), APPLY, _label_in_drogue),
        Change("kubectl", "`label`", ("ring",), CREATE, _label_by_kubectl),
    ),
    (
        Removal(
            "drogue",
            "`DELETE …/apps/{app}`",
            IN_DEIS,
            lambda world, name: done(world.drogue.delete(f"{APPS}/{name}")),
        ),
        Removal(
            "deis",
            "`DELETE /v1/apps/{app}`",
            CREATE,
            lambda world, name: done(world.deis.delete(f"/v1/apps/{name}")),
        ),
        Removal(
            "kubectl",
            "`delete`",
            APPLY,
            lambda world, name: world.kubectl(
                "delete", "application", world.cluster_name("Application", name=name)
            ),
        ),
    ),
)
