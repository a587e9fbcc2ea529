"""Here everything works on the cluster with a node: namespaces, kubectl, facades, operators."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from kubernetes import client

from polyfleet.local.install import connect
from polyfleet.local.node_cluster import NodeCluster


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell what the cluster looked like when a test failed: soon it will be gone."""
    report = yield
    kubectl = getattr(item, "funcargs", {}).get("kubectl")
    if report.when == "call" and report.failed and kubectl is not None:
        kinds = "applications,releases,deployments,replicasets,pods,events"
        try:
            seen = kubectl("get", kinds, "--output=wide")
        except (AssertionError, OSError) as error:
            seen = str(error)
        report.sections.append(("the cluster", seen))
    return report


@pytest.fixture(scope="session")
def admin_kubeconfig(node_cluster: NodeCluster) -> Path:
    """Provide a kubeconfig that may do anything on the cluster with a node."""
    return node_cluster.kubeconfig


# Of the whole session as well: the one of the other cluster may be there already.
@pytest.fixture(scope="session")
def _core_api(admin_kubeconfig: Path) -> Iterator[client.CoreV1Api]:
    with connect(admin_kubeconfig) as connection:
        yield client.CoreV1Api(connection)
