"""Brings up a whole fleet on this machine; what runs already is kept."""

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from polyfleet.local import install
from polyfleet.local.cluster import Cluster, ClusterKind, choose, kind_works, open_cluster
from polyfleet.local.environment import needed_environment
from polyfleet.local.environment_file import read_environment, write_environment
from polyfleet.local.errors import LocalError
from polyfleet.local.kubeconfig import derive_kubeconfig
from polyfleet.local.probe import refuses_token
from polyfleet.local.progress import StepProgress
from polyfleet.local.services import HOST, Service, ServiceRunner
from polyfleet.local.state import State

NAMESPACE = "polyfleet"
OPERATOR = "operator"
FACADE = "facade"

# Nobody renews it while the processes run; it is of use on this machine only.
_TOKEN_LIFETIME = dt.timedelta(days=365)
_FACADE_PORT, _OPERATOR_PORT = 8080, 8090
_COMMAND_SECONDS = 120
_WHOAMI = "/polyfleet/v1/whoami"
_CREDENTIALS = {
    "POLYFLEET_ADMIN_USER": "user",
    "POLYFLEET_ADMIN_PASSWORD": "password",
    "POLYFLEET_ADMIN_TOKEN": "token",
}
_MODULES = {OPERATOR: "polyfleet.operator", FACADE: "polyfleet.api"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What `up` runs and where it keeps it; the defaults are those of `make up`."""

    directory: Path = install.ROOT / ".polyfleet"
    sample: Path = install.ROOT / "examples" / "fleet"
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def environment_file(self) -> Path:
        """The file to load into a shell."""
        return self.directory / "env"

    def state(self) -> State:
        """Read which processes were started."""
        return State.load(self.directory / "state.json")


@dataclass(frozen=True, slots=True)
class Running:
    """What `up` brought up, or found."""

    url: str
    environment_file: Path
    kept: list[str]
    without_node: str | None
    """Why no pod can run, None where pods do."""


def up(plan: Plan, *, restart: bool = False) -> Running:
    """Bring up control plane, definitions, rights, administrator, operator, facade and sample.

    A second call keeps what runs and starts what died; `restart` starts operator and facade anew.
    Raises LocalError with what to read.
    """
    plan.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = plan.state()
    with StepProgress("Control plane"):
        cluster = _cluster(plan, state)
        administrator = cluster.start()
    with StepProgress("Definitions, accounts and rights"):
        installed = install.install(
            administrator,
            namespace=NAMESPACE,
            directory=plan.directory,
            token_lifetime=_TOKEN_LIFETIME,
        )
        kubeconfig = derive_kubeconfig(
            administrator, plan.directory / "kubeconfig", namespace=NAMESPACE
        )
    # Marks in the state file belong to this incarnation of the namespace and no other.
    tenant = install.namespace_uid(administrator, NAMESPACE)
    credentials = _bootstrap(plan, state, tenant, kubeconfig)
    runner = ServiceRunner(state, plan.directory)
    kept = [
        service.name
        for service in _services(plan, administrator, installed)
        if _ensure(runner, service, restart=restart)
    ]
    if refuses_token(HOST, runner.port(FACADE), _WHOAMI, credentials["POLYFLEET_ADMIN_TOKEN"]):
        # Its user was deleted, say; another one may be known under the same name by now.
        credentials = _new_credentials(plan, state, tenant, kubeconfig)
    variables = {"POLYFLEET_URL": runner.url(FACADE), **credentials, "KUBECONFIG": str(kubeconfig)}
    write_environment(plan.environment_file, variables)
    _apply_sample(plan, state, tenant, kubeconfig)
    return Running(runner.url(FACADE), plan.environment_file, kept, cluster.without_node)


def _cluster(plan: Plan, state: State) -> Cluster:
    # What was chosen once stays, whatever the environment says later: `down` must find it.
    kind = state.values.get("cluster") or choose(plan.environment, kind_is_usable=kind_works)
    state.values["cluster"] = kind
    state.save()
    return open_cluster(ClusterKind(kind), plan.environment, plan.directory / "cluster")


def _services(plan: Plan, administrator: Path, installed: install.Installation) -> list[Service]:
    common = {
        "POLYFLEET_NAMESPACE": NAMESPACE,
        "POLYFLEET_LOG_FORMAT": "console",
        "POLYFLEET_ARTIFACTS_DIRECTORY": str(plan.directory / "artifacts"),
        # Whoever reaches this machine's loopback interface may try it out.
        "POLYFLEET_DEIS__REGISTRATION": "enabled",
        "POLYFLEET_ARTIFACTS__PUBLIC": "true",
        # Not read by them: another address of the API server must mean another start.
        "POLYFLEET_LOCAL_SERVER": install.server(administrator),
    }
    ports = {OPERATOR: _OPERATOR_PORT, FACADE: _FACADE_PORT}
    files = {OPERATOR: installed.operator_kubeconfig, FACADE: installed.facade_kubeconfig}
    prefixes = {OPERATOR: "POLYFLEET_OPERATOR_", FACADE: "POLYFLEET_"}
    return [
        Service(
            name,
            module,
            ports[name],
            {**common, "KUBECONFIG": str(files[name])},
            address_prefix=prefixes[name],
        )
        for name, module in _MODULES.items()
    ]


def _ensure(runner: ServiceRunner, service: Service, *, restart: bool) -> bool:
    with StepProgress(service.name.capitalize()):
        return runner.ensure(service, restart=restart)


def _bootstrap(plan: Plan, state: State, tenant: str, kubeconfig: Path) -> dict[str, str]:
    known = read_environment(plan.environment_file)
    if state.values.get("administrator") == tenant and _CREDENTIALS.keys() <= known.keys():
        return {name: known[name] for name in _CREDENTIALS}
    return _new_credentials(plan, state, tenant, kubeconfig)


def _new_credentials(plan: Plan, state: State, tenant: str, kubeconfig: Path) -> dict[str, str]:
    with StepProgress("First administrator"):
        answer = _administrator(state, kubeconfig)
    credentials = {name: str(answer[key]) for name, key in _CREDENTIALS.items()}
    # They are told only once; kept before anything else can fail.
    write_environment(plan.environment_file, credentials)
    state.values["administrator"] = tenant
    state.save()
    return credentials


def _administrator(state: State, kubeconfig: Path) -> dict[str, str]:
    command = [sys.executable, "-m", "polyfleet.cli.main", "admin", "bootstrap", "--output", "json"]
    answer: dict[str, str] = json.loads(_command(command, kubeconfig))
    if "password" in answer:
        return answer
    if state.values["cluster"] == ClusterKind.EXISTING:
        raise LocalError(
            f"this cluster has an administrator, {answer['user']}, whose password is not known "
            "here; `polyfleet admin bootstrap --reset` makes a new one"
        )
    # Made by an earlier run that was interrupted before it wrote down what it was told.
    reset: dict[str, str] = json.loads(_command([*command, "--reset"], kubeconfig))
    return reset


def _apply_sample(plan: Plan, state: State, tenant: str, kubeconfig: Path) -> None:
    # Once only: another time would undo what people have changed since.
    if state.values.get("sample") == tenant or not any(plan.sample.rglob("*.yaml")):
        return
    with StepProgress("Sample fleet"):
        kubectl = str(Path(sys.executable).with_name("kubectl"))
        _command([kubectl, "apply", "--filename", str(plan.sample), "--recursive"], kubeconfig)
    state.values["sample"] = tenant
    state.save()


def _command(command: list[str], kubeconfig: Path) -> str:
    environment = {
        **needed_environment(os.environ),
        "KUBECONFIG": str(kubeconfig),
        "POLYFLEET_NAMESPACE": NAMESPACE,
    }
    done = subprocess.run(  # noqa: S603 - our own programs, no shell
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=_COMMAND_SECONDS,
        env=environment,
    )
    if done.returncode:
        raise LocalError(f"{' '.join(command[1:5])} failed:\n{done.stderr.strip()}")
    return done.stdout
