"""Here everything works on the cluster with a node: namespaces, kubectl, facades, operators."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client

from polyfleet.local.install import connect
from polyfleet.local.node_cluster import NodeCluster


@pytest.fixture(scope="session")
def admin_kubeconfig(node_cluster: NodeCluster) -> Path:
    """Provide a kubeconfig that may do anything on the cluster with a node."""
    return node_cluster.kubeconfig


# Of the whole session as well: the one of the other cluster may be there already.
@pytest.fixture(scope="session")
def _core_api(admin_kubeconfig: Path) -> Iterator[client.CoreV1Api]:
    with connect(admin_kubeconfig) as connection:
        yield client.CoreV1Api(connection)
