"""Applications that run: made by kubectl, brought to run by an operator process.

Deployments and ReplicaSets are real; a test plays the kubelet (tests/operator/workload.py).
"""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.operator.conftest import Start, condition_of, eventually
from tests.operator.workload import Place, Workload, running, running_place

pytestmark = pytest.mark.controller_manager


@pytest.fixture(scope="module")
def place(admin_kubeconfig: Path, start_operator: Start) -> Iterator[Place]:
    settings = {
        "workload_deadline": 3600,
        "workload_domain": "apps.example",
        "reserved_hosts": "fleet.apps.example,polyfleet.example",
    }
    with running_place(admin_kubeconfig, start_operator, **settings) as found:
        yield found


@pytest.fixture
def shop(place: Place, unique: str) -> Workload:
    """Provide an application without anything to run."""
    return place.application(unique)


def give_config(shop: Workload, **values: str) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"app-{shop.application}-config"},
        "stringData": values,
    }
    shop.kubectl("apply", "-f", "-", stdin=json.dumps(body))


def release(shop: Workload, number: int) -> dict[str, Any]:
    name = f"{shop.application}-v{number}"
    return shop.fleet.comes_to("Release", name, lambda item: bool(item["status"]["conditions"]))


def test_a_release_made_by_hand_says_of_which_application_it_is(shop: Workload) -> None:
    name, label = shop.application, "polyfleet.dev/application"
    shop.build(f"{name}-1", "registry/shop:1", procfile={"web": "serve"})
    first = release(shop, 1)
    shop.build(f"{name}-2", "registry/shop:2", procfile={"web": "serve"})
    release(shop, 2)
    shop.fleet.delete("Release", f"{name}-v1")
    shop.fleet.gone("Release", f"{name}-v1")
    body = {key: first[key] for key in ("apiVersion", "kind", "spec")}
    shop.kubectl(
        "create", "-f", "-", stdin=json.dumps({**body, "metadata": {"name": f"{name}-v1"}})
    )
    shop.fleet.comes_to(
        "Release", f"{name}-v1", lambda item: item["metadata"].get("labels", {}).get(label) == name
    )


def test_an_application_of_kubectl_runs(shop: Workload) -> None:
    name = shop.application
    give_config(shop, GREETING="hello", PORT="8080")
    shop.fleet.patch(
        "Application",
        name,
        spec={
            "config": {"memory": {"web": "512M"}, "cpu": {"web": 512}, "tags": {"disk": "ssd"}},
            "workload": {
                "processes": [{"type": "web", "replicas": 2}, {"type": "worker", "replicas": 1}]
            },
        },
    )
    procfile = {"web": "serve $(pwd)", "worker": "work"}
    shop.build(f"{name}-1", "registry/shop:1", procfile=procfile)
    found = shop.comes_to_run(release(shop, 1)["spec"]["version"])

    assert condition_of(found, "WorkloadReady")[:2] == ("True", "Deployed")
    assert condition_of(found, "Progressing")[:2] == ("False", "Complete")
    assert found["status"]["processes"] == [
        {"type": "web", "replicas": 2, "ready": 2},
        {"type": "worker", "replicas": 1, "ready": 1},
    ]
    assert (found["status"]["running"], found["status"]["release"]) == ("3/3", 1)
    assert found["status"]["lastRelease"] == 1
    made = shop.fleet.condition("Release", f"{name}-v1", "Ready", "True", "Deployed")
    assert made == ""
    assert shop.fleet.get("Release", f"{name}-v1")["spec"]["build"] == f"{name}-1"  # type: ignore[index]
    template = shop.deployment("web")["spec"]["template"]
    pod, container = template["spec"], template["spec"]["containers"][0]
    assert container["image"] == "registry/shop:1"
    assert container["command"] == ["/bin/sh", "-c", "serve $$(pwd)"]
    limits = {"limits": {"memory": "512Mi"}, "requests": {"cpu": "500m"}}
    assert container["resources"] == limits
    assert container["ports"][0]["containerPort"] == 8080
    assert container["readinessProbe"]["tcpSocket"] == {"port": "http"}
    assert pod["nodeSelector"] == {"disk": "ssd"}
    variables = {one["name"]: one.get("value") for one in container["env"]}
    assert variables == {"DEIS_APP": name, "DEIS_RELEASE": "v1", "GREETING": None, "PORT": None}
    assert (
        "readinessProbe"
        not in shop.deployment("worker")["spec"]["template"]["spec"]["containers"][0]
    )

    columns = shop.kubectl("get", "app", name)
    assert "3/3" in columns
    shop.kubectl("wait", "app", name, "--for=condition=WorkloadReady", "--timeout=10s")


def test_pods_have_no_rights(shop: Workload) -> None:
    shop.build(f"{shop.application}-1", "registry/shop:1")
    shop.comes_to_run(1)
    pod = shop.pods("v1")[0]["spec"]
    assert pod["serviceAccountName"] == f"app-{shop.application}"
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    context = pod["containers"][0]["securityContext"]
    assert context == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    account = shop.get("serviceaccount", f"app-{shop.application}")
    assert account["automountServiceAccountToken"] is False
    policy = shop.get("networkpolicy", f"app-{shop.application}")
    peer = policy["spec"]["egress"][0]["to"][0]["podSelector"]["matchExpressions"][0]
    assert peer["operator"] == "NotIn"
    assert peer["values"] == ["polyfleet"]
    assert not {"volumes", "hostNetwork", "hostPID", "hostIPC"} & pod.keys()


def test_an_application_of_an_api_gets_no_secret_by_its_name(place: Place, unique: str) -> None:
    made = place.fleet.create("Application", unique, createdAt="2030-01-01T00:00:00.000000Z")
    shop = Workload(place.fleet, place.kubectl, unique)
    give_config(shop, DB_PASSWORD="hush")
    shop.build(f"{unique}-1", "registry/shop:1")
    shop.comes_to_run(1)
    assert release(shop, 1)["spec"]["summary"] == "kubectl deployed registry/shop:1"
    config = shop.get("secret", release(shop, 1)["spec"]["config"]["secretName"])
    assert list(config["data"]) == ["values.json"]

    given_to = f"polyfleet.dev/given-to={made['metadata']['uid']}"
    shop.kubectl("annotate", "secret", f"app-{unique}-config", given_to)
    shop.comes_to_run(2)
    assert release(shop, 2)["spec"]["summary"] == "kubectl added DB_PASSWORD"


def test_a_secret_that_holds_what_is_no_text_is_refused_by_name(shop: Workload) -> None:
    name = shop.application
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"app-{name}-config"},
        "data": {"BIN": "//79", "TEXT": "YQ=="},
    }
    shop.kubectl("apply", "-f", "-", stdin=json.dumps(body))
    shop.build(f"{name}-1", "registry/shop:1")
    message = shop.fleet.condition("Application", name, "WorkloadReady", "False", "ReleaseRefused")
    assert message == f"the Secret app-{name}-config holds what is no text: BIN"
    assert shop.fleet.get("Release", f"{name}-v1") is None


def test_the_values_of_a_release_are_kept_as_they_were(shop: Workload) -> None:
    give_config(shop, A="1")
    shop.build(f"{shop.application}-1", "registry/shop:1")
    shop.comes_to_run(1)
    give_config(shop, A="2", B="3")
    shop.comes_to_run(2)

    first, second = release(shop, 1), release(shop, 2)
    assert second["spec"]["summary"] == "kubectl added B, changed A"
    values = [
        base64.b64decode(
            shop.get("secret", item["spec"]["config"]["secretName"])["data"]["env.A"]
        ).decode()
        for item in (first, second)
    ]
    assert values == ["1", "2"]
    secret = shop.get("secret", second["spec"]["config"]["secretName"])
    assert [owner["name"] for owner in secret["metadata"]["ownerReferences"]] == [
        second["metadata"]["name"]
    ]
    condition = condition_of(first, "Current")
    assert condition_of(release(shop, 2), "Current")[0] == "True"
    shop.fleet.condition("Release", first["metadata"]["name"], "Current", "False", "Superseded")
    assert condition[0] in {"True", "False"}


@contextmanager
def quota(shop: Workload, **hard: str) -> Iterator[None]:
    """Let the namespace have no more than that, given with `__` for `/` and `_` for `.`."""
    limits = {key.replace("__", "/").replace("_", "."): value for key, value in hard.items()}
    name = f"quota-{shop.application}"
    body = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": name},
        "spec": {"hard": limits},
    }
    shop.kubectl("apply", "-f", "-", stdin=json.dumps(body))
    try:
        eventually(
            lambda: shop.get("resourcequota", name).get("status", {}).get("hard") == limits,
            "the quota counts",
        )
        yield
    finally:
        shop.kubectl("delete", "resourcequota", name)


def test_a_quota_is_told_of(shop: Workload) -> None:
    with quota(shop, limits_memory="1Mi"):
        config = {"memory": {"cmd": "64M"}}
        shop.fleet.patch("Application", shop.application, spec={"config": config})
        shop.build(f"{shop.application}-1", "registry/shop:1")
        message = shop.fleet.condition(
            "Application", shop.application, "WorkloadReady", "False", "QuotaExceeded"
        )
        assert "exceeded quota" in message


def test_a_quota_of_deployments_is_told_of(shop: Workload) -> None:
    name = shop.application
    with quota(shop, count__deployments_apps="0"):
        shop.build(f"{name}-1", "registry/shop:1")
        shop.fleet.condition("Application", name, "WorkloadReady", "False", "QuotaExceeded")
        shop.fleet.condition("Release", f"{name}-v1", "Ready", "False", "QuotaExceeded")


def test_a_domain_that_cannot_be_routed_keeps_no_release_from_being_judged(shop: Workload) -> None:
    name = shop.application
    shop.fleet.create("Domain", f"{name}.example", application=name, domain=f"{name}.example")
    with quota(shop, count__ingresses_networking_k8s_io="0"):
        shop.build(f"{name}-1", "registry/shop:1")
        shop.comes_to_run(1)
        shop.fleet.condition("Domain", f"{name}.example", "Ready", "False", "QuotaExceeded")


def test_a_domain_leads_nowhere_while_nothing_can_be_reached(shop: Workload) -> None:
    name, host = shop.application, f"{shop.application}.example"
    shop.scale(worker=1)
    shop.build(f"{name}-1", "registry/shop:1", procfile={"worker": "w"})
    shop.comes_to_run(1)
    shop.fleet.create("Domain", host, application=name, domain=host)
    shop.fleet.condition("Domain", host, "Ready", "False", "NothingRuns")
    assert shop.names("ingresses") == []

    shop.scale(web=1, worker=1)
    shop.build(f"{name}-2", "registry/shop:2", procfile={"worker": "w", "web": "v"})
    shop.fleet.condition("Domain", host, "Ready", "True", "Routed")
    shop.comes_to_run(2)
    shop.build(f"{name}-3", "registry/shop:3", procfile={"worker": "w"})
    eventually(lambda: bool(shop.pods("v3")), "the pod of v3")
    # Until all of the new release is there, the old one is reached.
    shop.fleet.condition("Domain", host, "Ready", "True", "Routed")
    shop.comes_to_run(3)
    shop.fleet.condition("Domain", host, "Ready", "False", "NothingRuns")
    eventually(lambda: shop.names("ingresses") == [], "the Ingresses go")


def test_what_cannot_become_a_release_leaves_the_one_before_looked_after(shop: Workload) -> None:
    name = shop.application
    shop.build(f"{name}-1", "registry/shop:1")
    shop.comes_to_run(1)
    shop.build(f"{name}-2", "registry/shop:2")
    eventually(lambda: bool(shop.pods("v2")), "the pod of v2")
    workload = {"build": "nobodys", "processes": [{"type": "cmd", "replicas": 2}]}
    shop.fleet.patch("Application", name, spec={"workload": workload})
    message = shop.fleet.condition("Application", name, "WorkloadReady", "False", "ReleaseRefused")
    assert message == f"nobodys is no Build of application {name}"
    found = shop.comes_to_run(2)
    assert found["status"]["running"] == "2/2"
    shop.fleet.condition("Release", f"{name}-v2", "Deployed", "True", "Available")
    shop.fleet.condition("Application", name, "WorkloadReady", "False", "ReleaseRefused")


def test_what_runs_is_counted_though_its_build_is_gone(shop: Workload) -> None:
    name = shop.application
    shop.build(f"{name}-1", "registry/shop:1")
    shop.comes_to_run(1)
    shop.fleet.delete("Build", f"{name}-1")
    shop.fleet.condition("Application", name, "WorkloadReady", "False", "BuildMissing")
    found = shop.fleet.get("Application", name)
    assert found is not None
    assert found["status"]["running"] == "1/1"


def test_drift_is_repaired(shop: Workload) -> None:
    name = shop.application
    shop.build(f"{name}-1", "registry/shop:1")
    shop.comes_to_run(1)
    shop.kubectl("set", "image", f"deployment/app-{name}-cmd", "cmd=evil:1")
    shop.kubectl("scale", f"deployment/app-{name}-cmd", "--replicas=7")

    def repaired() -> bool:
        spec = shop.deployment("cmd")["spec"]
        image = spec["template"]["spec"]["containers"][0]["image"]
        return (spec["replicas"], image) == (1, "registry/shop:1")

    eventually(repaired, "the Deployment is as before")
    uid = shop.deployment("cmd")["metadata"]["uid"]
    shop.kubectl("delete", "deployment", f"app-{name}-cmd", "--wait=true")
    eventually(lambda: shop.names("deployments") == [f"app-{name}-cmd"], "it is made again")
    assert shop.deployment("cmd")["metadata"]["uid"] != uid
    shop.kubectl("delete", "service", f"app-{name}")
    eventually(lambda: shop.names("services") == [f"app-{name}"], "it is made again")


def test_what_is_somebody_elses_is_never_touched(shop: Workload) -> None:
    name = shop.application
    labels = {"app": "theirs"}
    theirs = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"app-{name}-cmd", "labels": {"polyfleet.dev/application": name}},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "c", "image": "theirs:1"}]},
            },
        },
    }
    shop.kubectl("create", "-f", "-", stdin=json.dumps(theirs))
    before = shop.deployment("cmd")["metadata"]["generation"]
    shop.build(f"{name}-1", "registry/shop:1")

    message = shop.fleet.condition("Application", name, "WorkloadReady", "False", "NameTaken")

    assert f"app-{name}-cmd" in message
    found = shop.deployment("cmd")
    assert found["metadata"]["generation"] == before
    assert "ownerReferences" not in found["metadata"]
    shop.fleet.delete("Application", name)
    shop.fleet.gone("Application", name)
    assert shop.deployment("cmd")["metadata"]["uid"] == found["metadata"]["uid"]


def test_types_that_a_procfile_lost_are_taken_away_once_the_release_runs(shop: Workload) -> None:
    name = shop.application
    shop.scale(web=1, worker=1)
    shop.build(f"{name}-1", "registry/shop:1", procfile={"web": "w", "worker": "v"})
    shop.comes_to_run(1)
    shop.build(f"{name}-2", "registry/shop:2", procfile={"web": "w"})
    eventually(lambda: bool(shop.pods("v2")), "the pod of v2")
    assert f"app-{name}-worker" in shop.names("deployments")
    shop.comes_to_run(2)
    eventually(lambda: shop.names("deployments") == [f"app-{name}-web"], "the worker goes")


def test_scaling_makes_no_release(shop: Workload) -> None:
    shop.build(f"{shop.application}-1", "registry/shop:1")
    shop.comes_to_run(1)
    shop.scale(cmd=3)

    def scaled() -> bool:
        shop.set_pods("v1", running())
        found = shop.fleet.get("Application", shop.application)
        return found is not None and found["status"]["running"] == "3/3"

    eventually(scaled, "three run")
    assert shop.fleet.get("Release", f"{shop.application}-v2") is None
    shop.scale(cmd=0)
    eventually(lambda: shop.pods("v1") == [], "none runs")
    shop.fleet.condition("Application", shop.application, "WorkloadReady", "True", "Deployed")


def test_domains_lead_to_the_service_but_not_away_from_the_facade(shop: Workload) -> None:
    name, hosts = shop.application, {}
    shop.build(f"{name}-1", "registry/shop:1", procfile={"web": "w"})
    shop.comes_to_run(1)
    for host in (f"{name}.example", f"{name}.polyfleet.example", f"other-{name}.apps.example"):
        shop.fleet.create("Domain", host, application=name, domain=host)

    shop.fleet.condition("Domain", f"{name}.example", "Ready", "True", "Routed")
    for host in (f"{name}.polyfleet.example", f"other-{name}.apps.example"):
        shop.fleet.condition("Domain", host, "Ready", "False", "HostReserved")
    for item in shop.items("ingresses"):
        (rule,) = item["spec"]["rules"]
        hosts[rule["host"]] = rule["http"]["paths"][0]["backend"]["service"]
    backend = {"name": f"app-{name}", "port": {"name": "http"}}
    assert hosts == {f"{name}.example": backend, f"{name}.apps.example": backend}
    service = shop.get("service", f"app-{name}")["spec"]
    assert service["selector"]["polyfleet.dev/process-type"] == "web"
    assert (service["ports"][0]["port"], service["ports"][0]["targetPort"]) == (80, "http")

    shop.fleet.delete("Domain", f"{name}.example")
    eventually(lambda: len(shop.items("ingresses")) == 1, "its Ingress goes")


def test_a_deleted_application_takes_everything_with_it(shop: Workload) -> None:
    name = shop.application
    give_config(shop, A="1")
    shop.build(f"{name}-1", "registry/shop:1")
    shop.comes_to_run(1)
    secret = release(shop, 1)["spec"]["config"]["secretName"]
    shop.fleet.create("Domain", f"{name}.example", application=name, domain=f"{name}.example")
    shop.fleet.condition("Domain", f"{name}.example", "Ready", "True", "Routed")

    shop.fleet.delete("Application", name)
    shop.fleet.gone("Application", name)

    for kind in ("deployments", "services", "ingresses", "networkpolicies", "serviceaccounts"):
        assert shop.names(kind) == []
    for kind in ("Release", "Build", "Domain"):
        assert [i for i in shop.fleet.all(kind) if i["spec"]["application"] == name] == []
    eventually(lambda: shop.items("pods") == [], "the pods go")
    eventually(lambda: secret not in shop.kubectl("get", "secrets", "-o", "name"), "the values go")
    # The Secret that people made is theirs.
    assert f"app-{name}-config" in shop.kubectl("get", "secrets", "-o", "name")


def test_a_build_that_is_not_there_is_told_of(shop: Workload) -> None:
    shop.fleet.patch("Application", shop.application, spec={"workload": {"build": "nothing"}})
    message = shop.fleet.condition(
        "Application", shop.application, "WorkloadReady", "False", "ReleaseRefused"
    )
    assert "nothing is no Build" in message


def test_variables_that_kubernetes_does_not_take_are_told_of(shop: Workload) -> None:
    give_config(shop, **{"1bad": "x", "GOOD": "y"})
    shop.build(f"{shop.application}-1", "registry/shop:1")
    shop.comes_to_run(1)
    message = shop.fleet.condition("Release", f"{shop.application}-v1", "Ready", "True", "Deployed")
    assert "1bad" in message
