"""kopf in its thread, beside the main loop."""

import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.operator.conftest import PATIENCE

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def with_plugin(service_account_kubeconfig: Callable[[str], Path], tmp_path: Path) -> Path:
    """Provide a kubeconfig of the operator whose token a program prints, to be used once."""
    document = yaml.safe_load(service_account_kubeconfig("polyfleet-operator").read_text())
    [user] = document["users"]
    token = user["user"].pop("token")
    status = f'{{"status": {{"token": "{token}", "expirationTimestamp": "2020-01-01T00:00:00Z"}}}}'
    program = tmp_path / "plugin"
    program.write_text(f"#!/bin/sh\necho '{status}'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    user["user"]["exec"] = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(program),
    }
    file = tmp_path / "with-plugin"
    file.write_text(yaml.safe_dump(document))
    return file


def test_both_loops_may_want_a_credential_plugins_token_at_once(
    with_plugin: Path, kubectl: Callable[..., str], namespace: str
) -> None:
    user = '{"apiVersion":"polyfleet.dev/v1alpha1","kind":"User","metadata":{"name":"ann"},'
    kubectl("create", "-f", "-", stdin=user + '"spec":{"name":"ann"}}')

    command = [sys.executable, "-m", "tests.operator.beside_kopf", str(with_plugin), namespace]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )

    assert (ended.returncode, ended.stdout) == (0, "user ann\n"), ended.stderr
