"""One facade for all tests of this folder; each test makes its own devices and groups."""

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
from tests.dialects.inventory.fleet import Fleet
from tests.facade_fixtures import FacadeServer, running_facade

KUBECTL = Path(sys.executable).with_name("kubectl")


@pytest.fixture(scope="session")
def inventory_namespace(admin_kubeconfig: Path) -> Iterator[str]:
    """Provide the namespace of the shared facade."""
    name = f"test-inventory-{secrets.token_hex(5)}"
    with connect(admin_kubeconfig) as connection:
        api = client.CoreV1Api(connection)
        api.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
        yield name
        api.delete_namespace(name)


@pytest.fixture(scope="session")
def inventory_settings(
    admin_kubeconfig: Path, inventory_namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """Provide the settings of the shared facade, under the chart's Role."""
    directory = tmp_path_factory.mktemp("inventory")
    kubeconfig = service_account_kubeconfig(
        admin_kubeconfig,
        directory / "facade.kubeconfig",
        namespace=inventory_namespace,
        name="polyfleet-facade",
    )
    return Settings(
        namespace=inventory_namespace,
        kubeconfig=kubeconfig,
        port=0,
        artifacts={"directory": directory / "artifacts"},
        attribute_labels=("ring",),
        reports={"burst": 3, "interval": 3600},
        shutdown_timeout=5,
    )


@pytest.fixture(scope="session")
def server(inventory_settings: Settings) -> Iterator[FacadeServer]:
    """Provide the shared facade."""
    with running_facade(inventory_settings) as running:
        yield running


def _caller(server: FacadeServer, name: str, scopes: list[str]) -> httpx.Client:
    token = server.user_token(f"{name}-{secrets.token_hex(4)}", scopes=scopes)
    return server.client(token)


@pytest.fixture(scope="session")
def manager(server: FacadeServer) -> Iterator[httpx.Client]:
    """Provide a caller who may read and write."""
    with _caller(server, "manager", ["rdfm_admin_rw"]) as caller:
        yield caller


@pytest.fixture(scope="session")
def reader(server: FacadeServer) -> Iterator[httpx.Client]:
    """Provide a caller who may read."""
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
def fleet(server: FacadeServer, manager: httpx.Client) -> Fleet:
    """Provide a maker of devices and groups on the shared facade."""
    return Fleet(server, manager)


@pytest.fixture
def inventory_kubectl(
    admin_kubeconfig: Path, inventory_namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., str]:
    """Provide kubectl as the administrator in the shared facade's namespace."""
    cache = tmp_path_factory.getbasetemp() / "kubectl-cache"
    options = ["--kubeconfig", str(admin_kubeconfig), "--namespace", inventory_namespace]

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
