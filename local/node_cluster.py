"""A whole cluster on this machine: the control plane and one node that runs real pods."""

from pathlib import Path

from polyfleet.local.control_plane import ControlPlane
from polyfleet.local.lifetime import Startable
from polyfleet.local.node import Node, remove_node
from polyfleet.local.node_requirements import NodeTools
from polyfleet.local.programs import build_control_plane, build_node


class NodeCluster(Startable):
    """Control plane and node in one folder, which both are removed with.

    `fsync` and `ends_with_parent` are those of the control plane. The programs are built first
    where they are not in the cache.
    """

    def __init__(
        self,
        directory: Path,
        tools: NodeTools,
        *,
        fsync: bool = True,
        ends_with_parent: bool = False,
    ) -> None:
        self.directory = directory
        self._binaries = build_control_plane(controller_manager=True)
        self._fsync = fsync
        self._ends_with_parent = ends_with_parent
        self.node = Node(
            node_directory(directory), build_node(), tools, ends_with_parent=ends_with_parent
        )

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.directory / "kubeconfig"

    def start(self) -> ControlPlane:
        """Start what does not run and wait until pods can be scheduled; keep what runs."""
        plane = ControlPlane(
            self.directory,
            self._binaries,
            fsync=self._fsync,
            ends_with_parent=self._ends_with_parent,
            network=self.node.prepare(),
        )
        plane.start()
        plane.start_controller_manager()
        plane.start_scheduler()
        self.node.join(plane)
        return plane

    def stop(self) -> None:
        """Stop all of it and remove the folder."""
        remove_cluster(self.directory)


def node_directory(directory: Path) -> Path:
    """Return where a cluster in `directory` keeps its node."""
    return directory / "node"


def remove_cluster(directory: Path) -> None:
    """Stop the cluster in `directory`, with a node or without; remove its files.

    The programs are not needed for that.
    """
    remove_node(node_directory(directory))
    ControlPlane(directory, directory).stop()
