"""What the folders of the dialects share: the start of a facade for a whole folder, and callers.

A folder's conftest.py has one session-wide `server` of its own, made with `start_shared_facade`.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from kubernetes import client

from polyfleet.api.settings import Settings
from polyfleet.local.install import connect, service_account_kubeconfig
from tests.conftest import kubectl_in
from tests.facade_fixtures import FacadeServer, running_facade

StartSharedFacade = Callable[..., AbstractContextManager[FacadeServer]]


@pytest.fixture(scope="session")
def start_shared_facade(
    admin_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> StartSharedFacade:
    """Provide a starter of facades, each under the chart's Role in a namespace of its own.

    Its arguments are settings; `server.settings` serve for a further replica.
    """

    @contextmanager
    def start(**changes: Any) -> Iterator[FacadeServer]:
        namespace = f"test-{secrets.token_hex(5)}"
        directory = tmp_path_factory.mktemp("shared-facade")
        with connect(admin_kubeconfig) as connection:
            api = client.CoreV1Api(connection)
            api.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=namespace)))
            values: dict[str, Any] = {
                "namespace": namespace,
                "kubeconfig": service_account_kubeconfig(
                    admin_kubeconfig,
                    directory / "facade.kubeconfig",
                    namespace=namespace,
                    name="polyfleet-facade",
                ),
                "port": 0,
                "artifacts": {"directory": directory / "artifacts"},
                "shutdown_timeout": 5,
            }
            with running_facade(Settings(**{**values, **changes})) as server:
                yield server
            api.delete_namespace(namespace)

    return start


@pytest.fixture
def shared_kubectl(
    server: FacadeServer, admin_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., str]:
    """Provide kubectl as the administrator in the namespace of the folder's facade."""
    cache = tmp_path_factory.getbasetemp() / "kubectl-cache"
    return kubectl_in(server.settings.namespace, admin_kubeconfig, cache)


def scoped_client(
    server: FacadeServer, name: str, scopes: list[str], *, prefix: str = "Bearer "
) -> httpx.Client:
    """Return a client for a new user with those scopes; `prefix` goes before its token."""
    token = server.user_token(f"{name}-{secrets.token_hex(4)}", scopes=scopes)
    return server.client(headers={"Authorization": f"{prefix}{token}"})
