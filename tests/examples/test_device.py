"""The example device against a running facade, as a process of its own."""

import hashlib
import http.server
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.facade_fixtures import FacadeServer

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 60.0
PENDING = 3
IMAGE = b"v2\n" + bytes(range(256)) * 2048

RunDevice = Callable[..., subprocess.CompletedProcess[str]]


def command(url: str, folder: Path, *arguments: str) -> list[str]:
    script = str(ROOT / "examples" / "device.py")
    options = ["--url", url, "--id", "gateway/7", "--state", str(folder), "--first-version", "v1"]
    return [sys.executable, script, *options, "--interval", "0.1", *arguments]


@pytest.fixture
def run_device(facade_server: FacadeServer, tmp_path: Path) -> RunDevice:
    """Provide the device, run to its end with the given arguments."""

    def run(*arguments: str, url: str = facade_server.url) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(url, tmp_path / "device", *arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE,
        )

    return run


def accept(admin: httpx.Client) -> None:
    (row,) = admin.get("/api/v1/auth/pending").json()
    body = {key: row[key] for key in ("mac_address", "public_key")}
    assert admin.post("/api/v1/auth/register", json=body).status_code == 200


def device_row(admin: httpx.Client) -> dict[str, Any]:
    row: dict[str, Any]
    (row,) = admin.get("/api/v1/devices").json()
    return row


def upload(admin: httpx.Client, content: bytes = IMAGE) -> int:
    answer = admin.post(
        "/api/v1/packages",
        files={"file": ("image", content)},
        data={"rdfm.software.version": "v2", "rdfm.hardware.devtype": "gateway"},
    )
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


def assign(admin: httpx.Client, package: int) -> None:
    """Put the device into a group that is to run v2."""
    group = admin.post("/api/v1/groups", json={"rdfm.group.name": "g"}).json()["id"]
    members = {"add": [device_row(admin)["id"]], "remove": []}
    for answer in (
        admin.post(f"/api/v1/groups/{group}/package", json={"packages": [package]}),
        admin.post(f"/api/v1/groups/{group}/policy", json={"policy": "exact_match,v2"}),
        admin.patch(f"/api/v1/groups/{group}/devices", json=members),
    ):
        assert answer.status_code == 200, answer.text


@contextmanager
def cutting_server(content: bytes) -> Iterator[tuple[str, list[str | None]]]:
    """Serve the content, but end the first answer in the middle; note the Range headers."""
    ranges: list[str | None] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            ranges.append(wanted)
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            end = len(content) if wanted else len(content) // 2
            self.wfile.write(content[start:end])
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/image", ranges
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def url_package(kubectl: Callable[..., str], url: str, sha256: str) -> None:
    artifact = {"driver": "url", "url": url, "sha256": sha256, "size": len(IMAGE)}
    spec = {"application": "default", "version": "v2", "artifact": artifact}
    metadata = {"name": "linked", "labels": {"polyfleet.dev/serial": "77"}}
    manifest = {
        "apiVersion": "polyfleet.dev/v1alpha1",
        "kind": "Package",
        "metadata": metadata,
        "spec": spec,
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(manifest))


def wait_for_package(admin: httpx.Client, serial: int) -> None:
    end = time.monotonic() + DEADLINE
    while admin.get(f"/api/v1/packages/{serial}").status_code != 200:
        assert time.monotonic() < end, "the facade did not hear of the package"
        time.sleep(0.05)


def test_a_stranger_waits_to_be_let_in(run_device: RunDevice, admin: httpx.Client) -> None:
    done = run_device("--once")
    assert done.returncode == PENDING, done.stderr
    assert "somebody must accept it" in done.stdout
    (row,) = admin.get("/api/v1/auth/pending").json()
    assert row["mac_address"] == "gateway/7"
    assert row["metadata"]["rdfm.hardware.devtype"] == "gateway"


def test_it_waits_until_it_is_let_in(
    facade_server: FacadeServer, admin: httpx.Client, tmp_path: Path
) -> None:
    arguments = command(facade_server.url, tmp_path / "device", "--wait", "--once")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + DEADLINE
        while not admin.get("/api/v1/auth/pending").json() and time.monotonic() < end:
            time.sleep(0.05)
        accept(admin)
        output, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0
    assert "authenticated as gateway/7" in output
    assert "runs v1: no update" in output


def test_it_installs_what_it_is_offered_and_reports_it(
    run_device: RunDevice, admin: httpx.Client
) -> None:
    run_device("--once")
    accept(admin)
    assign(admin, upload(admin))
    done = run_device("--once", "--attribute", "floor=3")
    assert done.returncode == 0, done.stderr
    assert "installed: v1 -> v2" in done.stdout
    metadata = device_row(admin)["metadata"]
    assert metadata["rdfm.software.version"] == "v2"
    assert metadata["floor"] == "3"
    assert "runs v2: no update" in run_device("--once").stdout


def test_a_download_that_was_cut_short_goes_on_where_it_stopped(
    run_device: RunDevice, admin: httpx.Client, kubectl: Callable[..., str]
) -> None:
    run_device("--once")
    accept(admin)
    with cutting_server(IMAGE) as (url, ranges):
        url_package(kubectl, url, hashlib.sha256(IMAGE).hexdigest())
        wait_for_package(admin, 77)
        assign(admin, 77)
        done = run_device("--once")
    assert done.returncode == 0, done.stderr
    assert "cut short" in done.stdout
    assert "installed: v1 -> v2" in done.stdout
    assert ranges == [None, f"bytes={len(IMAGE) // 2}-"]


def test_a_file_that_is_not_what_was_announced_is_not_installed(
    run_device: RunDevice, admin: httpx.Client, kubectl: Callable[..., str], tmp_path: Path
) -> None:
    run_device("--once")
    accept(admin)
    with cutting_server(IMAGE) as (url, _):
        url_package(kubectl, url, "0" * 64)
        wait_for_package(admin, 77)
        assign(admin, 77)
        done = run_device("--once")
    assert done.returncode == 1
    assert "was announced" in done.stderr
    assert not list((tmp_path / "device").glob("*.download"))
    assert device_row(admin)["metadata"]["rdfm.software.version"] == "v1"


def test_a_server_that_is_not_there_is_told(run_device: RunDevice) -> None:
    done = run_device("--once", url="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr


def test_its_key_is_for_its_own_eyes(run_device: RunDevice, tmp_path: Path) -> None:
    run_device("--once")
    assert (tmp_path / "device" / "key.pem").stat().st_mode & 0o077 == 0
