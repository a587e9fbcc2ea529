"""A facade for a whole folder of tests, in a namespace of its own.

A folder's conftest.py makes its session-wide `server` of it:

    @pytest.fixture(scope="session")
    def server(start_shared_facade): with start_shared_facade(reports={…}) as running: yield running
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from polyfleet.api.settings import Settings
from polyfleet.local.install import connect, service_account_kubeconfig
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
