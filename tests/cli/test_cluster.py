"""Which API server the commands speak to, and what they say of one that is not there."""

import json
from pathlib import Path

import pytest

from polyfleet.local.ports import free_port
from tests.cli.conftest import RunCommand


def test_without_kubeconfig_it_is_the_one_that_kubectl_takes(
    polyfleet: RunCommand, admin_kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    done = polyfleet("enroll", "list")
    assert done.exit_code == 1
    assert "KUBECONFIG is not set" in done.stderr

    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").symlink_to(admin_kubeconfig)
    assert polyfleet("enroll", "list").exit_code == 0


def test_an_api_server_that_is_not_there_did_not_refuse(
    polyfleet: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config"
    file.write_text(
        json.dumps(
            {
                "current-context": "x",
                "contexts": [{"name": "x", "context": {"cluster": "x"}}],
                "clusters": [
                    {"name": "x", "cluster": {"server": f"http://127.0.0.1:{free_port()}"}}
                ],
            }
        )
    )
    monkeypatch.setenv("KUBECONFIG", str(file))
    done = polyfleet("rollout", "status", "kettles")
    assert done.exit_code == 1
    assert "the API server does not answer" in done.stderr
