"""Which processes an application runs, by which command, within which limits."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from polyfleet.fleet.objects.application import Application, Process
from polyfleet.fleet.objects.build import Build
from polyfleet.fleet.objects.release import ReleaseConfiguration
from polyfleet.fleet.releases import Values, environment

WEB = "web"
CMD = "cmd"
RUN = "run"
"""What the Pods of one-off commands bear in place of a process type."""
PORT = "PORT"
DEFAULT_PORT = 5000
HTTP = "http"
"""The name of the port that web processes listen on."""

_SHARES_OF_A_CPU = 1024
_MILLICORES_OF_A_CPU = 1000
_LARGEST_PORT = 65_535
_MEMORY = re.compile(r"([0-9]+)([BbKkMmGg])[Bbi]?")
_UNITS = {"b": "", "k": "Ki", "m": "Mi", "g": "Gi"}


@dataclass(frozen=True)
class ReleaseValues:
    """What the operator knows of the values of a configuration: their names, and a few of them.

    `chosen` are the values that shape the Deployment: the port and the health check.
    """

    names: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    chosen: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str | None:
        """Return a chosen value."""
        return dict(self.chosen).get(name)


def release_values(values: Values) -> ReleaseValues:
    """Return what the operator needs to know of the values of a configuration."""
    variables, refused = environment(values)
    chosen = {
        name: text
        for name, text in variables.items()
        if name == PORT or name.startswith("HEALTHCHECK_")
    }
    return ReleaseValues(tuple(sorted(variables)), refused, tuple(sorted(chosen.items())))


def wanted_processes(application: Application, build: Build) -> tuple[Process, ...]:
    """Return the processes to run of a build; types that its procfile lost are left out.

    Without any, one web if the procfile has it, else one cmd (facts/deis.md 1.6).
    """
    workload = application.spec.workload
    procfile = build.spec.procfile
    if workload is None or workload.processes is None:
        return (Process(type=WEB if WEB in procfile else CMD, replicas=1),)
    return tuple(
        process
        for process in workload.processes
        if not procfile or process.type in procfile or process.type == CMD
    )


def routable(types: Iterable[str]) -> str | None:
    """Return the process type that is reached from outside: web, else cmd."""
    known = set(types)
    return next((type_ for type_ in (WEB, CMD) if type_ in known), None)


def command(build: Build, process_type: str) -> list[str] | None:
    """Return how the process is started; None: as the image says."""
    line = build.spec.procfile.get(process_type)
    return None if line is None else by_shell(line)


def by_shell(line: str) -> list[str]:
    """Return the command by which Kubernetes has a shell run the line, every sign of it.

    It would put variables in place of $(NAME), and make one $ of two.
    """
    return ["/bin/sh", "-c", line.replace("$", "$$")]


def resources(config: ReleaseConfiguration, process_type: str) -> dict[str, Any]:
    """Return the limits of a process: memory is a limit, CPU shares are a request.

    Shares are a weight, not a cap: 1024 of them are one CPU, as the kernel counts, so n shares
    are n * 1000 / 1024 millicores, rounded up.
    """
    found: dict[str, Any] = {}
    memory = quantity(config.memory.get(process_type, ""))
    if memory is not None:
        found["limits"] = {"memory": memory}
    shares = config.cpu.get(process_type, 0)
    if shares:
        millicores = math.ceil(shares * _MILLICORES_OF_A_CPU / _SHARES_OF_A_CPU)
        found["requests"] = {"cpu": f"{millicores}m"}
    return found


def quantity(memory: str) -> str | None:
    """Return a memory limit as Kubernetes writes it, 512M as 512Mi; None if there is none."""
    found = _MEMORY.fullmatch(memory)
    if found is None or not int(found[1]):
        return None
    return f"{int(found[1])}{_UNITS[found[2].lower()]}"


def port(values: ReleaseValues) -> int:
    """Return the port that web processes are told to listen on."""
    return _number(values.get(PORT), DEFAULT_PORT, least=1, most=_LARGEST_PORT)


def probes(values: ReleaseValues, process_type: str, routed: str | None) -> dict[str, Any]:
    """Return the probes of a process: the legacy HEALTHCHECK_ variables, else a TCP connection.

    Only what is reached from outside has any; HEALTHCHECK_URL is the path of a GET.
    """
    if process_type != routed:
        return {}
    url = values.get("HEALTHCHECK_URL")
    if url is None:
        # A cmd may be no server at all.
        if process_type != WEB:
            return {}
        return {"readinessProbe": {"tcpSocket": {"port": HTTP}, "periodSeconds": 2}}
    healthcheck_port = values.get("HEALTHCHECK_PORT")
    target: int | str = _number(healthcheck_port, 0, least=1, most=_LARGEST_PORT) or HTTP
    probe = {
        "httpGet": {"path": url if url.startswith("/") else f"/{url}", "port": target},
        "initialDelaySeconds": _number(values.get("HEALTHCHECK_INITIAL_DELAY"), 0),
        "timeoutSeconds": _number(values.get("HEALTHCHECK_TIMEOUT"), 5, least=1),
    }
    return {
        "readinessProbe": {**probe, "periodSeconds": 2},
        "livenessProbe": {**probe, "periodSeconds": 10, "failureThreshold": 6},
    }


def _number(text: str | None, default: int, *, least: int = 0, most: int = 3600) -> int:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > len(str(2**31)):
        return default
    number = int(text)
    return number if least <= number <= most else default
