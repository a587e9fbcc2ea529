"""From `POST builds` to new pods that are ready, beside `kubectl set image` on the same node.

`python -m benchmarks.deploys`, on a machine that can run a node (docs/local.md), as root.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from benchmarks import report
from benchmarks.report import Row
from benchmarks.stand import FACADE, NAMESPACE, OPERATOR, Stand
from polyfleet.local.control_plane import ControlPlane
from polyfleet.local.errors import LocalError
from polyfleet.local.node_cluster import NodeCluster
from polyfleet.local.node_requirements import NodeTools, node_tools
from polyfleet.local.processes import wait_until
from polyfleet.local.programs import build_node
from polyfleet.local.sample_images import sample_image

SECTION = "deploys"
DEPLOYS = 6
REPLICAS = 3
_PATIENCE = 600
_APPLICATION = "shop"
_PLAIN = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: plain}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: plain}}}}
  strategy: {{rollingUpdate: {{maxUnavailable: 0}}}}
  template:
    metadata: {{labels: {{app: plain}}}}
    spec:
      containers:
        - name: web
          image: {image}
          command: [/bin/sh, -c, exec /bin/web]
          readinessProbe: {{tcpSocket: {{port: 5000}}, periodSeconds: 2}}
"""


class NodeStand(Stand):
    """A stand whose control plane has a node with two builds of a small web application."""

    def __init__(self, directory: Path, tools: NodeTools) -> None:
        super().__init__(directory)
        self._folder = directory
        self._tools = tools
        self.images: list[str] = []

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl in the namespace; return what it printed."""
        program = Path(sys.executable).with_name("kubectl")
        options = ["--kubeconfig", str(self.administrator), "--namespace", NAMESPACE]
        return subprocess.run(
            [program, *options, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "HOME": str(self._folder)},
        ).stdout

    def _start_plane(self, directory: Path) -> ControlPlane:
        cluster = NodeCluster(directory, self._tools, ends_with_parent=True)
        self._stack.callback(cluster.stop)
        plane = cluster.start()
        for build in ("first", "second"):
            file = self._folder / f"{build}.tar"
            self.images.append(sample_image(file, build_node(), build=build))
            cluster.node.import_image(file)
        return plane


def main() -> None:
    """Measure, print the table and write it into docs/performance.md."""
    tools = node_tools(os.environ)
    if isinstance(tools, str):
        raise LocalError(tools)
    busy = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory(prefix="polyfleet-bench-") as directory,
        NodeStand(Path(directory), tools) as stand,
    ):
        stand.start_service(FACADE)
        stand.start_service(OPERATOR)
        rows = _rows(stand)
    rows.append(Row("load of the machine before", measured=f"{busy:.1f}"))
    text = report.table("python -m benchmarks.deploys", rows)
    print(text)
    report.write(SECTION, text)


def _rows(stand: NodeStand) -> list[Row]:
    headers = {"Authorization": f"token {stand.management_token}"}
    url = f"{stand.facade_url}/v1/apps"
    path = f"/{_APPLICATION}/builds"
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=_PATIENCE) as client:

        def post(path: str, body: dict[str, Any]) -> None:
            client.post(path, json=body).raise_for_status()

        post("", {"id": _APPLICATION})
        build = {"procfile": {"web": "exec /bin/web"}, "sha": "0" * 40}
        post(path, {"image": stand.images[0], **build})
        post(f"/{_APPLICATION}/scale", {"web": REPLICAS})
        first = _PLAIN.format(replicas=REPLICAS, image=stand.images[0])
        stand.kubectl("apply", "-f", "-", stdin=first)
        ours, plain = f"app-{_APPLICATION}-web", "plain"
        for name in (ours, plain):
            _wait(stand, name, stand.images[0])
        times: dict[str, list[float]] = {ours: [], plain: []}
        # By turns, so that what else the machine does meets both.
        for number in range(1, DEPLOYS + 1):
            image = stand.images[number % 2]
            deploy: dict[str, Callable[[], object]] = {
                ours: lambda image=image: post(path, {"image": image, **build}),  # type: ignore[misc]
                plain: lambda image=image: stand.kubectl(  # type: ignore[misc]
                    "set", "image", "deployment/plain", f"web={image}"
                ),
            }
            for name, start in deploy.items():
                started = time.monotonic()
                start()
                _wait(stand, name, image)
                times[name].append(time.monotonic() - started)
    medians = {name: statistics.median(found) for name, found in times.items()}
    return [
        Row(f"`kubectl set image`, {REPLICAS} pods", measured=f"{medians[plain]:.1f} s"),
        Row(
            f"`POST builds`, {REPLICAS} pods",
            f"{medians[plain]:.1f} s",
            f"{medians[ours]:.1f} s",
            medians[plain] / medians[ours],
        ),
    ]


def _wait(stand: NodeStand, name: str, image: str) -> None:
    def is_done() -> bool:
        found = stand.kubectl("get", "deployment", name, "--ignore-not-found", "-o", "json")
        if not found:
            return False
        item = json.loads(found)
        status, containers = item["status"], item["spec"]["template"]["spec"]["containers"]
        counts = [status.get(f"{what}Replicas") for what in ("updated", "ready")]
        seen = status.get("observedGeneration") == item["metadata"]["generation"]
        whole = counts == [REPLICAS] * 2 and status.get("replicas") == REPLICAS
        return bool(seen and whole and containers[0]["image"] == image)

    if not wait_until(is_done, seconds=_PATIENCE):
        raise LocalError(f"{name} does not run {image} after {_PATIENCE} s")


if __name__ == "__main__":
    main()
