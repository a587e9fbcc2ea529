"""The endpoint token is in the path of every request: and in no log, no metric, no object."""

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from polyfleet.api.core.identity.endpoint_tokens import digest
from tests.dialects.waiting import eventually

Kubectl = Callable[..., str]


def handshake(port: int, path: str) -> bytes:
    """Ask for a WebSocket, which uvicorn logs with its path; return the answer's first line."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: x",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "",
        "",
    ]
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall("\r\n".join(lines).encode())
        return connection.recv(4096).split(b"\r\n")[0]


def test_the_token_is_in_no_log_no_metric_and_no_object(
    service_account_kubeconfig: Callable[[str], Path],
    namespace: str,
    kubectl: Kubectl,
    tmp_path: Path,
) -> None:
    token, name = secrets.token_urlsafe(24), "lamp"
    spec = {"application": "default", "deviceId": name, "endpointTokenHashes": [digest(token)]}
    manifest: dict[str, Any] = {"apiVersion": "polyfleet.dev/v1alpha1", "kind": "Device"}
    manifest |= {"metadata": {"name": name}, "spec": spec}
    kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    environment = {
        **{name: value for name, value in os.environ.items() if "POLYFLEET" not in name},
        "KUBECONFIG": str(service_account_kubeconfig("polyfleet-facade")),
        "POLYFLEET_NAMESPACE": namespace,
        "POLYFLEET_PORT": "0",
        "POLYFLEET_LOG_LEVEL": "debug",
        "POLYFLEET_ARTIFACTS_DIRECTORY": str(tmp_path / "artifacts"),
    }
    log = tmp_path / "log"
    with log.open("wb") as file:
        command = [sys.executable, "-m", "polyfleet.api"]
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    try:
        eventually(lambda: "facade started" in log.read_text())
        starting = next(line for line in log.read_text().splitlines() if '"starting"' in line)
        port = json.loads(starting)["port"]
        home = f"/kp1/default-v1/cmx_ota/{token}"
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            assert client.post(f"{home}/config/json").status_code == 200
            done = client.post(f"{home}/applied/json", json={"configId": "1.0.0"})
            assert done.status_code == 200
            assert client.post(f"/kpc{home}/config/json", content=b"{").status_code == 400
            assert client.post(f"{home}/nothing/json").status_code == 404
            assert client.delete(f"{home}/config/json").status_code == 405
            assert client.post(f"/kp1/other/cmx_ota/{token}/config/json").status_code == 404
            metrics = client.get("/metrics").text
        for path in (f"{home}/config/json", f"/kpc{home}", f"//{home}?token={token}"):
            assert handshake(port, path).startswith(b"HTTP/1.1 403")
        assert 'route="/kp1/{appVersionName}/cmx_ota/{endpointToken}/config/json"' in metrics
        assert token not in metrics
    finally:
        process.terminate()
        process.wait(60)
    written = log.read_text()
    assert "WebSocket /kp1/" in written
    assert token not in written
    shown = kubectl("get", "device", name, "-o", "yaml")
    assert "version: 1.0.0" in shown
    assert token not in shown
