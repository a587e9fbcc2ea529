"""Operator and facade as background processes of this machine."""

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from polyfleet.local.cache import cache_directory, exclusive
from polyfleet.local.environment import needed_environment
from polyfleet.local.errors import StartError, last_lines
from polyfleet.local.ports import is_free, next_free_port
from polyfleet.local.probe import answers_ok_plain
from polyfleet.local.processes import is_running, spawn, stop, wait_until
from polyfleet.local.state import State

HOST = "127.0.0.1"
_READY_SECONDS = 120
_PORT_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Service:
    """A process of ours: its module, the first port to try, its settings.

    Host and port are given to it as `<address_prefix>HOST` and `<address_prefix>PORT`.
    """

    name: str
    module: str
    first_port: int
    settings: Mapping[str, str]
    address_prefix: str = "POLYFLEET_"


class ServiceRunner:
    """Starts services, keeps those that run as wanted, and remembers all in a state file."""

    def __init__(
        self, state: State, directory: Path, *, ready_seconds: float = _READY_SECONDS
    ) -> None:
        self._state = state
        self._directory = directory
        self._ready_seconds = ready_seconds

    def ensure(self, service: Service, *, restart: bool = False) -> bool:
        """Have the service running and ready; return whether it ran already, as wanted.

        One that died, or runs with other settings, is started anew. Raises StartError with the
        last lines of its log when it ends early or its /readyz does not answer 200 in time.
        """
        wanted = _digest(service)
        record = self._state.processes.get(service.name)
        if record and is_running(record):
            if self._state.values.get(f"{service.name}-settings") == wanted and not restart:
                self._wait_ready(service.name)
                return True
            stop(record)
        # Until it answers, somebody else who starts one would find its port free as well.
        with exclusive(cache_directory(os.environ) / "ports.lock"):
            self._state.values[f"{service.name}-settings"] = wanted
            self._start(service, self._port(service))
            self._wait_ready(service.name)
        return False

    def stop(self, name: str) -> None:
        """Stop a service if it is this very process that still runs."""
        if record := self._state.processes.pop(name, None):
            stop(record)
            self._state.save()

    def url(self, name: str) -> str:
        """Return where a service that was started answers."""
        return f"http://{HOST}:{self.port(name)}"

    def port(self, name: str) -> int:
        """Return the port of a service that was started."""
        return int(self._state.values[name])

    def log(self, name: str) -> Path:
        """Return the path of a service's log."""
        return self._directory / f"{name}.log"

    def _start(self, service: Service, port: int) -> None:
        prefix = service.address_prefix
        address = {f"{prefix}HOST": HOST, f"{prefix}PORT": str(port)}
        self._state.processes[service.name] = spawn(
            [sys.executable, "-m", service.module],
            log=self.log(service.name),
            directory=self._directory,
            environment={**needed_environment(os.environ), **address, **service.settings},
        )
        self._state.save()

    def _port(self, service: Service) -> int:
        known = self._state.values.get(service.name)
        # The address is in people's shells: wait a little for what died to let go of it.
        if known and wait_until(lambda: is_free(int(known)), seconds=_PORT_SECONDS):
            return int(known)
        port = next_free_port(service.first_port)
        self._state.values[service.name] = str(port)
        return port

    def _wait_ready(self, name: str) -> None:
        record, port = self._state.processes[name], self.port(name)

        def settled() -> bool:
            return not is_running(record) or answers_ok_plain(HOST, port, "/readyz")

        in_time = wait_until(settled, seconds=self._ready_seconds)
        if in_time and is_running(record):
            return
        problem = f"is not ready after {self._ready_seconds:g} s" if not in_time else "ended"
        raise StartError(f"{name} {problem}; its log:\n{last_lines(self.log(name))}")


def _digest(service: Service) -> str:
    content = json.dumps([service.module, sorted(service.settings.items())])
    return hashlib.sha256(content.encode()).hexdigest()
