"""A control plane of this folder's own, which may be cut, and installations on it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polyfleet.local.control_plane import ControlPlane
from polyfleet.local.install import install_definitions


@pytest.fixture(scope="session")
def plane(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Provide a control plane that no other folder's tests use."""
    directory = tmp_path_factory.mktemp("faults")
    options: dict[str, Any] = {"fsync": False, "ends_with_parent": True, "ready_seconds": 120}
    with ControlPlane(directory, programs, **options) as own:
        install_definitions(own.kubeconfig)
        yield own
