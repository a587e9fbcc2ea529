"""A facade and an operator at work in one namespace, for tests of both together."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polyfleet.api.settings import Settings
from polyfleet.local.install import service_account_kubeconfig
from tests.facade_fixtures import FacadeServer, running_facade
from tests.operator.conftest import Fleet, Start, fresh_fleet


@dataclass(frozen=True)
class Stage:
    """Both processes run, each under the chart's Role; there is an administrator."""

    server: FacadeServer
    fleet: Fleet
    admin: str
    token: str
    """An access token of the administrator."""


@contextmanager
def play(
    admin_kubeconfig: Path, start_operator: Start, directory: Path, **settings: Any
) -> Iterator[Stage]:
    """Run facade and operator in a namespace of their own; the facade's settings by keyword."""
    with (
        fresh_fleet(admin_kubeconfig) as fleet,
        start_operator(fleet.namespace) as operator,
    ):
        values: dict[str, Any] = {
            "namespace": fleet.namespace,
            "kubeconfig": service_account_kubeconfig(
                admin_kubeconfig,
                directory / "facade.kubeconfig",
                namespace=fleet.namespace,
                name="polyfleet-facade",
            ),
            "port": 0,
            "artifacts": {"directory": directory / "artifacts"},
            "reports": {"patience": 60},
            "shutdown_timeout": 5,
        }
        with running_facade(Settings(**{**values, **settings})) as server:
            operator.wait_for("looked at everything")
            admin = f"admin-{secrets.token_hex(4)}"
            token = server.user_token(admin, administrator=True)
            yield Stage(server, fleet, admin, token)
