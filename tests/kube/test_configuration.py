"""Where the API server is, and with which credentials."""

import asyncio
import base64
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from polyfleet.kube import configuration
from polyfleet.kube.configuration import ConfigurationError, default_namespace, load_connection


def _kubeconfig(folder: Path, *, user: dict[str, Any], **cluster: Any) -> Path:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [
            {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "fleet"}}
        ],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1", **cluster}}],
        "users": [{"name": "u", "user": user}],
    }
    file = folder / "config"
    file.write_text(yaml.safe_dump(document))
    return file


def _plugin(folder: Path, text: str) -> Path:
    program = folder / "plugin"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


async def _token(file: Path) -> str:
    source = load_connection(file).token
    assert source is not None
    return await source.token()


def test_the_namespace_is_the_contexts(tmp_path: Path) -> None:
    assert default_namespace(_kubeconfig(tmp_path, user={})) == "fleet"


def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(_kubeconfig(tmp_path, user={})))

    assert load_connection().host == "http://127.0.0.1:1"


def test_without_any_configuration_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    with pytest.raises(ConfigurationError, match="this is no pod"):
        load_connection()


def test_a_pod_uses_its_service_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, admin_kubeconfig: Path
) -> None:
    cluster = yaml.safe_load(admin_kubeconfig.read_text())["clusters"][0]["cluster"]
    authority = base64.b64decode(cluster["certificate-authority-data"])
    (tmp_path / "ca.crt").write_bytes(authority)
    (tmp_path / "namespace").write_text("fleet\n")
    (tmp_path / "token").write_text("secret\n")
    monkeypatch.setattr(configuration, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")

    connection = load_connection()

    assert connection.host == "https://[fd00::1]:443"
    assert connection.namespace == "fleet"
    assert connection.token is not None
    assert asyncio.run(connection.token.token()) == "secret"


async def test_a_token_is_taken_as_it_is(tmp_path: Path) -> None:
    assert await _token(_kubeconfig(tmp_path, user={"token": "abc"})) == "abc"


async def test_a_token_file_is_found_beside_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")

    assert await _token(_kubeconfig(tmp_path, user={"tokenFile": "token"})) == "abc"


async def test_a_refused_token_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("old")
    source = load_connection(_kubeconfig(tmp_path, user={"tokenFile": "token"})).token
    assert source is not None
    assert await source.token() == "old"
    (tmp_path / "token").write_text("new")

    source.invalidate()

    assert await source.token() == "new"


async def test_a_credential_plugin_is_asked_once_while_its_token_lasts(tmp_path: Path) -> None:
    plugin = _plugin(
        tmp_path,
        f'echo x >> {tmp_path}/calls; echo \'{{"status": {{"token": "made"}}}}\'',
    )
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin)}}
    source = load_connection(_kubeconfig(tmp_path, user=user)).token
    assert source is not None

    assert [await source.token(), await source.token()] == ["made", "made"]
    assert (tmp_path / "calls").read_text() == "x\n"


async def test_a_credential_plugin_is_asked_again_when_its_token_has_expired(
    tmp_path: Path,
) -> None:
    status = '{"status": {"token": "made", "expirationTimestamp": "2020-01-01T00:00:00Z"}}'
    plugin = _plugin(tmp_path, f"echo x >> {tmp_path}/calls; echo '{status}'")
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin)}}
    source = load_connection(_kubeconfig(tmp_path, user=user)).token
    assert source is not None

    assert [await source.token(), await source.token()] == ["made", "made"]
    assert (tmp_path / "calls").read_text() == "x\nx\n"


async def test_a_credential_plugin_gets_the_environment_that_it_expects(tmp_path: Path) -> None:
    plugin = _plugin(
        tmp_path,
        f'echo "$KUBERNETES_EXEC_INFO" > {tmp_path}/info; '
        'echo "{\\"status\\": {\\"token\\": \\"$REGION\\"}}"',
    )
    section = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "./plugin",
        "env": [{"name": "REGION", "value": "north"}],
        "provideClusterInfo": True,
    }
    assert plugin.exists()

    assert await _token(_kubeconfig(tmp_path, user={"exec": section})) == "north"
    assert '"server":"http://127.0.0.1:1"' in (tmp_path / "info").read_text()


@pytest.mark.parametrize("text", ["exit 3", "echo top secret", "echo '{}'"])
async def test_what_a_broken_plugin_prints_is_never_repeated(tmp_path: Path, text: str) -> None:
    plugin = _plugin(tmp_path, text)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin)}}

    with pytest.raises(ValueError, match="the credential plugin") as caught:
        await _token(_kubeconfig(tmp_path, user=user))

    assert "top secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no kubeconfig"),
        ("[]", "no kubeconfig"),
        ("a: b", "missing: current-context"),
        ("current-context: x", "missing: entry x of contexts"),
        ("token: secret\na: [", "no YAML in line 2"),
        ("current-context: x\ncontexts: 3", "no kubeconfig"),
    ],
)
def test_a_file_that_is_no_kubeconfig_is_named_with_what_is_wrong(
    tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "config"
    file.write_text(text)

    with pytest.raises(ConfigurationError, match=f"{file} cannot be read: {words}") as caught:
        load_connection(file)

    assert "secret" not in str(caught.value)


def test_a_file_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file or directory"):
        load_connection(tmp_path / "config")


def test_a_password_user_is_refused_rather_than_sent_without_credentials(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not supported"):
        load_connection(_kubeconfig(tmp_path, user={"username": "a", "password": "b"}))


def test_the_token_is_not_shown(tmp_path: Path) -> None:
    assert "abc" not in repr(load_connection(_kubeconfig(tmp_path, user={"token": "abc"})))
