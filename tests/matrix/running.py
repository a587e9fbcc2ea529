"""What a device runs, as it says itself: over RDFM, Mender or Kaa. The version holds its name."""

import json

from websockets.sync.client import connect

from tests.matrix import offers, packages
from tests.matrix.table import Facts, Look, Making, Matter
from tests.matrix.world import APPLICATION, INVENTORY, UPLOAD, World, done, part

RUNS = ("runs",)


def _prepare(world: World, name: str) -> str:
    """Make a device, and the software that it will say it runs; return the version."""
    offers.device(world, name)
    packages.POST.make(world, name)
    return packages.version_of(name)


def _sign_in(world: World, name: str) -> Facts:
    version = _prepare(world, name)
    world.devices[name].metadata[packages.VERSION] = version
    world.devices[name].token()
    return {"runs": version}


def _tell(world: World, name: str) -> Facts:
    version = _prepare(world, name)
    credential = {"Authorization": f"Bearer token={world.devices[name].token()}"}
    url = f"ws://127.0.0.1:{world.stage.server.port}/api/v1/devices/ws"
    with connect(url, additional_headers=credential, proxy=None) as socket:
        socket.recv(timeout=30)
        socket.send(json.dumps({"method": "update_version", "version": version}))
        socket.ping().wait(30)
    return {"runs": version}


def _upload(world: World, name: str) -> Facts:
    version = _prepare(world, name)
    credential = {"Authorization": f"Bearer {world.devices[name].token()}"}
    told = [{"name": packages.VERSION, "value": version}]
    done(world.anybody.patch(UPLOAD, json=told, headers=credential))
    return {"runs": version}


def _apply(world: World, name: str) -> Facts:
    version = _prepare(world, name)
    path = f"/kp1/{APPLICATION}-v1/cmx_ota/{world.notes[name]}/applied/json"
    done(world.anybody.post(path, json={"configId": version}))
    return {"runs": version}


def _ask(world: World, name: str) -> Facts:
    version = _prepare(world, name)
    path = f"/kp1/{APPLICATION}-v1/cmx_ota/{world.notes[name]}/config/json"
    done(world.anybody.post(path, json={"configId": version}))
    return {"runs": version}


def _by_rdfm(world: World, name: str) -> Facts | None:
    found = world.rdfm_device(name)
    return None if found is None else {"runs": found["metadata"].get(packages.VERSION)}


def _by_inventory(world: World, name: str) -> Facts | None:
    found = world.document(world.inventory, f"{INVENTORY}/devices/{part(name)}")
    told = {item["name"]: item["value"] for item in found["attributes"]}
    return {"runs": told.get(packages.VERSION)}


def _current(world: World, name: str) -> Facts | None:
    found = world.document(world.otao, f"/api/v1/endpoints/{part(name)}/software/current")
    return None if found is None else {"runs": found["version"]}


def _decision(world: World, name: str) -> Facts | None:
    found = world.document(world.native, f"/polyfleet/v1/devices/{part(name)}/decision")
    return None if found is None else {"runs": found["facts"]["version"]}


def _by_object(world: World, name: str) -> Facts | None:
    found = world.device(name)
    return None if found is None else {"runs": found["status"]["software"]["version"]}


MATTER = Matter(
    "running",
    "What a device says that it runs",
    (
        Making("rdfm", "`POST /api/v1/auth/device`", RUNS, _sign_in),
        Making("rdfm", "`update_version` by WebSocket", RUNS, _tell),
        Making("inventory", "`PATCH …/device/attributes`", RUNS, _upload),
        Making("otao", "`POST …/cmx_ota/…/applied/json`", RUNS, _apply),
        Making("otao", "`POST …/cmx_ota/…/config/json`", RUNS, _ask),
    ),
    (
        Look("rdfm", "`GET /api/v1/devices`", RUNS, _by_rdfm),
        Look("inventory", "`GET …/devices/{id}`", RUNS, _by_inventory),
        Look("otao", "`GET …/endpoints/{id}/software/current`", RUNS, _current),
        Look("native", "`GET …/devices/{id}/decision`", RUNS, _decision),
        Look("kubectl", "`get devices`", RUNS, _by_object),
    ),
)
