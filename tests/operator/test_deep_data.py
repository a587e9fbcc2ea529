"""Data nested as deeply as Kubernetes takes it: kubectl may write what others have to read."""

import json
from pathlib import Path

from tests.operator.conftest import Start
from tests.operator.workload import running_place

LEVELS = 9_000


def test_an_application_of_any_depth_stops_nothing(
    admin_kubeconfig: Path, start_operator: Start
) -> None:
    with running_place(admin_kubeconfig, start_operator) as place:
        text = json.dumps(
            {
                "apiVersion": "polyfleet.dev/v1alpha1",
                "kind": "Application",
                "metadata": {"name": "deep"},
                "spec": {"name": "deep", "data": {"spec": "DEEP"}},
            }
        ).replace('"DEEP"', '{"a":' * LEVELS + "1" + "}" * LEVELS)
        place.kubectl("create", "-f", "-", stdin=text)
        # The client of other tests could not read it.
        place.kubectl("wait", "application/deep", "--for=condition=Ready", "--timeout=60s")
        place.fleet.create("Application", "later")
        place.fleet.condition("Application", "later", "Ready", "True", "Reconciled")
        place.fleet.create("DeviceGroup", "lamps", application="later")
        place.fleet.condition("DeviceGroup", "lamps", "Ready", "True", "Reconciled")
        assert place.operator.process.poll() is None
        assert "RecursionError" not in place.operator.log.read_text()
