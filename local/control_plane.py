"""A Kubernetes control plane from plain processes: etcd and kube-apiserver, no container engine.

Everything belongs to one private folder: keys, data, logs and the state file, which names the
processes. Several control planes, each in its own folder, do not meet: etcd listens on a socket
in the folder, kube-apiserver on a free port of 127.0.0.1.
"""

import os
import shutil
from functools import partial
from pathlib import Path

from polyfleet.local import components
from polyfleet.local.environment import needed_environment
from polyfleet.local.errors import StartError, last_lines
from polyfleet.local.kubeconfig import certificate_credentials, write_kubeconfig
from polyfleet.local.lifetime import Startable
from polyfleet.local.node_network import NodeNetwork
from polyfleet.local.pki import KeyMaterial
from polyfleet.local.ports import free_port, is_free
from polyfleet.local.probe import answers_ok
from polyfleet.local.processes import ProcessRecord, is_running, spawn, stop, wait_until
from polyfleet.local.state import State

ETCD = "etcd"
API_SERVER = "kube-apiserver"
CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"

_ORDER = (ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER)
_PORT_ATTEMPTS = 3
_PORT_SECONDS = 5


class ControlPlane(Startable):
    """etcd and kube-apiserver in `directory`, run from the programs in `binaries`.

    `binaries` is a folder with etcd, kube-apiserver and, where they are to be started,
    kube-controller-manager and kube-scheduler. `fsync=False` trades the data's safety at a power
    cut for speed. With `ends_with_parent` the processes do not outlive the thread that starts
    them. `network` is that of the node which is to join, and has to be the same for life. With
    `audit` kube-apiserver writes down what service accounts ask for.
    """

    def __init__(
        self,
        directory: Path,
        binaries: Path,
        *,
        fsync: bool = True,
        ends_with_parent: bool = False,
        ready_seconds: float = 60,
        network: NodeNetwork | None = None,
        audit: bool = False,
    ) -> None:
        self.directory = directory.resolve()
        self._binaries = binaries.resolve()
        self._fsync = fsync
        self._ends_with_parent = ends_with_parent
        self._ready_seconds = ready_seconds
        self._network = network
        self._audit = audit
        self._state = State.load(self.directory / "state.json")

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig (group system:masters), mode 600."""
        return self.directory / "kubeconfig"

    @property
    def url(self) -> str:
        """Where kube-apiserver answers."""
        return f"https://127.0.0.1:{self._state.values[API_SERVER]}"

    @property
    def material(self) -> KeyMaterial:
        """The keys and certificates, made at the first start."""
        names = [self._network.host, self._network.api_service] if self._network else []
        return KeyMaterial.ensure(self.directory / "pki", names)

    @property
    def audit_log(self) -> Path:
        """Where requests of service accounts are written down, with `audit`: JSON lines."""
        return self.directory / "audit.log"

    @property
    def processes(self) -> dict[str, ProcessRecord]:
        """The recorded processes by name, whether or not they still run."""
        return dict(self._state.processes)

    def is_running(self) -> bool:
        """Tell whether etcd and kube-apiserver both run."""
        return all(self._runs(name) for name in (ETCD, API_SERVER))

    def start(self) -> None:
        """Start what does not run and wait for /readyz; keep what runs.

        Raises StartError, with the last lines of the log, when a process ends or kube-apiserver
        is not ready within `ready_seconds`.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        material = self.material
        if not self._runs(ETCD):
            self._start_etcd()
        if not self._runs(API_SERVER):
            self._start_on_a_port(API_SERVER, material, self._api_server_arguments)
            administrator = material.authority.issue_client("polyfleet-admin", ["system:masters"])
            write_kubeconfig(
                self.kubeconfig,
                server=self.url,
                authority=material.authority.certificate,
                credentials=certificate_credentials(administrator),
            )
        else:
            self._wait_ready(API_SERVER, material, self._state.values[API_SERVER])

    def start_controller_manager(self) -> None:
        """Start kube-controller-manager unless it runs; wait until it is healthy."""
        arguments = partial(components.controller_manager_arguments, network=self._network)
        self._start_client(CONTROLLER_MANAGER, arguments)

    def start_scheduler(self) -> None:
        """Start kube-scheduler unless it runs; wait until it is healthy."""
        self._start_client(SCHEDULER, components.scheduler_arguments)

    def stop(self) -> None:
        """Stop the processes and remove the folder, if it is one that `start` made."""
        for name in reversed(_ORDER):
            if record := self._state.processes.pop(name, None):
                stop(record)
        if self._state.file.exists():
            shutil.rmtree(self.directory)

    def log(self, name: str) -> Path:
        """Return the path of a component's log."""
        return self.directory / f"{name}.log"

    def _runs(self, name: str) -> bool:
        record = self._state.processes.get(name)
        return record is not None and is_running(record)

    def _start_client(self, name: str, arguments: components.Arguments) -> None:
        if self._runs(name):
            return
        material = self.material
        write_kubeconfig(
            components.component_kubeconfig(material, name),
            server=self.url,
            authority=material.authority.certificate,
            credentials=certificate_credentials(material.authority.issue_client(f"system:{name}")),
        )
        self._start_on_a_port(name, material, arguments)

    def _spawn(self, name: str, arguments: list[str]) -> None:
        program = self._binaries / name
        if not program.exists():
            raise StartError(f"there is no {name} in {self._binaries}")
        self._state.processes[name] = spawn(
            [program, *arguments],
            log=self.log(name),
            directory=self.directory,
            environment=needed_environment(os.environ),
            ends_with_parent=self._ends_with_parent,
        )
        # Before any wait: whoever is interrupted now can still stop the process later.
        self._state.save()

    def _api_server_arguments(self, material: KeyMaterial, port: str) -> list[str]:
        arguments = components.api_server_arguments(material, port, self._network)
        if not self._audit:
            return arguments
        policy = self.directory / "audit-policy.yaml"
        policy.write_text(components.AUDIT_POLICY)
        return [*arguments, *components.audit_arguments(policy, self.audit_log)]

    def _start_etcd(self) -> None:
        socket = components.etcd_socket(self.directory)
        socket.unlink(missing_ok=True)
        self._spawn(ETCD, components.etcd_arguments(self.directory / "etcd", fsync=self._fsync))
        # A kube-apiserver that finds nobody there waits a whole second before it looks again.
        wait_until(lambda: socket.exists() or not self._runs(ETCD), seconds=self._ready_seconds)

    def _start_on_a_port(
        self, name: str, material: KeyMaterial, arguments: components.Arguments
    ) -> None:
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            port = self._state.values.get(name)
            if port is None or attempt > 1 or not self._is_free_soon(int(port)):
                port = self._state.values[name] = str(free_port())
            self._spawn(name, arguments(material, port))
            try:
                self._wait_ready(name, material, port)
            except StartError as error:
                if attempt == _PORT_ATTEMPTS or "address already in use" not in str(error):
                    raise
            else:
                return

    @staticmethod
    def _is_free_soon(port: int) -> bool:
        # Kubeconfigs name the port, so it is worth waiting until the dead predecessor let go of it.
        return wait_until(lambda: is_free(port), seconds=_PORT_SECONDS)

    def _wait_ready(self, name: str, material: KeyMaterial, port: str) -> None:
        path = "/readyz" if name == API_SERVER else "/healthz"
        authority = material.authority_certificate

        def settled() -> bool:
            return self._ended(name) is not None or answers_ok(int(port), path, authority)

        in_time = wait_until(settled, seconds=self._ready_seconds)
        if ended := self._ended(name):
            raise StartError(f"{ended} ended; its log:\n{last_lines(self.log(ended))}")
        if not in_time:
            raise StartError(
                f"{name} is not ready after {self._ready_seconds:g} s; "
                f"its log:\n{last_lines(self.log(name))}"
            )

    def _ended(self, awaited: str) -> str | None:
        # One that is started later is no matter yet: its record may be of an earlier life.
        needed = _ORDER[: _ORDER.index(awaited) + 1]
        return next((name for name in needed if not self._runs(name)), None)
