"""Applications that run in another namespace, seen and called over the API.

The facade has the chart's rights in both: over the fleet in its own, over Pods in the other one.
"""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from polyfleet.api.settings import Settings
from polyfleet.local.install import connect, service_account_kubeconfig
from tests.dialects.deis.conftest import SETTINGS
from tests.dialects.deis.controller import Controller, register, results, unique
from tests.dialects.deis.fake_kubelet import Cluster, fake_node
from tests.dialects.waiting import eventually
from tests.facade_fixtures import FacadeServer, running_facade


@pytest.fixture
def away(
    admin_kubeconfig: Path, namespace: str, other_namespace: str, tmp_path: Path
) -> Iterator[FacadeServer]:
    """Provide a facade whose applications run elsewhere."""
    kubeconfig = service_account_kubeconfig(
        admin_kubeconfig,
        tmp_path / "facade.kubeconfig",
        namespace=namespace,
        name="polyfleet-facade",
        workloads_namespace=other_namespace,
    )
    values: dict[str, Any] = {
        "namespace": namespace,
        "workloads_namespace": other_namespace,
        "kubeconfig": kubeconfig,
        "port": 0,
        "artifacts": {"directory": tmp_path / "artifacts"},
        "deis": SETTINGS,
        "shutdown_timeout": 5,
    }
    with running_facade(Settings(**values)) as server:
        yield server


@pytest.fixture
def cluster(
    admin_kubeconfig: Path, away: FacadeServer, other_namespace: str, tmp_path: Path
) -> Iterator[Cluster]:
    """Provide the other namespace, whose commands a fake node runs."""
    with (
        connect(admin_kubeconfig) as connection,
        fake_node(client.CoreV1Api(connection), unique("fake"), tmp_path) as node,
    ):
        core = client.CoreV1Api(connection)
        thread = threading.Thread(target=node.run_commands, args=[other_namespace], daemon=True)
        thread.start()
        yield Cluster(core, away, node, other_namespace)
        node.stopped.set()
        thread.join(10)


def test_containers_logs_and_commands_are_those_of_the_other_namespace(
    away: FacadeServer, cluster: Cluster, namespace: str
) -> None:
    ada = register(away)
    controller = Controller(away, ada)
    app = controller.app()
    controller.build(app, procfile={"web": "run web"})
    cluster.account(app)
    name = cluster.pod(app, "web", phase="Running")
    cluster.node.say(name, "here I am")

    def containers() -> list[str]:
        return [item["type"] for item in results(ada.get(f"/v1/apps/{app}/containers"))]

    eventually(lambda: containers() == ["web"])
    assert f"{app}[web.1]: here I am" in ada.get(f"/v1/apps/{app}/logs").json()
    reply = ada.post(f"/v1/apps/{app}/run", json={"command": "echo hi"})
    assert (reply.status_code, reply.json()) == (200, {"rc": 0, "output": "hi\n"})
    eventually(lambda: cluster.runs(app) == [])
    assert cluster.core.list_namespaced_pod(namespace).items == []
    ada.client.close()


def test_what_is_asked_and_kept_of_the_other_namespace_is_measured(
    away: FacadeServer, cluster: Cluster
) -> None:
    def samples(name: str) -> list[str]:
        with away.client() as caller:
            lines = caller.get("/metrics").text.splitlines()
        return [line for line in lines if line.startswith(name) and 'kind="Pod"' in line]

    [objects] = samples("polyfleet_cache_objects")
    assert objects.endswith(" 0.0")
    ada = register(away)
    controller = Controller(away, ada)
    app = controller.app()
    controller.build(app, procfile={"web": "run web"})
    cluster.account(app)
    cluster.pod(app, "web", phase="Running")
    eventually(lambda: samples("polyfleet_cache_objects") == [objects.replace(" 0.0", " 1.0")])
    assert samples("polyfleet_api_requests_total")
    ada.client.close()
