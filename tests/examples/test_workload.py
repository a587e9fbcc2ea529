"""The application of the examples comes to run as its page says."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operator.conftest import Start, condition_of
from tests.operator.conftest import start_operator as start_operator  # noqa: PLC0414 - a fixture
from tests.operator.workload import Place, Workload, running_place

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "workload"

pytestmark = pytest.mark.controller_manager


@pytest.fixture(scope="module")
def place(admin_kubeconfig: Path, start_operator: Start) -> Iterator[Place]:
    with running_place(admin_kubeconfig, start_operator, workload_deadline=3600) as found:
        yield found


@pytest.fixture(scope="module")
def shop(place: Place) -> Workload:
    """Provide the application, applied, and its Pods brought up by the test as by a kubelet."""
    place.kubectl("apply", "-f", str(EXAMPLE))
    found = Workload(place.fleet, place.kubectl, "shop")
    application = found.comes_to_run(1)
    assert condition_of(application, "WorkloadReady")[:2] == ("True", "Deployed")
    return found


def test_its_processes_run_the_image_with_what_the_example_says(shop: Workload) -> None:
    spec = shop.deployment("web")["spec"]
    [container] = spec["template"]["spec"]["containers"]
    assert spec["replicas"] == 2
    assert container["image"] == "docker.io/library/busybox:1.37"
    assert container["command"][:2] == ["/bin/sh", "-c"]
    # What is a $ to the shell is two to Kubernetes.
    assert "exec httpd -f -p $$PORT" in container["command"][2]
    assert container["resources"] == {"limits": {"memory": "64Mi"}, "requests": {"cpu": "63m"}}
    variables = {one["name"]: one for one in container["env"]}
    assert variables["PORT"]["value"] == "5000"
    reference = variables["GREETING"]["valueFrom"]["secretKeyRef"]
    data = shop.get("secret", reference["name"])["data"]
    assert base64.b64decode(data[reference["key"]]) == b"hello"


def test_its_domain_leads_to_it(shop: Workload) -> None:
    shop.fleet.condition("Domain", "shop.example", "Ready", "True", "Routed")
    [ingress] = shop.items("ingresses")
    [rule] = ingress["spec"]["rules"]
    assert rule["host"] == "shop.example"
    assert rule["http"]["paths"][0]["backend"]["service"]["name"] == "app-shop"
    selector = shop.get("service", "app-shop")["spec"]["selector"]
    assert selector["polyfleet.dev/process-type"] == "web"


def test_the_commands_of_its_page_work(shop: Workload) -> None:
    wait = ("wait", "app", "shop", "--for=condition=WorkloadReady", "--timeout=60s")
    assert "condition met" in shop.kubectl(*wait)
    assert "2/2" in shop.kubectl("get", "app", "shop")
    releases = json.loads(shop.kubectl("get", "releases", "-o", "json"))["items"]
    assert [item["metadata"]["name"] for item in releases] == ["shop-v1"]


def test_applying_it_again_makes_no_release(shop: Workload) -> None:
    again = shop.kubectl("apply", "-f", str(EXAMPLE)).splitlines()
    assert len(again) == 4
    # A Secret with stringData is told to be configured; the release says whether it changed.
    shop.fleet.comes_to("Application", "shop", lambda item: item["status"]["running"] == "2/2")
    assert shop.fleet.get("Release", "shop-v2") is None
