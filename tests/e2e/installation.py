"""Polyfleet as its chart installs it: Helm, the image of our own, two facades, two operators."""

import base64
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from polyfleet.local.install import CHART

RELEASE = "polyfleet"
FACADES = "app.kubernetes.io/component=facade"
OPERATORS = "app.kubernetes.io/component=operator"
_SECONDS = 660
# A folder of this machine, which is the node: both facades see the same files.
_VOLUME = """
apiVersion: v1
kind: PersistentVolume
metadata: {{name: {namespace}-artifacts}}
spec:
  accessModes: [ReadWriteMany]
  capacity: {{storage: 1Gi}}
  claimRef: {{namespace: {namespace}, name: artifacts}}
  hostPath: {{path: "{folder}", type: Directory}}
  persistentVolumeReclaimPolicy: Retain
  storageClassName: ""
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: artifacts}}
spec:
  accessModes: [ReadWriteMany]
  resources: {{requests: {{storage: 1Gi}}}}
  storageClassName: ""
  volumeName: {namespace}-artifacts
"""


@dataclass
class Installation:
    """One release of the chart in a namespace; `values` are given on every call of Helm."""

    helm: Path
    kubeconfig: Path
    namespace: str
    kubectl: Callable[..., str]
    image: str
    folder: Path
    """Where packages' files are kept."""
    values: dict[str, Any] = field(default_factory=dict)
    token: str = field(default="", repr=False)

    def prepare(self) -> None:
        """Make the volume that the facades share."""
        self.folder.mkdir(parents=True, exist_ok=True)
        os.chown(self.folder, 65532, 65532)
        volume = _VOLUME.format(namespace=self.namespace, folder=self.folder)
        self.kubectl("apply", "-f", "-", stdin=volume)
        repository, _, tag = self.image.rpartition(":")
        self.values = {
            "image": {"repository": repository, "tag": tag},
            "facade": {"replicas": 2},
            "operator": {"replicas": 2},
            "artifacts": {
                "persistence": {"existingClaim": "artifacts", "accessModes": ["ReadWriteMany"]}
            },
        }

    def run_helm(self, *arguments: str) -> str:
        """Run Helm in the namespace; return what it printed."""
        done = subprocess.run(
            [self.helm, *arguments, "--namespace", self.namespace],
            input=json.dumps(self.values),
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder.parent)}
            | {"KUBECONFIG": str(self.kubeconfig)},
        )
        if done.returncode:
            raise AssertionError(f"helm {' '.join(arguments)}: {done.stderr}\n{self.seen()}")
        return done.stdout

    def install(self) -> None:
        """Install the chart and wait until all is ready."""
        self.run_helm("install", RELEASE, str(CHART), "--values", "-", "--wait", "--timeout=10m")

    def upgrade(self, **values: Any) -> None:
        """Upgrade to other values and wait until all is ready."""
        self.values = merged(self.values, values)
        self.run_helm("upgrade", RELEASE, str(CHART), "--values", "-", "--wait", "--timeout=10m")

    def uninstall(self) -> None:
        """Uninstall the chart and wait until its objects are gone."""
        self.run_helm("uninstall", RELEASE, "--wait", "--timeout=10m")

    @property
    def url(self) -> str:
        """Where the Service answers: this machine reaches it by its address."""
        spec = self.object("service", "polyfleet")["spec"]
        return f"http://{spec['clusterIP']}:{spec['ports'][0]['port']}"

    def client(self, **options: Any) -> httpx.Client:
        """Return a client that calls through the Service as the administrator."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return httpx.Client(
            base_url=self.url, headers=headers, trust_env=False, timeout=30, **options
        )

    def log_in(self) -> None:
        """Make an access token for the administrator whose password the chart has made."""
        data = self.object("secret", "polyfleet-administrator")["data"]
        user, password = (base64.b64decode(data[key]).decode() for key in ("user", "password"))
        # kube-proxy learns of ready pods a moment after Helm has seen them.
        transport = httpx.HTTPTransport(retries=6, trust_env=False)
        with httpx.Client(base_url=self.url, transport=transport, timeout=30) as client:
            reply = client.post("/api/tokens/v1alpha1", auth=(user, password))
        assert reply.status_code == 200, reply.text
        self.token = reply.json()["token"]

    def object(self, kind: str, name: str) -> dict[str, Any]:
        """Return an object as the API server has it."""
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    def pods(self, selector: str) -> list[str]:
        """Return the names of the pods that are there, and not on their way out."""
        items = json.loads(self.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
        return [
            item["metadata"]["name"]
            for item in items
            if "deletionTimestamp" not in item["metadata"]
        ]

    def seen(self) -> str:
        """Return what one would look at first when something is wrong."""
        logs = [
            self.kubectl("logs", "--prefix", "--tail=15", "--ignore-errors", "-l", selector)
            for selector in (FACADES, OPERATORS, "app.kubernetes.io/component=administrator")
        ]
        return "\n".join([self.kubectl("get", "pods,events"), *logs])


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return `old` with the entries of `new`, mappings merged."""
    result = dict(old)
    for name, value in new.items():
        both = isinstance(value, dict) and isinstance(result.get(name), dict)
        result[name] = merged(result[name], value) if both else value
    return result
