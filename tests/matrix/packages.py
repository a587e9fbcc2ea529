"""Packages: the software that there is. A thing's name is part of its version."""

import hashlib
import secrets
from typing import Any

from tests.matrix.table import Change, Facts, Look, Making, Matter, Removal
from tests.matrix.world import APPLICATION, DEVICE_TYPE, SOFTWARE, World, done

TYPE, VERSION = "rdfm.hardware.devtype", "rdfm.software.version"
FILE = ("version", "type", "sha256", "strategy")
TEXT = ("version", "strategy", "from")
ALL = ("version", "type", "sha256", "strategy", "from")


def version_of(name: str) -> str:
    """Return a semantic version with that name in it."""
    return f"2.0.0-{name}"


def _upload(world: World, name: str) -> Facts:
    content, version = secrets.token_bytes(64), version_of(name)
    form = {VERSION: version, TYPE: DEVICE_TYPE}
    done(world.rdfm.post("/api/v1/packages", data=form, files={"file": ("x.img", content)}))
    digest = hashlib.sha256(content).hexdigest()
    return {"version": version, "type": DEVICE_TYPE, "sha256": digest, "strategy": "suspended"}


def _apply(world: World, name: str) -> Facts:
    digest, version = secrets.token_hex(32), version_of(name)
    own = {"upgradableFrom": ["1.0.0"], "offer": {"strategy": "targeted", "filters": []}}
    world.apply("Package", name, package(version, digest) | own)
    return {
        "version": version,
        "type": DEVICE_TYPE,
        "sha256": digest,
        "strategy": "targeted",
        "from": ["1.0.0"],
    }


def _post(world: World, name: str) -> Facts:
    version = version_of(name)
    body = {
        "specification": {"channel": name},
        "rolloutStrategy": "targeted",
        "upgradableFrom": ["1.0.0"],
    }
    done(world.otao.post(f"{SOFTWARE}/{version}", json=body))
    return {"version": version, "strategy": "targeted", "from": ["1.0.0"]}


def package(version: str, digest: str) -> dict[str, Any]:
    """Return the spec of a package that lies on somebody's web server."""
    address = f"https://downloads.example.com/{version}.img"
    artifact = {"driver": "url", "url": address, "sha256": digest, "size": 64}
    common = {"application": APPLICATION, "version": version, "deviceType": DEVICE_TYPE}
    return common | {"artifact": artifact}


UPLOAD = Making("rdfm", "`POST /api/v1/packages`", FILE, _upload)
APPLY = Making("kubectl", "`apply`", ALL, _apply)
POST = Making("otao", "`POST …/software/{version}`", TEXT, _post)


def _see_by_rdfm(world: World, name: str) -> Facts | None:
    found = world.rdfm_package(version_of(name))
    if found is None:
        return None
    metadata = found["metadata"]
    return {"version": metadata[VERSION], "type": metadata.get(TYPE), "sha256": found["sha256"]}


def _software(found: dict[str, Any]) -> Facts:
    specification = found.get("specification") or {}
    return {
        "version": found["version"],
        "sha256": specification.get("sha256"),
        "strategy": found["rolloutStrategy"],
        "from": found.get("upgradableFrom"),
    }


def see_software(world: World, name: str) -> Facts | None:
    """Return the package as OTAO shows it."""
    found = world.document(world.otao, f"{SOFTWARE}/{version_of(name)}")
    return None if found is None else _software(found)


def _list_software(world: World, name: str) -> Facts | None:
    for found in world.document(world.otao, SOFTWARE):
        if found["version"] == version_of(name):
            return _software(found)
    return None


def _see_object(world: World, name: str) -> Facts | None:
    found = world.object("Package", version=version_of(name))
    if found is None:
        return None
    spec = found["spec"]
    return {
        "version": spec["version"],
        "type": spec.get("deviceType"),
        "sha256": spec.get("artifact", {}).get("sha256"),
        "strategy": spec.get("offer", {}).get("strategy", "suspended"),
        "from": spec.get("upgradableFrom"),
    }


def _put(world: World, name: str) -> Facts:
    world.waited(lambda: see_software(world, name))
    body = {"rolloutStrategy": "targeted", "upgradableFrom": ["1.1.0"]}
    done(world.otao.put(f"{SOFTWARE}/{version_of(name)}", json=body))
    return {"strategy": "targeted", "from": ["1.1.0"]}


def _patch(world: World, name: str) -> Facts:
    own = world.cluster_name("Package", version=version_of(name))
    world.patch("Package", own, {"offer": {"strategy": "suspended"}})
    return {"strategy": "suspended"}


def _remove_by_rdfm(world: World, name: str) -> None:
    found = world.waited(lambda: world.rdfm_package(version_of(name)))
    done(world.rdfm.delete(f"/api/v1/packages/{found['id']}"))


def _delete_object(world: World, name: str) -> None:
    world.kubectl("delete", "package", world.cluster_name("Package", version=version_of(name)))


MATTER = Matter(
    "package",
    "A package",
    (UPLOAD, POST, APPLY),
    (
        Look("rdfm", "`GET /api/v1/packages`", ("version", "type", "sha256"), _see_by_rdfm),
        Look("otao", "`GET …/software/{version}`", (*TEXT, "sha256"), see_software),
        Look("otao", "`GET …/software`", (*TEXT, "sha256"), _list_software),
        Look("kubectl", "`get packages`", ALL, _see_object),
    ),
    (
        Change("otao", "`PUT …/software/{version}`", ("strategy", "from"), UPLOAD, _put),
        Change("kubectl", "`patch`: `spec.offer`", ("strategy",), POST, _patch),
    ),
    (
        Removal("rdfm", "`DELETE /api/v1/packages/<id>`", POST, _remove_by_rdfm),
        Removal("kubectl", "`delete`", UPLOAD, _delete_object),
    ),
)
