"""How docs/helm.md removes an installation, once no operator is left to let objects go."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from polyfleet.local.processes import wait_until
from tests.charts.conftest import CHART

PAGE = CHART.parents[1] / "docs" / "helm.md"
HELD = """
apiVersion: polyfleet.dev/v1alpha1
kind: Application
metadata: {name: default, finalizers: [polyfleet.dev/operator, polyfleet.dev/keeps-devices]}
spec: {name: default}
---
apiVersion: polyfleet.dev/v1alpha1
kind: DeviceGroup
metadata: {name: default.canary, finalizers: [polyfleet.dev/operator]}
spec: {application: default, name: canary}
---
apiVersion: polyfleet.dev/v1alpha1
kind: Device
metadata: {name: default.kettle-1, finalizers: [drogue.polyfleet.dev/mine]}
spec: {application: default, deviceId: kettle-1}
---
apiVersion: polyfleet.dev/v1alpha1
kind: Device
metadata: {name: default.kettle-2}
spec: {application: default, deviceId: kettle-2}
"""


def test_a_fleet_without_an_operator_can_be_removed(
    kubectl: Callable[..., str], namespace: str, admin_kubeconfig: Path
) -> None:
    kubectl("apply", "-f", "-", stdin=HELD)
    section = PAGE.read_text().split("\n## What stays\n")[1].split("\n## ")[0]
    found = re.search(
        r"^(kubectl [^\n]* get polyfleet .*?)^kubectl", section, re.DOTALL | re.MULTILINE
    )
    assert found
    subprocess.run(
        [
            "bash",
            "-euo",
            "pipefail",
            "-c",
            found[1].replace("namespace polyfleet", f"namespace {namespace}"),
        ],
        check=True,
        timeout=120,
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "KUBECONFIG": str(admin_kubeconfig),
            "HOME": os.environ.get("HOME", "/"),
        },
    )

    kubectl("delete", "polyfleet", "--all", "--wait=false")
    assert wait_until(
        lambda: not json.loads(kubectl("get", "polyfleet", "-o", "json"))["items"], seconds=60
    )
