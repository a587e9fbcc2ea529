"""Applications that run in another namespace than that of the installation.

The operator has the chart's rights in both, so what it needs more than these would be refused.
No owner can be in another namespace: what is left there, only the operator takes away.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.operator.conftest import Start, eventually, fresh_fleet
from tests.operator.workload import Place, Workload, running_place

pytestmark = pytest.mark.controller_manager

KINDS = (
    "deployments",
    "services",
    "ingresses",
    "networkpolicies",
    "serviceaccounts",
    "secrets",
)
IN_PODS = ("replicasets", "pods")


@pytest.fixture(scope="module")
def place(admin_kubeconfig: Path, start_operator: Start) -> Iterator[Place]:
    with (
        fresh_fleet(admin_kubeconfig) as other,
        running_place(
            admin_kubeconfig,
            start_operator,
            elsewhere=other.namespace,
            workload_deadline=3600,
            # Nothing here may be left to these: they look for what no deletion came across.
            config_sweep_interval=3600,
            run_sweep_interval=3600,
        ) as found,
    ):
        yield found


@pytest.fixture
def shop(place: Place, unique: str) -> Workload:
    """Provide an application without anything to run."""
    return place.application(unique)


def give(place: Place, namespace: str, kind: str, name: str, **fields: Any) -> None:
    labels = fields.pop("labels", {})
    metadata = {"name": name, "labels": labels}
    body = {"apiVersion": "v1", "kind": kind, "metadata": metadata, **fields}
    place.kubectl_in(namespace, "create", "-f", "-", stdin=json.dumps(body))


def run(place: Place, shop: Workload) -> dict[str, Any]:
    """Bring a web process with a variable and a host name to run; return its container."""
    name, home = shop.application, place.fleet.namespace
    give(place, home, "Secret", f"app-{name}-config", stringData={"GREETING": "hello"})
    shop.build(f"{name}-1", "registry/shop:1", procfile={"web": "serve"})
    shop.fleet.create("Domain", f"{name}.example", application=name, domain=f"{name}.example")
    shop.comes_to_run(1)
    shop.fleet.condition("Domain", f"{name}.example", "Ready", "True", "Routed")
    found: dict[str, Any] = shop.deployment("web")["spec"]["template"]["spec"]["containers"][0]
    return found


def test_all_that_runs_is_there_and_all_that_is_wanted_stays_here(
    place: Place, shop: Workload
) -> None:
    name, home = shop.application, place.fleet.namespace
    container = run(place, shop)

    assert container["image"] == "registry/shop:1"
    [greeting] = [one for one in container["env"] if one["name"] == "GREETING"]
    reference = greeting["valueFrom"]["secretKeyRef"]
    copy = shop.get("secret", reference["name"])
    original = json.loads(place.kubectl_in(home, "get", "secret", reference["name"], "-o", "json"))
    assert copy["data"] == original["data"]
    assert reference["key"] in copy["data"]
    assert (copy["type"], copy["immutable"]) == ("polyfleet.dev/config", True)
    assert "ownerReferences" not in copy["metadata"]
    for kind in KINDS:
        assert shop.names(kind), kind
    for kind in (*(kind for kind in KINDS if kind != "secrets"), *IN_PODS):
        selector = f"polyfleet.dev/application={name}"
        assert place.kubectl_in(home, "get", kind, "-l", selector, "-o", "name") == "", kind
    release = shop.fleet.get("Release", f"{name}-v1")
    assert release is not None
    assert shop.pods("v1")[0]["metadata"]["namespace"] == place.elsewhere


def test_a_deleted_application_leaves_nothing_there(place: Place, shop: Workload) -> None:
    name = shop.application
    application = shop.fleet.get("Application", name)
    assert application is not None
    run(place, shop)
    # Of a one-off command that is under way, as the facade makes it.
    assert place.elsewhere is not None
    labels = {
        "polyfleet.dev/application": name,
        "polyfleet.dev/application-uid": application["metadata"]["uid"],
        "polyfleet.dev/process-type": "run",
    }
    spec = {
        "serviceAccountName": f"app-{name}",
        "activeDeadlineSeconds": 3600,
        "containers": [{"name": "run", "image": "x"}],
    }
    give(place, place.elsewhere, "Pod", f"app-{name}-run-1", labels=labels, spec=spec)
    # The same names and labels, but nobody's of ours; and what another application runs.
    give(place, place.elsewhere, "Secret", f"{name}-theirs", labels=labels)
    stranger = {**labels, "polyfleet.dev/application-uid": "another"}
    give(
        place,
        place.elsewhere,
        "Secret",
        f"{name}-other",
        labels=stranger,
        type="polyfleet.dev/config",
    )
    give(place, place.elsewhere, "Service", f"{name}-other", labels=stranger, spec=PORTS)
    other = place.application(f"{name}x")
    run(place, other)

    shop.fleet.delete("Application", name)
    shop.fleet.gone("Application", name)

    for kind in ("deployments", "ingresses", "networkpolicies", "serviceaccounts"):
        assert shop.names(kind) == []
    assert shop.names("services") == [f"{name}-other"]
    assert shop.names("secrets") == [f"{name}-other", f"{name}-theirs"]
    for kind in IN_PODS:
        eventually(lambda kind=kind: shop.names(kind) == [], f"the {kind} go")
    for kind in (*KINDS, *IN_PODS):
        assert other.names(kind), kind


PORTS = {"ports": [{"port": 80}]}


def test_what_is_somebody_elses_there_is_not_taken(place: Place, shop: Workload) -> None:
    name = shop.application
    assert place.elsewhere is not None
    give(place, place.elsewhere, "ServiceAccount", f"app-{name}")
    before = shop.get("serviceaccount", f"app-{name}")
    shop.build(f"{name}-1", "registry/shop:1")
    told = shop.fleet.condition("Application", name, "WorkloadReady", "False", "NameTaken")
    assert f"app-{name}" in told
    assert shop.get("serviceaccount", f"app-{name}") == before
    shop.fleet.delete("Application", name)
    shop.fleet.gone("Application", name)
    assert shop.get("serviceaccount", f"app-{name}") == before


def test_a_secret_of_somebody_else_gives_no_environment(place: Place, shop: Workload) -> None:
    name, home = shop.application, place.fleet.namespace
    give(place, home, "Secret", f"app-{name}-config", stringData={"GREETING": "hello"})
    # Its operator has made the release, but could not bring it to run yet.
    assert place.elsewhere is not None
    give(place, place.elsewhere, "ServiceAccount", f"app-{name}")
    shop.build(f"{name}-1", "registry/shop:1")
    shop.fleet.condition("Application", name, "WorkloadReady", "False", "NameTaken")
    release = shop.fleet.get("Release", f"{name}-v1")
    assert release is not None
    secret = release["spec"]["config"]["secretName"]
    give(place, place.elsewhere, "Secret", secret, stringData={"env.GREETING": "forged"})
    place.kubectl("delete", "serviceaccount", f"app-{name}")
    # Nobody watches ServiceAccounts: what makes the operator look again is a change of ours.
    processes = [{"type": "cmd", "replicas": 2}]
    shop.fleet.patch("Application", name, spec={"workload": {"processes": processes}})

    told = shop.fleet.comes_to(
        "Application",
        name,
        lambda item: any(secret in one["message"] for one in item["status"]["conditions"]),
    )
    assert "NameTaken" in {one["reason"] for one in told["status"]["conditions"]}
    assert shop.names("deployments") == []
