"""What a Rollout brings to a device; rollout, package and device bear the same name.

As with other offers, `offer` has a file, and `software` only a specification, for Kaa's devices.
"""

from typing import Any

from tests.matrix import offers, packages
from tests.matrix.offers import OFFER, SOFTWARE_ONLY
from tests.matrix.table import Change, Facts, Look, Making, Matter, Removal
from tests.matrix.world import APPLICATION, World
from tests.operator.conftest import condition_of

BOTH = (*OFFER, *SOFTWARE_ONLY)
UNTIL_A_PERSON: dict[str, Any] = {"limit": 0, "pause": {}}


def _roll_out(world: World, name: str, package: str, **more: Any) -> None:
    """Apply a Rollout whose only target is the device of that name."""
    own = world.cluster_name("Device", deviceId=name)
    world.kubectl("label", "device", own, f"rollout={name}")
    targets = {"selector": {"matchLabels": {"rollout": name}}}
    spec = {"application": APPLICATION, "package": package, "targets": targets}
    # Not `Snapshot`: it is no matter here which clock says when the device was labelled.
    world.apply("Rollout", name, {**spec, "targetSelection": "Continuous", **more})


def _apply(world: World, name: str, **more: Any) -> Facts:
    offers.device(world, name)
    version = offers.apply_package(world, name)
    _roll_out(world, name, name, **more)
    return {"offer": version}


def _of_rdfm(world: World, name: str) -> Facts:
    offers.device(world, name)
    version = packages.UPLOAD.make(world, name)["version"]
    _roll_out(world, name, world.cluster_name("Package", version=version))
    return {"offer": version}


def _of_otao(world: World, name: str) -> Facts:
    offers.device(world, name)
    version = packages.POST.make(world, name)["version"]
    _roll_out(world, name, world.cluster_name("Package", version=version))
    return {"software": version}


def _staged(world: World, name: str) -> Facts:
    _apply(world, name, steps=[UNTIL_A_PERSON])
    waits = ("True", "AwaitingPromotion")
    world.cluster.comes_to("Rollout", name, lambda item: condition_of(item, "Paused")[:2] == waits)
    assert offers.decide(world, name) is None
    return {}


def _paused(world: World, name: str) -> Facts:
    _apply(world, name, paused=True)
    waits = ("True", "Paused")
    world.cluster.comes_to("Rollout", name, lambda item: condition_of(item, "Paused")[:2] == waits)
    assert offers.decide(world, name) is None
    return {}


APPLY = Making("kubectl", "`apply` of a package and a rollout", OFFER, _apply)
OF_RDFM = Making("kubectl", "`apply` of a rollout of what RDFM uploaded", OFFER, _of_rdfm)
OF_OTAO = Making("kubectl", "`apply` of a rollout of what Kaa posted", SOFTWARE_ONLY, _of_otao)
STAGED = Making("kubectl", "`apply` of a rollout that waits for a person", (), _staged)
PAUSED = Making("kubectl", "`apply` of a paused rollout", (), _paused)


def _get(world: World, name: str) -> Facts | None:
    """Return what the Rollout still brings: nothing while it is halted or when it is complete."""
    found = world.cluster.get("Rollout", name)
    if found is None or condition_of(found, "Progressing")[0] != "True":
        return None
    package = world.cluster.get("Package", found["spec"]["package"])
    version = package and package["spec"]["version"]
    return {"offer": version, "software": version}


def _promote(world: World, name: str) -> Facts:
    world.polyfleet("rollout", "promote", name)
    return {"offer": packages.version_of(name)}


def _resume(world: World, name: str) -> Facts:
    world.patch("Rollout", name, {"paused": False})
    return {"offer": packages.version_of(name)}


MATTER = Matter(
    "rollout",
    "What a rollout brings to a device",
    (APPLY, OF_RDFM, OF_OTAO),
    (
        Look("rdfm", "`POST /api/v1/update/check`", OFFER, offers.check),
        Look("otao", "`…/cmx_ota/…/config/json`", BOTH, offers.ask),
        Look("native", "`GET …/devices/{id}/decision`", BOTH, offers.decide),
        Look("kubectl", "`get rollouts`", BOTH, _get),
    ),
    (
        Change("kubectl", "`polyfleet rollout promote`", OFFER, STAGED, _promote),
        Change("kubectl", "`patch rollout`: `spec.paused`", OFFER, PAUSED, _resume),
    ),
    (
        Removal("rdfm", "the device tells that it runs it", APPLY, offers.install),
        Removal("otao", "`…/cmx_ota/…/applied/json`", OF_OTAO, offers.applied),
        Removal(
            "kubectl",
            "`patch rollout`: `spec.paused`",
            APPLY,
            lambda world, name: world.patch("Rollout", name, {"paused": True}),
        ),
        Removal(
            "kubectl",
            "`polyfleet rollout abort`",
            OF_RDFM,
            lambda world, name: world.polyfleet("rollout", "abort", name),
        ),
        Removal(
            "kubectl",
            "`delete rollout`",
            OF_OTAO,
            lambda world, name: world.kubectl("delete", "rollout", name),
        ),
    ),
)
