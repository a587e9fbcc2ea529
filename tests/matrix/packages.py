"""Packages: the software that there is."""

import hashlib
import secrets
from typing import Any

from tests.matrix.table import Facts, Look, Making, Matter, Removal
from tests.matrix.world import APPLICATION, DEVICE_TYPE, World, done

WORDS = ("version", "type", "sha256")
TYPE, VERSION = "rdfm.hardware.devtype", "rdfm.software.version"


def _upload(world: World, name: str) -> Facts:
    content = secrets.token_bytes(64)
    form = {VERSION: name, TYPE: DEVICE_TYPE}
    done(world.rdfm.post("/api/v1/packages", data=form, files={"file": ("x.img", content)}))
    return {
        "version": name,
        "type": DEVICE_TYPE,
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _apply(world: World, name: str) -> Facts:
    digest = secrets.token_hex(32)
    world.apply("Package", name, package(name, digest))
    return {"version": name, "type": DEVICE_TYPE, "sha256": digest}


def package(version: str, digest: str) -> dict[str, Any]:
    """Return the spec of a package that lies on somebody's web server."""
    address = f"https://downloads.example.com/{version}.img"
    artifact = {"driver": "url", "url": address, "sha256": digest, "size": 64}
    common = {"application": APPLICATION, "version": version, "deviceType": DEVICE_TYPE}
    return common | {"artifact": artifact}


UPLOAD = Making("rdfm", "`POST /api/v1/packages`", WORDS, _upload)
APPLY = Making("kubectl", "`apply`", WORDS, _apply)


def _see_by_rdfm(world: World, name: str) -> Facts | None:
    found = world.rdfm_package(name)
    if found is None:
        return None
    metadata = found["metadata"]
    return {"version": metadata[VERSION], "type": metadata[TYPE], "sha256": found["sha256"]}


def _see_object(world: World, name: str) -> Facts | None:
    found = world.object("Package", version=name)
    if found is None:
        return None
    spec = found["spec"]
    digest = spec.get("artifact", {}).get("sha256")
    return {"version": spec["version"], "type": spec.get("deviceType"), "sha256": digest}


def _remove_by_rdfm(world: World, name: str) -> None:
    found = world.waited(lambda: world.rdfm_package(name))
    done(world.rdfm.delete(f"/api/v1/packages/{found['id']}"))


def _delete_object(world: World, name: str) -> None:
    world.kubectl("delete", "package", world.cluster_name("Package", version=name))


MATTER = Matter(
    "package",
    "A package",
    (UPLOAD, APPLY),
    (
        Look("rdfm", "`GET /api/v1/packages`", WORDS, _see_by_rdfm),
        Look("kubectl", "`get packages`", WORDS, _see_object),
    ),
    (),
    (
        Removal("rdfm", "`DELETE /api/v1/packages/<id>`", APPLY, _remove_by_rdfm),
        Removal("kubectl", "`delete`", UPLOAD, _delete_object),
    ),
)
