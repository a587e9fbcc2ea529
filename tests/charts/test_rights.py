"""What the chart lets operator and facade do, asked of the API server itself."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "charts" / "polyfleet" / "rbac"
KUBECTL = Path(sys.executable).with_name("kubectl")
COMPONENTS = ("operator", "facade")


@pytest.mark.parametrize("component", COMPONENTS)
def test_rights_are_spelled_out(component: str) -> None:
    document = yaml.safe_load((RULES / f"{component}.yaml").read_text())
    assert document.keys() == {"rules"}
    for rule in document["rules"]:
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_chart_installs_the_same_rights(component: str) -> None:
    template = (ROOT / "charts" / "polyfleet" / "templates" / "rbac.yaml").read_text()
    assert '$.Files.Get (printf "rbac/%s.yaml" $component)' in template
    assert f'"{component}"' in template


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
        ("operator", "create", "pods", False),
        ("operator", "patch", "deployments.apps", True),
        ("operator", "update", "deployments.apps", False),
        ("operator", "create", "releases.polyfleet.dev", True),
        ("operator", "create", "builds.polyfleet.dev", False),
        ("operator", "create", "roles.rbac.authorization.k8s.io", False),
        ("operator", "get", "nodes", False),
        ("operator", "patch", "horizontalpodautoscalers.autoscaling", False),
        ("facade", "create", "devices.polyfleet.dev", True),
        ("facade", "get", "secrets", True),
        ("facade", "list", "secrets", False),
        ("facade", "create", "pods", True),
        ("facade", "get", "pods/log", True),
        ("facade", "create", "pods/exec", False),
        ("facade", "create", "deployments.apps", False),
        ("facade", "watch", "secrets", False),
        ("facade", "patch", "rollouts.polyfleet.dev/status", False),
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
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.strip() == ("yes" if allowed else "no"), done.stderr
