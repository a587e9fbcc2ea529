"""An application's configuration: a variable of its environment, and a limit."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from tests.matrix import releases
from tests.matrix.table import Change, Facts, Look, Making, Matter, Removal
from tests.matrix.world import World, done, some

COLOUR, MEMORY = ("colour",), ("memory",)
WORDS = (*COLOUR, *MEMORY)


def _post(world: World, name: str) -> Facts:
    releases.create_in_deis(world, name)
    return _change_in_deis(world, name)


def _give(world: World, name: str, **values: str) -> None:
    """Write the Secret in which people without REST keep an environment."""
    metadata = {"name": f"app-{name}-config"}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}
    world.kubectl("apply", "-f", "-", stdin=json.dumps(body))


def _apply(world: World, name: str) -> Facts:
    colour = some()
    _give(world, name, COLOUR=colour)
    world.apply("Application", name, {"name": name, "config": {"memory": {"web": "64M"}}})
    releases.apply_build(world, name, 1)
    return {"colour": colour, "memory": "64M"}


IN_DEIS = Making("deis", "`POST …/config`", WORDS, _post)
APPLY = Making("kubectl", "`apply` of an application and its Secret", WORDS, _apply)


def _facts(colour: str | None, memory: str | None) -> Facts | None:
    return None if colour is None else {"colour": colour, "memory": memory}


def _show(world: World, name: str) -> Facts | None:
    found = world.document(world.deis, f"/v1/apps/{name}/config")
    if found is None:
        return None
    return _facts(found["values"].get("COLOUR"), found["memory"].get("web"))


def _value(world: World, secret: str, key: str) -> str | None:
    """Return a value of a Secret, as kubectl shows it."""
    text = world.kubectl("get", "secret", secret, "--ignore-not-found", "-o", "json")
    data: Mapping[str, str] = json.loads(text or "{}").get("data") or {}
    return base64.b64decode(data[key]).decode() if key in data else None


def _get_releases(world: World, name: str) -> Facts | None:
    release = releases.newest_release(world, name)
    if release is None:
        return None
    config = release["config"]
    colour = _value(world, config["secretName"], "env.COLOUR")
    return _facts(colour, config.get("memory", {}).get("web"))


def _get_deployments(world: World, name: str) -> Facts | None:
    found = world.running(name)
    if found is None:
        return None
    container = found["spec"]["template"]["spec"]["containers"][0]
    references = [one["valueFrom"] for one in container["env"] if one["name"] == "COLOUR"]
    limits: dict[str, Any] = container["resources"].get("limits", {})
    for reference in references:
        wanted = reference["secretKeyRef"]
        colour = _value(world, wanted["name"], wanted["key"])
        return _facts(colour, limits["memory"].removesuffix("i") if limits else None)
    return None


def _change_in_deis(world: World, name: str) -> Facts:
    colour = some()
    body = {"values": {"COLOUR": colour}, "memory": {"web": "96M"}}
    done(world.deis.post(f"/v1/apps/{name}/config", json=body))
    return {"colour": colour, "memory": "96M"}


def _change_the_secret(world: World, name: str) -> Facts:
    colour = some()
    _give(world, name, COLOUR=colour)
    return {"colour": colour}


def _change_the_limit(world: World, name: str) -> Facts:
    world.patch("Application", name, {"config": {"memory": {"web": "128M"}}})
    return {"memory": "128M"}


def _unset_in_deis(world: World, name: str) -> None:
    body = {"values": {"COLOUR": None}}
    done(world.deis.post(f"/v1/apps/{name}/config", json=body))


def _unset_in_the_secret(world: World, name: str) -> None:
    world.kubectl(
        "patch", "secret", f"app-{name}-config", "--type=merge", '--patch={"data":{"COLOUR":null}}'
    )


MATTER = Matter(
    "config",
    "An application's configuration",
    (IN_DEIS, APPLY),
    (
        Look("deis", "`GET …/config`", WORDS, _show),
        Look("kubectl", "`get releases,secrets`", WORDS, _get_releases),
        Look("kubectl", "`get deployments`", WORDS, _get_deployments),
    ),
    (
        Change("deis", "`POST …/config`", WORDS, APPLY, _change_in_deis),
        Change("kubectl", "`apply` of its Secret", COLOUR, APPLY, _change_the_secret),
        Change("kubectl", "`patch application`: `spec.config`", MEMORY, IN_DEIS, _change_the_limit),
    ),
    (
        Removal("deis", "`POST …/config`: null", APPLY, _unset_in_deis),
        Removal("kubectl", "`patch` of its Secret", APPLY, _unset_in_the_secret),
    ),
)
