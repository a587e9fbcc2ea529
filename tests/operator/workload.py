"""What a test needs of a namespace in which applications run.

There is a real kube-apiserver and a real kube-controller-manager, so Deployments and ReplicaSets
do what they always do. There is no node: `Kubelet` writes the status of Pods as a kubelet would.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.operator.conftest import (
    PATIENCE,
    Fleet,
    Operator,
    Start,
    eventually,
    fresh_fleet,
)

Kubectl = Callable[..., str]
_KUBECTL = Path(sys.executable).with_name("kubectl")

READY = [{"type": "Ready", "status": "True"}, {"type": "ContainersReady", "status": "True"}]


@dataclass
class Place:
    """A namespace with an operator in it; its applications may run in another one."""

    fleet: Fleet
    operator: Operator
    kubeconfig: Path
    elsewhere: str | None = None

    def application(self, name: str) -> "Workload":
        """Make an application without anything to run."""
        assert self.operator.process.poll() is None, self.operator.log.read_text()
        self.fleet.create("Application", name)
        return Workload(self.fleet, self.kubectl, name)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl where the applications run."""
        return self.kubectl_in(self.elsewhere or self.fleet.namespace, *arguments, stdin=stdin)

    def kubectl_in(self, namespace: str, *arguments: str, stdin: str | None = None) -> str:
        done = subprocess.run(
            [_KUBECTL, "--kubeconfig", self.kubeconfig, "-n", namespace, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        if done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout


@contextmanager
def running_place(
    kubeconfig: Path, start_operator: Start, *, elsewhere: str | None = None, **settings: object
) -> Iterator[Place]:
    """Run an operator in a namespace of its own; a process counts as available at once."""
    if elsewhere is not None:
        settings = {**settings, "workloads_namespace": elsewhere}
    with (
        fresh_fleet(kubeconfig) as fleet,
        start_operator(fleet.namespace, workload_settle=0, **settings) as operator,
    ):
        operator.wait_for("looked at everything")
        yield Place(fleet, operator, kubeconfig, elsewhere)


class Workload:
    """The Kubernetes objects of an application, as an administrator sees and changes them."""

    def __init__(self, fleet: Fleet, kubectl: Kubectl, application: str) -> None:
        self.fleet = fleet
        self.kubectl = kubectl
        self.application = application

    def items(self, kind: str, *, selector: str = "") -> list[dict[str, Any]]:
        wanted = f"polyfleet.dev/application={self.application}{selector}"
        found: list[dict[str, Any]] = json.loads(
            self.kubectl("get", kind, "-l", wanted, "-o", "json")
        )["items"]
        return found

    def names(self, kind: str) -> list[str]:
        return sorted(item["metadata"]["name"] for item in self.items(kind))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    def deployment(self, process_type: str) -> dict[str, Any]:
        return self.get("deployment", f"app-{self.application}-{process_type}")

    def pods(self, release: str) -> list[dict[str, Any]]:
        return self.items("pods", selector=f",polyfleet.dev/release={release}")

    def build(self, name: str, image: str, **spec: Any) -> None:
        self.fleet.create("Build", name, application=self.application, image=image, **spec)

    def scale(self, **replicas: int) -> None:
        """Say how many instances of each process type are to run."""
        processes = [{"type": type_, "replicas": count} for type_, count in replicas.items()]
        spec = {"workload": {"processes": processes}}
        self.fleet.patch("Application", self.application, spec=spec)

    def comes_to_run(self, release: int) -> dict[str, Any]:
        """Bring the Pods of a release up until it is deployed; return the Application."""

        def look() -> bool:
            self.set_pods(f"v{release}", running())
            found = self.fleet.get("Application", self.application)
            return (found or {}).get("status", {}).get("deployedRelease") == release

        eventually(look, lambda: json.dumps(self.fleet.get("Application", self.application)))
        found = self.fleet.get("Application", self.application)
        assert found is not None
        return found

    def set_pods(self, release: str, status: Mapping[str, Any]) -> int:
        """Give all Pods of a release a status, as a kubelet would; return how many there are."""
        pods = self.pods(release)
        for pod in pods:
            name = pod["metadata"]["name"]
            container = pod["spec"]["containers"][0]
            filled = json.loads(json.dumps(status).replace("CONTAINER", container["name"]))
            if pod["status"].get("containerStatuses") != filled.get("containerStatuses"):
                self.kubectl(
                    "patch", "pod", name, "--subresource=status", "--type=merge",
                    "-p", json.dumps({"status": filled}),
                )  # fmt: skip
        return len(pods)


def running() -> dict[str, Any]:
    return _status({"running": {"startedAt": "2030-01-01T00:00:00Z"}}, ready=True)


def waiting(reason: str, message: str = "", **fields: Any) -> dict[str, Any]:
    return _status({"waiting": {"reason": reason, "message": message}}, **fields)


def _status(state: dict[str, Any], *, ready: bool = False, **fields: Any) -> dict[str, Any]:
    container = {
        "name": "CONTAINER",
        "image": "image",
        "imageID": "",
        "ready": ready,
        "restartCount": 0,
        "state": state,
        **fields,
    }
    return {
        "phase": "Running" if ready else "Pending",
        "conditions": READY if ready else [{"type": "Ready", "status": "False"}],
        "containerStatuses": [container],
    }
