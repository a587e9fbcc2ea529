"""The chart, rendered by a real Helm, and the API server that judges what comes out."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from polyfleet.local.definitions import fetch, published
from polyfleet.local.install import install_definitions

CHART = Path(__file__).resolve().parents[2] / "charts" / "polyfleet"
SECONDS = 120

Values = Mapping[str, Any]
Manifest = dict[str, Any]


class HelmError(AssertionError):
    """Helm refused; the text is what it printed."""


@dataclass(frozen=True)
class Helm:
    """Helm in one namespace of the tests' cluster."""

    program: Path
    kubeconfig: Path
    namespace: str
    home: Path

    def __call__(self, *arguments: str, values: Values | None = None) -> str:
        """Run it; `values` go into a file. Return what it printed; raise HelmError."""
        given = ["--values=-"] if values is not None else []
        done = subprocess.run(
            [self.program, *arguments, *given, f"--namespace={self.namespace}"],
            input=json.dumps(values) if values is not None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
            env={
                "PATH": os.environ["PATH"],
                "KUBECONFIG": str(self.kubeconfig),
                **{f"HELM_{name}_HOME": str(self.home) for name in ("CACHE", "CONFIG", "DATA")},
            },
        )
        if done.returncode:
            raise HelmError(done.stderr)
        return done.stdout

    def rendered(self, values: Values | None = None, *more: str) -> list[Manifest]:
        """Return the objects that the chart makes of the values."""
        text = self("template", "polyfleet", str(CHART), *more, values=values or {})
        return [found for found in yaml.load_all(text, Loader=yaml.CSafeLoader) if found]


@pytest.fixture(scope="session")
def helm_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("helm")


@pytest.fixture
def helm(helm_program: Path, admin_kubeconfig: Path, namespace: str, helm_home: Path) -> Helm:
    """Provide Helm in the test's namespace."""
    return Helm(helm_program, admin_kubeconfig, namespace, helm_home)


@pytest.fixture(scope="session")
def foreign_definitions(admin_kubeconfig: Path) -> None:
    """Install the real definitions of Gateway API, cert-manager and the Prometheus operator."""
    for item in published():
        for kind in ("httproutes", "certificates", "servicemonitors", "prometheusrules"):
            install_definitions(admin_kubeconfig, fetch(item), f"*[._]{kind}.yaml")
