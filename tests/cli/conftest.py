"""The command line, run in this process as a person would run it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from polyfleet.cli.main import application

RunCommand = Callable[..., Result]


@pytest.fixture
def polyfleet(
    admin_kubeconfig: Path, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> RunCommand:
    """Provide `polyfleet …` with the administrator's kubeconfig, in the test's namespace."""
    monkeypatch.setenv("KUBECONFIG", str(admin_kubeconfig))
    monkeypatch.setenv("POLYFLEET_NAMESPACE", namespace)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(application, arguments, input=stdin)

    return run
