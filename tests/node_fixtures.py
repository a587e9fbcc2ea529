"""A cluster with a node that runs real pods, for tests of workloads and of the chart.

One for the whole run, started only when a test asks for it, with a control plane of its own. Where
this machine cannot run a node those tests are skipped, and the reason says why.
"""

import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from polyfleet.local.install import install_definitions
from polyfleet.local.node import Node
from polyfleet.local.node_cluster import NodeCluster
from polyfleet.local.node_requirements import NodeTools, node_tools
from polyfleet.local.product_image import product_image
from polyfleet.local.programs import build_control_plane, build_node
from polyfleet.local.sample_images import sample_image

IMAGE_TAG = "e2e"


@dataclass(frozen=True)
class SampleImages:
    """Names of images that the node has: two good builds and one that does not start."""

    first: str
    second: str
    broken: str


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what the chosen tests need: here, where it shows and no test's time-out counts."""
    wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if session.config.option.collectonly or "node_tools" not in wanted:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        if isinstance(node_tools(os.environ), NodeTools):
            build_control_plane(controller_manager=True)
            build_node()
            if "product_image_file" in wanted:
                product_image(IMAGE_TAG)


@pytest.fixture(scope="session", name="node_tools")
def _node_tools() -> NodeTools:
    """Provide what a node runs with, or skip the test."""
    tools = node_tools(os.environ)
    if isinstance(tools, str):
        pytest.skip(tools)
    return tools


@pytest.fixture(scope="session")
def node_cluster(
    node_tools: NodeTools, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NodeCluster]:
    """Provide a running cluster with one node and the chart's definitions."""
    directory = tmp_path_factory.mktemp("node-cluster")
    with NodeCluster(directory, node_tools, fsync=False, ends_with_parent=True) as cluster:
        install_definitions(cluster.kubeconfig)
        yield cluster


@pytest.fixture(scope="session")
def node(node_cluster: NodeCluster) -> Node:
    """Provide the node of that cluster."""
    return node_cluster.node


@pytest.fixture(scope="session")
def product_image_file() -> Path:
    """Provide Polyfleet's own image as a tar file; it is named by REFERENCE and IMAGE_TAG."""
    return product_image(IMAGE_TAG)


@pytest.fixture(scope="session")
def sample_images(node: Node, tmp_path_factory: pytest.TempPathFactory) -> SampleImages:
    """Provide images of a small web application on the node."""
    folder, programs = tmp_path_factory.mktemp("images"), build_node()
    builds = {"first": False, "second": False, "broken": True}
    names = []
    for build, broken in builds.items():
        file = folder / f"{build}.tar"
        names.append(sample_image(file, programs, build=build, broken=broken))
        node.import_image(file)
        file.unlink()
    return SampleImages(*names)
