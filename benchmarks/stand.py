"""What is measured: a control plane, a facade and an operator of its own, in one folder."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import IO, cast

from benchmarks.load import Outcome, Plan, write_requests
from benchmarks.processes import Usage, Watched
from polyfleet.kube.configuration import load_connection
from polyfleet.local import install
from polyfleet.local.cluster import program_folder
from polyfleet.local.control_plane import API_SERVER, ETCD, ControlPlane
from polyfleet.local.errors import LocalError, last_lines
from polyfleet.local.lifetime import Startable
from polyfleet.local.ports import free_port
from polyfleet.local.probe import answers_ok_plain
from polyfleet.local.processes import ProcessRecord, is_running, spawn, stop, wait_until
from polyfleet.local.progress import StepProgress

NAMESPACE = "polyfleet"
FACADE, OPERATOR = "facade", "operator"
SECOND_FACADE, SECOND_OPERATOR = "second facade", "second operator"
HOST = "127.0.0.1"
CONNECTIONS = 32

_ROOT = Path(__file__).resolve().parents[1]
_MODULES = {
    FACADE: "polyfleet.api",
    SECOND_FACADE: "polyfleet.api",
    OPERATOR: "polyfleet.operator",
    SECOND_OPERATOR: "polyfleet.operator",
}
_READY_SECONDS = 600
_POLL_SECONDS = 0.01


class UnexpectedAnswersError(Exception):
    """What was measured is not what was meant to be measured."""


class Stand(Startable):
    """Everything runs on this machine and ends with the block."""

    def __init__(self, directory: Path) -> None:
        self.watched = Watched()
        self._directory = directory
        self.administrator: Path
        self.api_server_url: str
        self.management_token: str
        self.api_token: str
        """Of the facade's own service account."""
        self._services: dict[str, ProcessRecord] = {}
        self._ports: dict[str, int] = {}
        self._stack = ExitStack()

    def start(self) -> None:
        """Start the control plane, install definitions and rights, make an administrator."""
        with StepProgress("Control plane"):
            plane = self._start_plane(self.cluster_directory)
        self._stack.callback(self._stop_services)
        self.administrator = plane.kubeconfig
        self.api_server_url = plane.url
        for name in (API_SERVER, ETCD):
            self.watched.watch(name, plane.processes[name].pid)
        with StepProgress("Definitions, rights and administrator"):
            self._installed = install.install(
                self.administrator,
                namespace=NAMESPACE,
                directory=self._directory,
                token_lifetime=timedelta(days=1),
            )
            self.management_token = self._bootstrap()
            self.api_token = _token(self._installed.facade_kubeconfig)

    def stop(self) -> None:
        """Stop everything."""
        self._stack.close()

    @property
    def cluster_directory(self) -> Path:
        """Where the control plane keeps its files."""
        return self._directory / "cluster"

    @property
    def facade_port(self) -> int:
        """Where the facade answers, on HOST."""
        return self._ports[FACADE]

    @property
    def facade_url(self) -> str:
        """Where the facade answers."""
        return self.url(FACADE)

    def url(self, name: str) -> str:
        """Return where a facade answers."""
        return f"http://{HOST}:{self._ports[name]}"

    def start_service(self, name: str) -> float:
        """Start facade or operator anew; return after how many seconds it was ready."""
        self.stop_service(name)
        port = self._ports.setdefault(name, free_port())
        started = time.monotonic()
        record = spawn(
            [sys.executable, "-m", _MODULES[name]],
            log=self._log(name),
            directory=self._directory,
            environment=self._environment(name, port),
            ends_with_parent=True,
        )
        self._services[name] = record
        self._wait_ready(name, record, port)
        self.watched.watch(name, record.pid)
        return time.monotonic() - started

    def stop_service(self, name: str) -> None:
        """Stop facade or operator if it runs."""
        if record := self._services.pop(name, None):
            stop(record)

    def kill_service(self, name: str) -> None:
        """End facade or operator without a warning."""
        record = self._services.pop(name)
        os.kill(record.pid, signal.SIGKILL)
        if not wait_until(lambda: not is_running(record), seconds=_READY_SECONDS):
            raise LocalError(f"{name} does not end")

    def load_facade(
        self,
        title: str,
        requests: Iterable[bytes],
        *,
        expect: Collection[str],
        repeat_seconds: float | None = None,
    ) -> tuple[Outcome, Usage]:
        """Send prepared requests to the facade; each once, or again and again for a time.

        Raises UnexpectedAnswersError for answers with another status than expected.
        """
        plan = Plan(
            url=self.facade_url,
            requests=self._requests(requests),
            connections=CONNECTIONS,
            repeat=repeat_seconds is not None,
            seconds=repeat_seconds or _READY_SECONDS,
        )
        return self._load(title, plan, expect)

    def load_api_server(
        self,
        title: str,
        requests: Iterable[bytes],
        *,
        expect: Collection[str],
        repeat_seconds: float | None = None,
    ) -> tuple[Outcome, Usage]:
        """Send prepared requests to kube-apiserver; see `load_facade`."""
        plan = Plan(
            url=self.api_server_url,
            requests=self._requests(requests),
            connections=CONNECTIONS,
            repeat=repeat_seconds is not None,
            seconds=repeat_seconds or _READY_SECONDS,
            kubeconfig=str(self.administrator),
        )
        return self._load(title, plan, expect)

    def _start_plane(self, directory: Path) -> ControlPlane:
        plane = ControlPlane(directory, program_folder(os.environ), ends_with_parent=True)
        return self._stack.enter_context(plane)

    def _bootstrap(self) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "polyfleet.cli.main", "admin", "bootstrap", "--output", "json",
             "--namespace", NAMESPACE],
            check=False, capture_output=True, text=True, cwd=_ROOT,
            env={**os.environ, "KUBECONFIG": str(self.administrator)},
        )  # fmt: skip
        if done.returncode:
            raise LocalError(f"no administrator was made:\n{done.stderr}")
        token: str = json.loads(done.stdout)["token"]
        return token

    def _environment(self, name: str, port: int) -> Mapping[str, str]:
        kubeconfig = (
            self._installed.operator_kubeconfig
            if name in {OPERATOR, SECOND_OPERATOR}
            else self._installed.facade_kubeconfig
        )
        inherited = {
            key: value for key, value in os.environ.items() if not key.startswith("POLYFLEET_")
        }
        return inherited | {
            "KUBECONFIG": str(kubeconfig),
            "POLYFLEET_NAMESPACE": NAMESPACE,
            "POLYFLEET_HOST": HOST,
            "POLYFLEET_PORT": str(port),
            "POLYFLEET_OPERATOR_PORT": str(port),
            "POLYFLEET_LOG_LEVEL": "warning",
            "POLYFLEET_ARTIFACTS_DIRECTORY": str(self._directory / "artifacts"),
            # All devices that enroll in a measurement come from one address.
            "POLYFLEET_ENROLLMENT__MAXIMUM": "1000000",
            "POLYFLEET_ENROLLMENT__MAXIMUM_PER_SOURCE": "1000000",
            # One administrator sends all the management calls.
            "POLYFLEET_IDENTITY__LIMITS__CALLS_BURST": "1000000000",
        }

    def _wait_ready(self, name: str, record: ProcessRecord, port: int) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not (_listens(port) and answers_ok_plain(HOST, port, "/readyz")):
            if not is_running(record) or time.monotonic() > deadline:
                raise LocalError(f"{name} is not ready:\n{last_lines(self._log(name))}")
            time.sleep(_POLL_SECONDS)

    def _log(self, name: str) -> Path:
        return self._directory / f"{name}.log"

    def _stop_services(self) -> None:
        for name in tuple(self._services):
            self.stop_service(name)

    def _requests(self, requests: Iterable[bytes]) -> str:
        file = self._directory / "requests"
        write_requests(file, iter(requests))
        return str(file)

    def _load(self, title: str, plan: Plan, expect: Collection[str]) -> tuple[Outcome, Usage]:
        file = self._directory / "plan.json"
        file.write_text(json.dumps(asdict(plan)))
        outcome: Outcome | None = None
        with (
            StepProgress(title) as progress,
            self.watched.measured() as usage,
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.load", str(file)],
                stdout=subprocess.PIPE, text=True, cwd=_ROOT,
            ) as generator,
        ):  # fmt: skip
            for line in cast("IO[str]", generator.stdout):
                told = json.loads(line)
                if "outcome" in told:
                    outcome = Outcome(**told["outcome"])
                else:
                    progress.advance(told["done"])
        if outcome is None:
            raise UnexpectedAnswersError(f"{title}: the load generator failed")
        if outcome.errors or set(outcome.statuses).difference(expect):
            raise UnexpectedAnswersError(f"{title}: {outcome.statuses}, {outcome.errors} lost")
        return outcome, usage


def _token(kubeconfig: Path) -> str:
    source = load_connection(kubeconfig).token
    if source is None:
        raise LocalError(f"{kubeconfig} holds no token")
    return asyncio.run(source.token())


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
