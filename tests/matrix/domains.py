"""A host name that leads to an application; the thing's name is in it."""

from tests.matrix import releases
from tests.matrix.table import Facts, Look, Making, Matter, Removal
from tests.matrix.world import World, done

DOMAIN = ("domain",)


def host(name: str) -> str:
    return f"{name}.example"


def _post(world: World, name: str) -> Facts:
    releases.apply(world, name)
    path = f"/v1/apps/{name}"
    # What kubectl made is there at once, but not yet in the facade's view.
    world.waited(lambda: world.document(world.deis, path))
    done(world.deis.post(f"{path}/domains", json={"domain": host(name)}))
    return {"domain": host(name)}


def _apply(world: World, name: str) -> Facts:
    releases.create_in_deis(world, name)
    world.apply("Domain", host(name), {"application": name, "domain": host(name)})
    return {"domain": host(name)}


IN_DEIS = Making("deis", "`POST …/domains`", DOMAIN, _post)
APPLY = Making("kubectl", "`apply`", DOMAIN, _apply)


def _list(world: World, name: str) -> Facts | None:
    found = world.document(world.deis, f"/v1/apps/{name}/domains")
    listed = [item["domain"] for item in found["results"]] if found else []
    return {"domain": host(name)} if host(name) in listed else None


def _get(world: World, name: str) -> Facts | None:
    found = world.object("Domain", domain=host(name))
    return found and {"domain": found["spec"]["domain"]}


def _get_ingresses(world: World, name: str) -> Facts | None:
    hosts = world.kubectl(
        "get", "ingresses", "-l", f"polyfleet.dev/application={name}",
        "-o", "jsonpath={.items[*].spec.rules[*].host}",
    )  # fmt: skip
    return {"domain": host(name)} if host(name) in hosts.split() else None


MATTER = Matter(
    "domain",
    "A domain",
    (IN_DEIS, APPLY),
    (
        Look("deis", "`GET …/domains`", DOMAIN, _list),
        Look("kubectl", "`get domains`", DOMAIN, _get),
        Look("kubectl", "`get ingresses`", DOMAIN, _get_ingresses),
    ),
    (),
    (
        Removal(
            "deis",
            "`DELETE …/domains/{domain}`",
            APPLY,
            lambda world, name: done(world.deis.delete(f"/v1/apps/{name}/domains/{host(name)}")),
        ),
        Removal(
            "kubectl",
            "`delete domain`",
            IN_DEIS,
            lambda world, name: world.kubectl("delete", "domain", host(name)),
        ),
    ),
)
