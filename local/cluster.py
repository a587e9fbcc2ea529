"""Which cluster a local installation runs on.

An existing cluster is used only when told so: a kubeconfig that happens to lie about must never
receive a test fleet. Then, in this order: the programs that KUBEBUILDER_ASSETS names, kind where
Docker answers, programs built from source.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from polyfleet.local.control_plane import ControlPlane
from polyfleet.local.errors import LocalError
from polyfleet.local.kubeconfig import derive_kubeconfig
from polyfleet.local.node_cluster import NodeCluster, node_directory, remove_cluster
from polyfleet.local.node_requirements import NodeTools, node_tools
from polyfleet.local.programs import CONTROL_PLANE, CONTROLLER_MANAGER, build_control_plane

_KIND_NAME = "polyfleet"
_KIND_SECONDS = 600


class ClusterKind(StrEnum):
    """The ways to a cluster."""

    EXISTING = "existing"
    ASSETS = "assets"
    KIND = "kind"
    BUILT = "built"


class Cluster(Protocol):
    """A cluster that can be started, possibly again, and taken away."""

    @property
    def without_node(self) -> str | None:
        """Why no pod runs there, as a sentence; None if pods do. Known once it was started."""

    def start(self) -> Path:
        """Start it unless it runs; return an administrator's kubeconfig."""

    def stop(self) -> None:
        """Take away all that `start` made."""


def choose(environment: Mapping[str, str], *, kind_is_usable: Callable[[], bool]) -> ClusterKind:
    """Choose the kind of cluster; `kind_is_usable` is asked only if it matters.

    Raises LocalError for a POLYFLEET_CLUSTER that is unknown, or existing without KUBECONFIG.
    """
    if told := environment.get("POLYFLEET_CLUSTER"):
        if told not in set(ClusterKind):
            raise LocalError(f"POLYFLEET_CLUSTER is {told}, not one of {', '.join(ClusterKind)}")
        if told == ClusterKind.EXISTING and not environment.get("KUBECONFIG"):
            raise LocalError("POLYFLEET_CLUSTER=existing needs KUBECONFIG to name the cluster")
        return ClusterKind(told)
    if environment.get("KUBEBUILDER_ASSETS"):
        return ClusterKind.ASSETS
    return ClusterKind.KIND if kind_is_usable() else ClusterKind.BUILT


def open_cluster(kind: ClusterKind, environment: Mapping[str, str], directory: Path) -> Cluster:
    """Return the cluster of this kind that keeps its files in `directory`."""
    if kind is ClusterKind.EXISTING:
        return ExistingCluster(Path(environment.get("KUBECONFIG", "")), directory)
    if kind is ClusterKind.KIND:
        return KindCluster(directory)
    return ProcessCluster(environment, directory)


def program_folder(environment: Mapping[str, str], *, controller_manager: bool = False) -> Path:
    """Return a folder with the control plane's programs: KUBEBUILDER_ASSETS or built ones."""
    wanted = [*CONTROL_PLANE, *(CONTROLLER_MANAGER if controller_manager else ())]
    if assets := environment.get("KUBEBUILDER_ASSETS"):
        if missing := [name for name in wanted if not (Path(assets) / name).exists()]:
            raise LocalError(f"KUBEBUILDER_ASSETS={assets} lacks {', '.join(missing)}")
        return Path(assets)
    return build_control_plane(controller_manager=controller_manager)


def kind_works() -> bool:
    """Tell whether kind is installed and Docker answers."""
    if not (shutil.which("kind") and shutil.which("docker")):
        return False
    try:
        return _run("docker", "info", seconds=20).returncode == 0
    except subprocess.TimeoutExpired:
        return False


class ProcessCluster:
    """A control plane as processes of this machine and, where that is possible, a node.

    The controller manager is left out where KUBEBUILDER_ASSETS has none: only garbage collection
    and the removal of namespaces need it.
    """

    def __init__(self, environment: Mapping[str, str], directory: Path) -> None:
        self._environment = environment
        self._directory = directory
        self.without_node: str | None = None

    def start(self) -> Path:
        """Start what does not run; with or without a node is settled by the first start."""
        tools = self._node_tools()
        if isinstance(tools, str):
            self.without_node = tools
            return self._start_alone()
        cluster = NodeCluster(self._directory, tools)
        cluster.start()
        return cluster.kubeconfig

    def stop(self) -> None:
        """Stop the processes and remove their data; the programs are not needed for that."""
        remove_cluster(self._directory)

    def _node_tools(self) -> NodeTools | str:
        if self._environment.get("KUBEBUILDER_ASSETS"):
            return "KUBEBUILDER_ASSETS names programs of a control plane only"
        has_node = node_directory(self._directory).exists()
        if self._directory.exists() and not has_node:
            return "it was started without a node; `make down` first to have one"
        tools = node_tools(self._environment)
        if has_node and isinstance(tools, str):
            raise LocalError(f"the cluster was started with a node, and now {tools}")
        return tools

    def _start_alone(self) -> Path:
        assets = self._environment.get("KUBEBUILDER_ASSETS")
        with_manager = assets is None or (Path(assets) / CONTROLLER_MANAGER[0]).exists()
        binaries = program_folder(self._environment, controller_manager=with_manager)
        plane = ControlPlane(self._directory, binaries)
        plane.start()
        if with_manager:
            plane.start_controller_manager()
        return plane.kubeconfig


class KindCluster:
    """A cluster in Docker, by kind."""

    without_node: str | None = None

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._kubeconfig = directory / "kubeconfig"

    def start(self) -> Path:
        """Create the cluster unless kind has it already."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        options = ("--name", _KIND_NAME, "--kubeconfig", str(self._kubeconfig))
        known = _KIND_NAME in _run("kind", "get", "clusters", seconds=60).stdout.split()
        verb = ("export", "kubeconfig") if known else ("create", "cluster", "--wait", "5m")
        done = _run("kind", *verb, *options, seconds=_KIND_SECONDS)
        if done.returncode:
            raise LocalError(f"kind {' '.join(verb)} failed:\n{done.stderr}")
        return self._kubeconfig

    def stop(self) -> None:
        """Delete the cluster, if it is one that `start` made."""
        if self._directory.exists():
            _run("kind", "delete", "cluster", "--name", _KIND_NAME, seconds=_KIND_SECONDS)
            shutil.rmtree(self._directory)


class ExistingCluster:
    """Somebody's cluster, named by KUBECONFIG; its current context is used."""

    without_node: str | None = None

    def __init__(self, kubeconfig: Path, directory: Path) -> None:
        self._source = kubeconfig
        self._directory = directory

    def start(self) -> Path:
        """Copy the current context once, so that a later switch of it does not move the fleet."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._directory / "kubeconfig"
        if file.exists():
            return file
        return derive_kubeconfig(self._source, file, namespace="default")

    def stop(self) -> None:
        """Forget the copy; the cluster and what was installed there stay."""
        if self._directory.exists():
            shutil.rmtree(self._directory)


def _run(*command: str, seconds: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - fixed programs and options, no shell
        command, capture_output=True, text=True, check=False, timeout=seconds, env=os.environ
    )
