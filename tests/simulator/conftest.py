"""A facade and an operator at work, for a fleet that is none."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from polyfleet.simulator.keys import KeyPool
from tests.operator.conftest import Start
from tests.operator.conftest import start_operator as start_operator  # noqa: PLC0414 - a fixture
from tests.stage import Stage, play

DEVICES = 200


@pytest.fixture(scope="session")
def keys() -> KeyPool:
    """Provide the devices' keys."""
    return KeyPool(DEVICES)


@pytest.fixture(scope="session")
def stage(
    admin_kubeconfig: Path, start_operator: Start, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Provide a facade and an operator for all simulations."""
    directory = tmp_path_factory.mktemp("simulator")
    with play(admin_kubeconfig, start_operator, directory) as found:
        yield found
