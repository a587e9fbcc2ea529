"""A facade and an operator at work, for a fleet that is none."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from polyfleet.api.settings import Settings
from polyfleet.local.install import service_account_kubeconfig
from polyfleet.simulator.keys import KeyPool
from tests.facade_fixtures import FacadeServer, running_facade
from tests.operator.conftest import Fleet, Start, fresh_fleet
from tests.operator.conftest import start_operator as start_operator  # noqa: PLC0414 - a fixture

DEVICES = 300


@dataclass(frozen=True)
class Stage:
    """Where simulations play: both processes run, and there is an administrator."""

    server: FacadeServer
    fleet: Fleet
    token: str


@pytest.fixture(scope="session")
def keys() -> KeyPool:
    """Provide the devices' keys."""
    return KeyPool(DEVICES)


@pytest.fixture(scope="session")
def stage(
    admin_kubeconfig: Path, start_operator: Start, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Run an operator, and a facade under the chart's Role, in a namespace of their own."""
    directory = tmp_path_factory.mktemp("simulator")
    with (
        fresh_fleet(admin_kubeconfig) as fleet,
        start_operator(fleet.namespace) as operator,
    ):
        settings = Settings(
            namespace=fleet.namespace,
            kubeconfig=service_account_kubeconfig(
                admin_kubeconfig,
                directory / "facade.kubeconfig",
                namespace=fleet.namespace,
                name="polyfleet-facade",
            ),
            port=0,
            artifacts={"directory": directory / "artifacts"},
            reports={"patience": 60},
            shutdown_timeout=5,
        )
        with running_facade(settings) as server:
            operator.wait_for("looked at everything")
            token = server.user_token(f"admin-{secrets.token_hex(4)}", administrator=True)
            yield Stage(server, fleet, token)
