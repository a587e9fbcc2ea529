"""What an application runs: its builds, its releases, and how many processes.

The thing's name is the application's. A build that came over Deis runs, as an application of Deis
names it; what kubectl made is named by `spec.workload.build`, or runs because it is the newest.
"""

from typing import Any

from tests.matrix.table import Change, Facts, Look, Making, Matter, Removal
from tests.matrix.world import World, done
from tests.operator.conftest import eventually

PROCFILE = {"web": "serve"}
WORDS = ("builds", "runs", "release", "web")
BY_BUILD = ("builds", "runs", "release")


def image(name: str, number: int) -> str:
    return f"registry.example.com/{name}:{number}"


def post_build(world: World, name: str, number: int) -> None:
    """Give an image over Deis."""
    body = {"image": image(name, number), "procfile": PROCFILE}
    done(world.deis.post(f"/v1/apps/{name}/builds", json=body))


def apply_build(world: World, name: str, number: int) -> None:
    """Give an image by kubectl."""
    spec = {"application": name, "image": image(name, number), "procfile": PROCFILE}
    world.apply("Build", f"{name}-{number}", spec)


def create_in_deis(world: World, name: str) -> Facts:
    """Make an application with a build over Deis, which begins with a release without any."""
    done(world.deis.post("/v1/apps", json={"id": name}))
    post_build(world, name, 1)
    return {"builds": [image(name, 1)], "runs": image(name, 1), "release": 2, "web": 1}


def apply(world: World, name: str) -> Facts:
    """Make an application with a build by kubectl."""
    world.apply("Application", name, {"name": name})
    apply_build(world, name, 1)
    return {"builds": [image(name, 1)], "runs": image(name, 1), "release": 1, "web": 1}


IN_DEIS = Making("deis", "`POST /v1/apps`, `POST …/builds`", WORDS, create_in_deis)
APPLY = Making("kubectl", "`apply` of an application and a build", WORDS, apply)


def _results(world: World, path: str) -> list[dict[str, Any]]:
    found = world.document(world.deis, path)
    return [] if found is None else list(found["results"])


def _list_builds(world: World, name: str) -> Facts | None:
    found = _results(world, f"/v1/apps/{name}/builds")
    return {"builds": sorted(item["image"] for item in found)} if found else None


def _list_releases(world: World, name: str) -> Facts | None:
    releases = [one for one in _results(world, f"/v1/apps/{name}/releases") if one["build"]]
    if not releases:
        return None
    build = world.document(world.deis, f"/v1/apps/{name}/builds/{releases[0]['build']}")
    return None if build is None else {"release": releases[0]["version"], "runs": build["image"]}


def _show_release(world: World, name: str) -> Facts | None:
    listed = _list_releases(world, name)
    if listed is None:
        return None
    found = world.document(world.deis, f"/v1/apps/{name}/releases/v{listed['release']}")
    return None if found is None else {"release": found["version"]}


def _structure(world: World, name: str) -> Facts | None:
    found = world.document(world.deis, f"/v1/apps/{name}")
    return None if found is None else {"web": found["structure"].get("web")}


def _get_builds(world: World, name: str) -> Facts | None:
    found = [item["spec"] for item in world.cluster.all("Build")]
    images = sorted(spec["image"] for spec in found if spec["application"] == name)
    return {"builds": images} if images else None


def newest_release(world: World, name: str) -> dict[str, Any] | None:
    """Return the spec of the application's newest Release, as kubectl shows it."""
    found = [item["spec"] for item in world.cluster.all("Release")]
    own = [spec for spec in found if spec["application"] == name]
    return max(own, key=lambda spec: int(spec["version"]), default=None)


def _get_releases(world: World, name: str) -> Facts | None:
    release = newest_release(world, name)
    build = world.cluster.get("Build", release["build"]) if release and "build" in release else None
    if release is None or build is None:
        return None
    return {"release": release["version"], "runs": build["spec"]["image"]}


def _get_deployments(world: World, name: str) -> Facts | None:
    found = world.running(name)
    if found is None:
        return None
    label = found["metadata"]["labels"]["polyfleet.dev/release"]
    return {
        "runs": found["spec"]["template"]["spec"]["containers"][0]["image"],
        "release": int(label.removeprefix("v")),
        "web": found["spec"]["replicas"],
    }


def _second_in_deis(world: World, name: str) -> Facts:
    post_build(world, name, 2)
    return {"builds": [image(name, 1), image(name, 2)], "runs": image(name, 2), "release": 2}


def _second_by_kubectl(world: World, name: str) -> Facts:
    apply_build(world, name, 2)
    return {"builds": [image(name, 1), image(name, 2)], "runs": image(name, 2), "release": 2}


def _named_by_kubectl(world: World, name: str) -> Facts:
    apply_build(world, name, 2)
    world.patch("Application", name, {"workload": {"build": f"{name}-2"}})
    return {"builds": [image(name, 1), image(name, 2)], "runs": image(name, 2), "release": 3}


def _roll_back_in_deis(world: World, name: str) -> Facts:
    post_build(world, name, 2)
    done(world.deis.post(f"/v1/apps/{name}/releases/rollback", json={"version": 2}))
    return {"builds": [image(name, 1), image(name, 2)], "runs": image(name, 1), "release": 4}


def _roll_back_by_kubectl(world: World, name: str) -> Facts:
    apply_build(world, name, 2)
    second = {"release": 2, "runs": image(name, 2)}
    eventually(lambda: _get_releases(world, name) == second, "the second build has its release")
    world.patch("Application", name, {"workload": {"build": f"{name}-1"}})
    return {"builds": [image(name, 1), image(name, 2)], "runs": image(name, 1), "release": 3}


def _scale_in_deis(world: World, name: str) -> Facts:
    done(world.deis.post(f"/v1/apps/{name}/scale", json={"web": 3}))
    return {"web": 3}


def _scale_by_kubectl(world: World, name: str) -> Facts:
    processes = [{"type": "web", "replicas": 2}]
    world.patch("Application", name, {"workload": {"processes": processes}})
    return {"web": 2}


MATTER = Matter(
    "release",
    "What an application runs",
    (IN_DEIS, APPLY),
    (
        Look("deis", "`GET …/builds`", ("builds",), _list_builds),
        Look("deis", "`GET …/releases`, `…/builds/{uuid}`", ("release", "runs"), _list_releases),
        Look("deis", "`GET …/releases/v{n}`", ("release",), _show_release),
        Look("deis", "`GET /v1/apps/{app}`", ("web",), _structure),
        Look("kubectl", "`get builds`", ("builds",), _get_builds),
        Look("kubectl", "`get releases`", ("release", "runs"), _get_releases),
        Look("kubectl", "`get deployments`", ("runs", "release", "web"), _get_deployments),
    ),
    (
        Change("deis", "`POST …/builds`", BY_BUILD, APPLY, _second_in_deis),
        Change("deis", "`POST …/releases/rollback`", BY_BUILD, IN_DEIS, _roll_back_in_deis),
        Change("deis", "`POST …/scale`", ("web",), APPLY, _scale_in_deis),
        Change("kubectl", "`apply` of a build", BY_BUILD, APPLY, _second_by_kubectl),
        Change("kubectl", "`patch application`: a build", BY_BUILD, IN_DEIS, _named_by_kubectl),
        Change(
            "kubectl", "`patch application`: an older build", BY_BUILD, APPLY, _roll_back_by_kubectl
        ),
        Change("kubectl", "`patch application`: processes", ("web",), IN_DEIS, _scale_by_kubectl),
    ),
    (
        Removal(
            "deis",
            "`DELETE /v1/apps/{app}`",
            APPLY,
            lambda world, name: done(world.deis.delete(f"/v1/apps/{name}")),
        ),
        Removal(
            "kubectl",
            "`delete application`",
            IN_DEIS,
            lambda world, name: world.kubectl("delete", "application", name),
        ),
    ),
)
