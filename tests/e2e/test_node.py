"""The node: real pods, and what they can do."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from polyfleet.local.node_cluster import NodeCluster, node_directory
from polyfleet.local.node_requirements import NodeTools
from polyfleet.local.processes import is_running, wait_until
from polyfleet.local.state import State
from tests.node_fixtures import SampleImages

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers:
        - name: web
          image: {image}
          readinessProbe: {{httpGet: {{path: /, port: 5000}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  selector: {{app: web}}
  ports: [{{port: 80, targetPort: 5000}}]
"""
PATIENCE = 240
READY = ("get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}")


@pytest.fixture
def web(kubectl: Callable[..., str], sample_images: SampleImages) -> Callable[..., str]:
    kubectl("apply", "-f", "-", stdin=WEB.format(image=sample_images.first))
    assert wait_until(lambda: kubectl(*READY) == "2", seconds=PATIENCE)
    # kube-proxy learns of ready pods a moment after their Deployment does.
    assert wait_until(lambda: answers_by_its_service(kubectl), seconds=PATIENCE)
    return kubectl


def answers_by_its_service(kubectl: Callable[..., str]) -> bool:
    try:
        return inside(kubectl, "fetch http://web/") == "build first\n"
    except AssertionError:
        return False


def inside(kubectl: Callable[..., str], script: str) -> str:
    return kubectl("exec", "deployment/web", "--", "sh", "-c", script)


def has_link(name: str) -> bool:
    done = subprocess.run(["ip", "link"], capture_output=True, text=True, check=True)
    return name in done.stdout


def test_pods_run_and_can_be_looked_into(web: Callable[..., str]) -> None:
    pods = json.loads(web("get", "pods", "-o", "json"))["items"]

    assert [pod["status"]["phase"] for pod in pods] == ["Running", "Running"]
    assert len({pod["status"]["podIP"] for pod in pods}) == 2
    assert "build first listens on port 5000" in web("logs", pods[0]["metadata"]["name"])
    assert inside(web, "id -u") == "65532\n"


def test_a_pod_finds_services_by_name_and_by_address(
    web: Callable[..., str], namespace: str
) -> None:
    address = web("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")

    for host in ("web", f"web.{namespace}.svc.cluster.local", address):
        assert inside(web, f"fetch http://{host}/") == "build first\n"


def test_a_pod_reaches_the_api_server_by_its_service(web: Callable[..., str]) -> None:
    folder = "/var/run/secrets/kubernetes.io/serviceaccount"
    url = "https://kubernetes.default.svc/apis/polyfleet.dev/v1alpha1"

    answer = inside(web, f"fetch --authority {folder}/ca.crt --token {folder}/token {url}")

    assert json.loads(answer)["kind"] == "APIResourceList"


def test_this_machine_reaches_services_and_pods(web: Callable[..., str]) -> None:
    address = web("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")

    done = subprocess.run(
        ["curl", "--silent", "--max-time", "20", f"http://{address}/"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "build first\n"


def test_a_node_that_was_killed_comes_back_with_its_pods(
    node_tools: NodeTools, tmp_path: Path
) -> None:
    first = NodeCluster(tmp_path / "cluster", node_tools, fsync=False, ends_with_parent=True)
    # Two that start at once get addresses that do not clash.
    other = NodeCluster(tmp_path / "other", node_tools, fsync=False, ends_with_parent=True)
    with first, other:
        number = first.node.network.number
        assert number != other.node.network.number
        other.stop()
        state = State.load(node_directory(first.directory) / "state.json")
        os.kill(state.processes["namespaces"].pid, signal.SIGKILL)
        assert wait_until(lambda: not any(map(is_running, state.processes.values())), seconds=30)
        # The kernel takes the link away a moment after the last process of its namespace.
        assert wait_until(lambda: not has_link(first.node.network.link), seconds=30)

        # A new object knows only what the state file tells, as a second command would.
        again = NodeCluster(first.directory, node_tools, fsync=False, ends_with_parent=True)
        plane = again.start()

        assert again.node.network == first.node.network
        assert is_running(plane.processes["kube-apiserver"])

    assert not first.directory.exists()
    assert not list(Path("/sys/fs/cgroup").glob(f"*/polyfleet{number}"))
