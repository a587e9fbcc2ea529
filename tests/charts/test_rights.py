"""What the chart lets operator and facade do, asked of the API server itself."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from polyfleet.local.install import service_account_kubeconfig as kubeconfig_of
from tests.charts.conftest import Helm, Manifest

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "charts" / "polyfleet" / "rbac"
KUBECTL = Path(sys.executable).with_name("kubectl")
FILES = ("operator", "operator-workloads", "facade", "facade-workloads")


@pytest.mark.parametrize("file", FILES)
def test_rights_are_spelled_out(file: str) -> None:
    document = yaml.safe_load((RULES / f"{file}.yaml").read_text())
    assert document.keys() == {"rules"}
    for rule in document["rules"]:
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


@pytest.mark.parametrize("elsewhere", [None, "shops"])
def test_the_chart_installs_the_same_rights(helm: Helm, elsewhere: str | None) -> None:
    manifests = helm.rendered({"settings": {"workloadsNamespace": elsewhere}} if elsewhere else {})
    assert sorted(files_of(manifests, "Role")) == sorted(
        (file, elsewhere if elsewhere and file.endswith("-workloads") else helm.namespace)
        for file in FILES
    )
    assert sorted(files_of(manifests, "RoleBinding")) == sorted(files_of(manifests, "Role"))
    for item in manifests:
        file = item["metadata"]["name"].removeprefix("polyfleet-")
        if item["kind"] == "Role":
            assert item["rules"] == yaml.safe_load((RULES / f"{file}.yaml").read_text())["rules"]
        if item["kind"] == "RoleBinding":
            assert item["roleRef"]["name"] == item["metadata"]["name"]
            [subject] = item["subjects"]
            name = f"polyfleet-{file.removesuffix('-workloads')}"
            assert (subject["name"], subject["namespace"]) == (name, helm.namespace)


def files_of(manifests: list[Manifest], kind: str) -> list[tuple[str, str]]:
    """Return the file of rights that each object of a kind is of, and its namespace."""
    metadata = [item["metadata"] for item in manifests if item["kind"] == kind]
    return [(item["name"].removeprefix("polyfleet-"), item["namespace"]) for item in metadata]


@pytest.mark.parametrize(
    ("component", "verb", "resource", "allowed"),
    [
        ("operator", "patch", "devices.polyfleet.dev/status", True),
        ("operator", "patch", "devicegroups.polyfleet.dev", True),
        ("operator", "list", "secrets", True),
        ("operator", "update", "secrets", False),
        ("operator", "delete", "applications.polyfleet.dev", False),
        ("operator", "create", "users.polyfleet.dev", False),
        ("operator", "watch", "pods", True),
        ("operator", "delete", "pods", True),
        ("operator", "create", "pods", False),
        ("operator", "patch", "deployments.apps", True),
        ("operator", "update", "deployments.apps", False),
        ("operator", "create", "releases.polyfleet.dev", True),
        ("operator", "create", "builds.polyfleet.dev", False),
        ("operator", "create", "roles.rbac.authorization.k8s.io", False),
        ("operator", "get", "nodes", False),
        ("operator", "patch", "claims.polyfleet.dev", False),
        ("operator", "delete", "accesstokens.polyfleet.dev", True),
        ("operator", "patch", "accesstokens.polyfleet.dev", False),
        ("operator", "patch", "commands.polyfleet.dev/status", False),
        ("operator", "patch", "horizontalpodautoscalers.autoscaling", False),
        ("facade", "create", "devices.polyfleet.dev", True),
        ("facade", "patch", "claims.polyfleet.dev", True),
        ("facade", "get", "secrets", True),
        ("facade", "list", "secrets", False),
        ("facade", "create", "pods", True),
        ("facade", "get", "pods/log", True),
        ("facade", "create", "pods/exec", False),
        ("facade", "create", "deployments.apps", False),
        ("facade", "watch", "secrets", False),
        ("facade", "watch", "rollouts.polyfleet.dev", True),
        ("facade", "patch", "rollouts.polyfleet.dev", False),
        ("facade", "patch", "rollouts.polyfleet.dev/status", False),
        ("facade", "update", "applications.polyfleet.dev", False),
        ("facade", "patch", "releases.polyfleet.dev", False),
        ("facade", "get", "leases.coordination.k8s.io", False),
        ("facade", "create", "rolebindings.rbac.authorization.k8s.io", False),
    ],
)
def test_the_api_server_grants_what_is_needed_and_no_more(
    service_account_kubeconfig: Callable[[str], Path],
    component: str,
    verb: str,
    resource: str,
    allowed: bool,
) -> None:
    kubeconfig = service_account_kubeconfig(f"polyfleet-{component}")
    assert may(kubeconfig, verb, resource) is allowed


@pytest.mark.parametrize(
    ("component", "asked", "granted"),
    [
        ("operator", "patch deployments.apps", "there"),
        ("operator", "create services", "there"),
        ("operator", "delete pods", "there"),
        ("operator", "create secrets", "here and there"),
        ("operator", "watch secrets", "here"),
        ("operator", "patch secrets", "here"),
        ("operator", "list applications.polyfleet.dev", "here"),
        ("operator", "create leases.coordination.k8s.io", "here"),
        ("facade", "create pods", "there"),
        ("facade", "get pods/log", "there"),
        ("facade", "get secrets", "here"),
        ("facade", "list events.events.k8s.io", "here"),
        ("facade", "list devices.polyfleet.dev", "here"),
    ],
)
def test_rights_over_what_runs_are_where_it_runs(
    split_rights: Callable[[str, str, str], list[str]], component: str, asked: str, granted: str
) -> None:
    assert " and ".join(split_rights(component, *asked.split())) == granted


@pytest.fixture
def split_rights(
    admin_kubeconfig: Path, namespace: str, other_namespace: str, tmp_path: Path
) -> Callable[[str, str, str], list[str]]:
    """Provide a question of where a component may do something, if applications run elsewhere."""

    def where(component: str, verb: str, resource: str) -> list[str]:
        kubeconfig = kubeconfig_of(
            admin_kubeconfig,
            tmp_path / "kubeconfig",
            namespace=namespace,
            name=f"polyfleet-{component}",
            workloads_namespace=other_namespace,
        )
        places = {"here": namespace, "there": other_namespace}
        return [
            word
            for word, place in places.items()
            if may(kubeconfig, verb, resource, "--namespace", place)
        ]

    return where


def may(kubeconfig: Path, verb: str, resource: str, *options: str) -> bool:
    """Ask the API server whether somebody may do something."""
    resource, _, subresource = resource.partition("/")
    done = subprocess.run(
        [
            KUBECTL,
            "--kubeconfig",
            kubeconfig,
            "auth",
            "can-i",
            verb,
            resource,
            f"--subresource={subresource}",
            *options,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.strip() in ("yes", "no"), done.stderr
    return done.stdout.strip() == "yes"
