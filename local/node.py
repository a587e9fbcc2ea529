"""A node that runs real pods: containerd, kubelet, kube-proxy and cluster DNS as plain processes.

It lives in namespaces of its own (`namespaces.py`), below one private folder. Its life has two
halves, as the addresses of the node are among the options of the API server:

    node = Node(directory, programs, tools)
    plane = ControlPlane(..., network=node.prepare())
    plane.start()
    node.join(plane)
"""

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kubernetes import client

from polyfleet.local import node_components
from polyfleet.local.control_plane import ControlPlane
from polyfleet.local.errors import LocalError, StartError, last_lines
from polyfleet.local.images import ImageSettings, pack
from polyfleet.local.install import APPLY, connect
from polyfleet.local.kubeconfig import certificate_credentials, write_kubeconfig
from polyfleet.local.namespaces import Namespaces, inside_environment
from polyfleet.local.node_components import NODE_NAME, STATE
from polyfleet.local.node_network import NodeNetwork, connect_somewhere
from polyfleet.local.node_requirements import NodeTools
from polyfleet.local.pki import KeyMaterial
from polyfleet.local.probe import answers_ok_plain
from polyfleet.local.processes import ProcessRecord, is_running, spawn, wait_until
from polyfleet.local.programs import NodePrograms, build_node
from polyfleet.local.state import State, write_private

CONTAINERD = "containerd"
DNS = "coredns"
PROXY = "kube-proxy"
KUBELET = "kubelet"

_STATE_FILE = "state.json"
_NETWORK = "network"
_CGROUPS = Path("/sys/fs/cgroup")
_CGROUP_SECONDS = 10
_DNS_USER = "system:coredns"
_USERS = {
    KUBELET: (f"system:node:{NODE_NAME}", ("system:nodes",)),
    PROXY: (f"system:{PROXY}", ()),
    DNS: (_DNS_USER, ()),
}


class Node:
    """The one node of a local cluster, with its files in `directory`. Root only.

    With `ends_with_parent` it does not outlive the thread that prepares it.
    """

    def __init__(
        self,
        directory: Path,
        programs: NodePrograms,
        tools: NodeTools,
        *,
        ends_with_parent: bool = False,
        ready_seconds: float = 120,
    ) -> None:
        self.directory = directory.resolve()
        self._programs = programs
        self._tools = tools
        self._ready_seconds = ready_seconds
        self._state = State.load(self.directory / _STATE_FILE)
        self._namespaces = Namespaces(
            self._state,
            self.directory,
            programs.workload / "pause",
            ends_with_parent=ends_with_parent,
        )

    @property
    def network(self) -> NodeNetwork:
        """The addresses; known once the node was prepared."""
        return NodeNetwork(int(self._state.values[_NETWORK]))

    def log(self, name: str) -> Path:
        """Return the path of a component's log."""
        return self.directory / f"{name}.log"

    def prepare(self) -> NodeNetwork:
        """Make namespaces and link unless they are there; return the addresses, kept for life."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._namespaces.exist():
            self._state.processes.clear()
            self._namespaces.start()
            try:
                self._connect()
            except BaseException:
                self._namespaces.stop()
                raise
        return self.network

    def join(self, plane: ControlPlane) -> None:
        """Start what does not run, and wait until the node is ready.

        Raises StartError, with the last lines of a log, when something ends or takes too long.
        """
        self._write_files(plane)
        self._ensure(CONTAINERD, self._programs.containerd, [f"--config={STATE}/containerd.toml"])
        self._wait(CONTAINERD, self._containerd_answers)
        self._import_pause()
        _grant_dns(plane.kubeconfig)
        self._ensure(DNS, self._programs.dns, [f"-conf={STATE}/Corefile"])
        arguments = node_components.proxy_arguments(self.network)
        self._ensure(PROXY, self._programs.kubernetes, arguments)
        arguments = node_components.kubelet_arguments(self.network)
        self._ensure(KUBELET, self._programs.kubernetes, arguments)
        with connect(plane.kubeconfig) as connection:
            core = client.CoreV1Api(connection)
            self._wait(KUBELET, lambda: _is_ready(core))
        self._wait_healthy(PROXY, node_components.PROXY_HEALTH_PORT, "/healthz")
        self._wait_healthy(DNS, node_components.DNS_HEALTH_PORT, "/health")

    def import_image(self, file: Path) -> None:
        """Give the node an image from a tar file, under the name that the file tells."""
        self._containerd_command("images", "import", "--local", str(file.resolve()))

    def stop(self) -> None:
        """End the node with its pods, and remove its folder."""
        remove_node(self.directory)

    def _connect(self) -> None:
        if _NETWORK in self._state.values:
            self.network.connect(self._namespaces)
        else:
            self._state.values[_NETWORK] = str(connect_somewhere(self._namespaces).number)
            self._state.save()
        # Sockets and the like: short paths, the same for every node, gone with it.
        self._namespaces.run("mount", "-t", "tmpfs", "tmpfs", "/run")
        self._namespaces.run("mkdir", "-p", STATE)
        self._namespaces.run("mount", "--bind", self.directory, STATE)

    def _write_files(self, plane: ControlPlane) -> None:
        material, network = plane.material, self.network
        shutil.copy(material.authority_certificate, self.directory / "ca.crt")
        serving = material.authority.issue_serving([network.node, NODE_NAME])
        serving.write(self.directory, KUBELET)
        for name in _USERS:
            self._write_kubeconfig(name, material, plane.url)
        (self.directory / "cni").mkdir(exist_ok=True)
        texts = {
            "containerd.toml": node_components.containerd_configuration(
                runc=self._tools.runc, plugins=self._tools.plugins
            ),
            "cni/pods.conflist": node_components.pod_network(network),
            "Corefile": node_components.corefile(network),
            "kubelet.yaml": node_components.kubelet_configuration(network, network.link),
        }
        for name, text in texts.items():
            write_private(self.directory / name, text)

    def _write_kubeconfig(self, name: str, material: KeyMaterial, url: str) -> None:
        user, groups = _USERS[name]
        write_kubeconfig(
            self.directory / f"{name}.kubeconfig",
            server=url.replace("127.0.0.1", self.network.host),
            authority=material.authority.certificate,
            credentials=certificate_credentials(material.authority.issue_client(user, groups)),
        )

    def _ensure(self, name: str, folder: Path, arguments: list[str]) -> None:
        record = self._state.processes.get(name)
        if record and is_running(record):
            return
        self._state.processes[name] = spawn(
            self._namespaces.inside(folder / name, *arguments),
            log=self.log(name),
            directory=self.directory,
            environment=inside_environment([self._programs.containerd, self._tools.runc.parent]),
        )
        self._state.save()

    def _wait(self, name: str, is_ready: Callable[[], bool]) -> None:
        record = self._state.processes[name]
        in_time = wait_until(
            lambda: not is_running(record) or is_ready(), seconds=self._ready_seconds
        )
        if in_time and is_running(record):
            return
        problem = f"is not ready after {self._ready_seconds:g} s" if not in_time else "ended"
        raise StartError(f"{name} {problem}; its log:\n{last_lines(self.log(name))}")

    def _wait_healthy(self, name: str, port: int, path: str) -> None:
        self._wait(name, lambda: answers_ok_plain(self.network.node, port, path))

    def _containerd_answers(self) -> bool:
        with contextlib.suppress(LocalError):
            self._containerd_command("version")
            return True
        return False

    def _containerd_command(self, *arguments: str) -> str:
        address = f"--address={node_components.CONTAINERD_SOCKET}"
        program = self._programs.containerd / "ctr"
        return self._namespaces.run(program, address, "--namespace=k8s.io", *arguments)

    def _import_pause(self) -> None:
        if node_components.PAUSE_IMAGE in self._containerd_command("images", "list", "--quiet"):
            return
        tree, file = self.directory / "pause", self.directory / "pause.tar"
        tree.mkdir(exist_ok=True)
        shutil.copy(self._programs.workload / "pause", tree / "pause")
        settings = ImageSettings(entrypoint=["/pause"], user="65535:65535")
        pack(tree, file, reference=node_components.PAUSE_IMAGE, settings=settings)
        self.import_image(file)


def node_processes(directory: Path) -> dict[str, ProcessRecord]:
    """Return the recorded processes of the node in `directory`; none where there is no node."""
    return State.load(directory / _STATE_FILE).processes


def import_image(directory: Path, file: Path) -> None:
    """Give the node in `directory`, which runs, an image from a tar file."""
    tools = NodeTools(Path(), Path())
    Node(directory, build_node(), tools).import_image(file)


def remove_node(directory: Path) -> None:
    """End the node in `directory`, if there is one, with its pods; remove all that it leaves."""
    state = State.load(directory / _STATE_FILE)
    Namespaces(state, directory, Path()).stop()
    if number := state.values.get(_NETWORK):
        _remove_cgroups(NodeNetwork(int(number)).link)
    if state.file.exists():
        shutil.rmtree(directory)


def _is_ready(core: client.CoreV1Api) -> bool:
    nodes = core.list_node().items
    conditions = nodes[0].status.conditions if nodes and nodes[0].status else None
    return any(row.type == "Ready" and row.status == "True" for row in conditions or [])


def _grant_dns(kubeconfig: Path) -> None:
    group = "rbac.authorization.k8s.io"
    metadata = {"name": _DNS_USER}
    role: dict[str, Any] = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRole",
        "metadata": metadata,
        **node_components.DNS_RIGHTS,
    }
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": _DNS_USER},
        "subjects": [{"apiGroup": group, "kind": "User", "name": _DNS_USER}],
    }
    with connect(kubeconfig) as connection:
        api = client.RbacAuthorizationV1Api(connection)
        api.patch_cluster_role(_DNS_USER, role, **APPLY)
        api.patch_cluster_role_binding(_DNS_USER, binding, **APPLY)


def _remove_cgroups(name: str) -> None:
    # A group goes only when the last process in it has been reaped, which takes a moment.
    deadline = time.monotonic() + _CGROUP_SECONDS
    for top in [_CGROUPS / name, *_CGROUPS.glob(f"*/{name}")]:
        for folder, _, _ in os.walk(top, topdown=False):
            while True:
                try:
                    Path(folder).rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
                else:
                    break
