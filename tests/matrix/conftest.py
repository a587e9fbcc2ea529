"""One facade and one operator for the whole matrix."""

import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import kubectl_in
from tests.matrix.world import World
from tests.operator.conftest import Start
from tests.operator.conftest import start_operator as start_operator  # noqa: PLC0414 - a fixture
from tests.stage import play


@pytest.fixture(scope="session")
def world(
    admin_kubeconfig: Path, start_operator: Start, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Provide the fleet and all its faces."""
    directory = tmp_path_factory.mktemp("matrix")
    # No node runs what Deis is told to run: nothing to wait for.
    settings = {"reports": {"burst": 100}, "deis": {"patience": 0}}
    with play(admin_kubeconfig, start_operator, directory, **settings) as stage:
        kubectl = kubectl_in(stage.fleet.namespace, admin_kubeconfig, directory / "kubectl-cache")
        with closing(World(stage, kubectl, admin_kubeconfig)) as found:
            yield found


@pytest.fixture
def name() -> str:
    """Provide a name that nothing else has."""
    return f"m{secrets.token_hex(5)}"
