"""One facade for all tests of this folder; each test makes its own applications and devices."""

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
from tests.dialects.drogue.registry import Person, Registry
from tests.facade_fixtures import FacadeServer, running_facade

KUBECTL = Path(sys.executable).with_name("kubectl")


@pytest.fixture(scope="session")
def drogue_namespace(admin_kubeconfig: Path) -> Iterator[str]:
    """Provide the namespace of the shared facade."""
    name = f"test-drogue-{secrets.token_hex(5)}"
    with connect(admin_kubeconfig) as connection:
        api = client.CoreV1Api(connection)
        api.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
        yield name
        api.delete_namespace(name)


@pytest.fixture(scope="session")
def drogue_settings(
    admin_kubeconfig: Path, drogue_namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """Provide settings of facades in that namespace, under the chart's Role."""
    directory = tmp_path_factory.mktemp("drogue")
    kubeconfig = service_account_kubeconfig(
        admin_kubeconfig,
        directory / "facade.kubeconfig",
        namespace=drogue_namespace,
        name="polyfleet-facade",
    )
    return Settings(
        namespace=drogue_namespace,
        kubeconfig=kubeconfig,
        port=0,
        artifacts={"directory": directory / "artifacts"},
        shutdown_timeout=5,
    )


@pytest.fixture(scope="session")
def server(drogue_settings: Settings) -> Iterator[FacadeServer]:
    """Provide the shared facade."""
    with running_facade(drogue_settings) as running:
        yield running


@pytest.fixture(scope="session")
def person(server: FacadeServer) -> Iterator[Callable[..., Person]]:
    """Provide a maker of people who call by Basic with an access token, as `drg` does."""
    clients: list[httpx.Client] = []

    def make(name: str = "ada", **spec: object) -> Person:
        unique = f"{name}-{secrets.token_hex(4)}"
        token = server.user_token(unique, **spec)
        made = Person(unique, token, server.client(auth=(unique, token)))
        clients.append(made.client)
        return made

    yield make
    for item in clients:
        item.close()


@pytest.fixture(scope="session")
def ada(person: Callable[..., Person]) -> Person:
    """Provide the owner of most applications of these tests."""
    return person("ada")


@pytest.fixture(scope="session")
def stranger(person: Callable[..., Person]) -> Person:
    """Provide a person without any role."""
    return person("stranger")


@pytest.fixture(scope="session")
def anonymous(server: FacadeServer) -> Iterator[httpx.Client]:
    """Provide a caller without credentials."""
    with server.client() as caller:
        yield caller


@pytest.fixture(scope="session")
def registry(server: FacadeServer, ada: Person) -> Registry:
    """Provide a maker of applications and devices that belong to Ada."""
    return Registry(server, ada)


@pytest.fixture
def app(registry: Registry) -> str:
    """Provide a new application of Ada."""
    return registry.app()


@pytest.fixture
def drogue_kubectl(
    admin_kubeconfig: Path, drogue_namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., str]:
    """Provide kubectl as the administrator in the shared facade's namespace."""
    cache = tmp_path_factory.getbasetemp() / "kubectl-cache"
    options = ["--kubeconfig", str(admin_kubeconfig), "--namespace", drogue_namespace]

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
