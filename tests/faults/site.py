"""An installation of real processes in one namespace: facades and operators that can be killed."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from polyfleet.local.install import service_account_kubeconfig
from polyfleet.local.ports import free_port
from polyfleet.local.probe import answers_ok_plain
from polyfleet.local.processes import ProcessRecord, is_running, spawn, stop, wait_until
from tests.operator.conftest import Fleet, fresh_fleet

PATIENCE = 120.0
"""Seconds that a busy machine may take for what a quiet one does in one or two."""
HOST = "127.0.0.1"

Part = Literal["api", "operator"]


class Replica:
    """A facade or an operator: a process that comes back at the same port after each death."""

    def __init__(self, part: Part, name: str, folder: Path, environment: dict[str, str]) -> None:
        self.name = name
        self.port = free_port()
        self.log = folder / f"{name}.log"
        self.starts = 0
        port = "POLYFLEET_PORT" if part == "api" else "POLYFLEET_OPERATOR_PORT"
        self._command = [sys.executable, "-m", f"polyfleet.{part}"]
        self._environment = {**environment, port: str(self.port)}
        self._record: ProcessRecord | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def running(self) -> bool:
        return self._record is not None and is_running(self._record)

    def start(self) -> None:
        """Start it; nothing is waited for."""
        self.starts += 1
        self._record = spawn(
            self._command, log=self.log, environment=self._environment, ends_with_parent=True
        )

    def listens(self) -> bool:
        """Say whether it takes connections."""
        with suppress(OSError), socket.create_connection((HOST, self.port), timeout=5):
            return True
        return False

    def ready(self) -> bool:
        """Say whether it answers its readiness probe with 200."""
        return answers_ok_plain(HOST, self.port, "/readyz")

    def keep_running(self) -> None:
        """Start it again if it ended by itself, as the kubelet does."""
        if not self.running:
            self.start()

    def wait_ready(self) -> None:
        """Wait until it is; it is kept running meanwhile."""

        def ready() -> bool:
            self.keep_running()
            return self.ready()

        wait_for(ready, lambda: f"{self.name} is ready; its log:\n{self.tail()}")

    def signal(self, number: signal.Signals) -> None:
        assert self._record is not None
        if is_running(self._record):
            with suppress(ProcessLookupError):
                os.kill(self._record.pid, number)

    def kill(self) -> None:
        """End it as the kernel does when memory is short: nothing of it runs any more."""
        self.signal(signal.SIGKILL)
        wait_for(lambda: not self.running, lambda: f"{self.name} ends")

    def stop(self) -> None:
        if self._record is not None:
            stop(self._record)

    def entries(self, event: str = "") -> list[dict[str, Any]]:
        """Return the entries of its log, of all its lives, or those about one event."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            with suppress(json.JSONDecodeError):
                entry = json.loads(line)
                if not event or entry.get("event") == event:
                    found.append(entry)
        return found

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@dataclass
class Site:
    """Two facades and two operators, and an administrator."""

    fleet: Fleet
    facades: list[Replica]
    operators: list[Replica]
    token: str = field(repr=False)

    @property
    def replicas(self) -> list[Replica]:
        return [*self.facades, *self.operators]

    def wait_ready(self) -> None:
        for each in self.replicas:
            each.wait_ready()


def wait_for(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    """Wait until something holds, or fail saying what did not happen."""
    assert wait_until(condition, seconds=PATIENCE), f"not in {PATIENCE:g} s: {what()}"


@contextmanager
def site_at(
    kubeconfig: Path, folder: Path, *, facades: int = 2, operators: int = 2, **settings: object
) -> Iterator[Site]:
    """Run an installation for the length of the block; the settings of all processes by name.

    The processes start, and are not waited for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with fresh_fleet(kubeconfig) as fleet:
        accounts: dict[Part, Path] = {
            part: service_account_kubeconfig(
                kubeconfig,
                folder / f"{part}.kubeconfig",
                namespace=fleet.namespace,
                name=f"polyfleet-{name}",
            )
            for part, name in (("api", "facade"), ("operator", "operator"))
        }
        chosen = {
            "namespace": fleet.namespace,
            "artifacts_directory": folder / "artifacts",
            "reports__patience": 60,
            **settings,
        }
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("POLYFLEET_")}
        environment = inherited | {f"POLYFLEET_{k.upper()}": str(v) for k, v in chosen.items()}

        def replicas(part: Part, name: str, number: int) -> list[Replica]:
            own = environment | {"KUBECONFIG": str(accounts[part])}
            return [Replica(part, f"{name}-{n}", folder, own) for n in range(number)]

        site = Site(
            fleet,
            replicas("api", "facade", facades),
            replicas("operator", "operator", operators),
            administrator(kubeconfig, fleet.namespace),
        )
        try:
            for each in site.replicas:
                each.start()
            yield site
        finally:
            for each in site.replicas:
                each.signal(signal.SIGCONT)
                each.stop()


def administrator(kubeconfig: Path, namespace: str) -> str:
    """Make the first administrator of the namespace; return an access token."""
    command = [sys.executable, "-m", "polyfleet.cli.main", "admin", "bootstrap"]
    done = subprocess.run(
        [*command, "--output", "json", "--namespace", namespace],
        env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    token: str = json.loads(done.stdout)["token"]
    return token
