"""One facade for all tests of this folder; each test makes its own devices, packages, groups."""

import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from kubernetes import client

from polyfleet.api.settings import Settings
from polyfleet.local.install import connect, service_account_kubeconfig
from tests.dialects.rdfm.fleet import Fleet
from tests.facade_fixtures import FacadeServer, running_facade

KUBECTL = Path(sys.executable).with_name("kubectl")


@pytest.fixture(scope="session")
def rdfm_namespace(admin_kubeconfig: Path) -> Iterator[str]:
    """Provide the namespace of the shared facade."""
    name = f"test-rdfm-{secrets.token_hex(5)}"
    with connect(admin_kubeconfig) as connection:
        api = client.CoreV1Api(connection)
        api.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
        yield name
        api.delete_namespace(name)


@pytest.fixture(scope="session")
def server(
    admin_kubeconfig: Path, rdfm_namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FacadeServer]:
    """Provide the shared facade, under the chart's Role."""
    directory = tmp_path_factory.mktemp("rdfm")
    kubeconfig = service_account_kubeconfig(
        admin_kubeconfig,
        directory / "facade.kubeconfig",
        namespace=rdfm_namespace,
        name="polyfleet-facade",
    )
    settings = Settings(
        namespace=rdfm_namespace,
        kubeconfig=kubeconfig,
        port=0,
        artifacts={"directory": directory / "artifacts"},
        rdfm={"refusal_delay": 0.01},
        reports={"patience": 60},
        shutdown_timeout=5,
    )
    with running_facade(settings) as running:
        yield running


def _caller(server: FacadeServer, name: str, scopes: list[str]) -> httpx.Client:
    token = server.user_token(f"{name}-{secrets.token_hex(4)}", scopes=scopes)
    return server.client(headers={"Authorization": f"Bearer token={token}"})


@pytest.fixture(scope="session")
def manager(server: FacadeServer) -> Iterator[httpx.Client]:
    """Provide a caller with RDFM's read-write scope, in RDFM's own form of the header."""
    with _caller(server, "manager", ["rdfm_admin_rw"]) as caller:
        yield caller


@pytest.fixture(scope="session")
def reader(server: FacadeServer) -> Iterator[httpx.Client]:
    """Provide a caller with RDFM's read-only scope."""
    with _caller(server, "reader", ["rdfm_admin_ro"]) as caller:
        yield caller


@pytest.fixture(scope="session")
def stranger(server: FacadeServer) -> Iterator[httpx.Client]:
    """Provide a known caller without any right."""
    with _caller(server, "stranger", []) as caller:
        yield caller


@pytest.fixture(scope="session")
def anonymous(server: FacadeServer) -> Iterator[httpx.Client]:
    """Provide a caller without credentials."""
    with server.client() as caller:
        yield caller


@pytest.fixture(scope="session")
def fleet(server: FacadeServer, manager: httpx.Client, anonymous: httpx.Client) -> Fleet:
    """Provide a maker of devices, packages and groups on the shared facade."""
    return Fleet(server, manager, anonymous)


@pytest.fixture
def rdfm_kubectl(
    admin_kubeconfig: Path, rdfm_namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., str]:
    """Provide kubectl as the administrator in the shared facade's namespace."""
    cache = tmp_path_factory.getbasetemp() / "kubectl-cache"
    options = ["--kubeconfig", str(admin_kubeconfig), "--namespace", rdfm_namespace]

    def run(*arguments: str, stdin: str | None = None) -> str:
        done = subprocess.run(
            [KUBECTL, *options, "--cache-dir", str(cache), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
