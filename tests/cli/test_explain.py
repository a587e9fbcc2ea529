"""`polyfleet explain`, against a running facade."""

import json
from collections.abc import Callable
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

import pytest

from polyfleet.kube.store import Store
from tests.cli.conftest import RunCommand
from tests.facade_fixtures import FacadeServer, StartFacade

FLEET: list[dict[str, Any]] = [
    {
        "kind": "Device",
        "metadata": {"name": "default.lamp", "labels": {"site": "berlin"}},
        "spec": {
            "application": "default",
            "deviceId": "lamp",
            "attributes": [
                {"name": "rdfm.software.version", "value": {"string": "v1"}},
                {"name": "rdfm.hardware.devtype", "value": {"string": "lamp"}},
            ],
        },
    },
    {
        "kind": "DeviceGroup",
        "metadata": {"name": "default.berlin"},
        "spec": {
            "application": "default",
            "name": "berlin",
            "selector": {"matchLabels": {"site": "berlin"}},
            "policy": "exact_match,v2",
            "packages": ["lamp-v2"],
        },
    },
    {
        "kind": "Package",
        "metadata": {"name": "lamp-v2"},
        "spec": {
            "application": "default",
            "version": "v2",
            "deviceType": "lamp",
            "requires": [{"name": "rdfm.software.version", "value": "v1"}],
            "artifact": {"driver": "url", "url": "https://x.test", "sha256": "0" * 64, "size": 1},
        },
    },
]


FLEET += [
    {
        "kind": "DeviceGroup",
        "metadata": {"name": "default.canary"},
        "spec": {
            "application": "default",
            "name": "canary",
            "priority": 1,
            "policy": "exact_match,v3",
            "packages": ["lamp-v3"],
        },
    },
    {
        "kind": "Package",
        "metadata": {"name": "lamp-v3"},
        "spec": {
            "application": "default",
            "version": "v3",
            "artifact": {"driver": "url", "url": "https://y.test", "sha256": "0" * 64, "size": 1},
        },
    },
]


@pytest.fixture
def server(
    facade_server: FacadeServer, kubectl: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> FacadeServer:
    items = [{"apiVersion": "polyfleet.dev/v1alpha1", **item} for item in FLEET]
    everything = {"kind": "List", "apiVersion": "v1", "items": items}
    applied = kubectl("apply", "-f", "-", "-o", "json", stdin=json.dumps(everything))
    cache = facade_server.facade.cache
    stores: dict[str, Store[Any]] = {
        "Device": cache.devices,
        "DeviceGroup": cache.groups,
        "Package": cache.packages,
    }
    for item in json.loads(applied)["items"]:
        meta, store = item["metadata"], stores[item["kind"]]
        arrived = store.wait_for_version(meta["name"], meta["resourceVersion"], 30)
        assert facade_server.call(arrived)
    monkeypatch.setenv("POLYFLEET_URL", facade_server.url)
    token = facade_server.user_token("ada", administrator=True)
    monkeypatch.setenv("POLYFLEET_ADMIN_TOKEN", token)
    return facade_server


def test_the_tree_names_the_device_the_checks_and_the_answer(
    server: FacadeServer, polyfleet: RunCommand
) -> None:
    done = polyfleet("explain", "lamp")
    assert done.exit_code == 0, done.output
    for text in ("lamp of default", "runs v1", "type: lamp", "groups: berlin", "gets v2 (lamp-v2)"):
        assert text in done.stdout


def test_nothing_to_get_is_an_answer_too(server: FacadeServer, polyfleet: RunCommand) -> None:
    done = polyfleet("explain", "lamp", "--version", "v2")
    assert done.exit_code == 0
    assert "gets nothing: UpToDate" in done.stdout
    assert "what if" in done.stdout


def test_json_is_the_facade_s_own_answer(server: FacadeServer, polyfleet: RunCommand) -> None:
    done = polyfleet(
        "explain", "lamp", "--attribute", "rdfm.hardware.devtype=car", "--output", "json"
    )
    answer = json.loads(done.stdout)
    assert answer["facts"]["deviceType"] == "car"
    assert answer["decision"]["package"] is None
    assert answer["trace"]


def test_the_application_can_be_named(server: FacadeServer, polyfleet: RunCommand) -> None:
    done = polyfleet("explain", "lamp", "--application", "default")
    assert done.exit_code == 0
    assert polyfleet("explain", "lamp", "--application", "factory").exit_code == 1


def test_a_device_that_does_not_exist_is_status_1(
    server: FacadeServer, polyfleet: RunCommand
) -> None:
    done = polyfleet("explain", "no such/device")
    assert done.exit_code == 1
    assert "no such device" in done.stderr


def test_a_wrong_token_is_status_1_and_not_shown(
    server: FacadeServer, polyfleet: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYFLEET_ADMIN_TOKEN", "wrong-token")
    done = polyfleet("explain", "lamp")
    assert done.exit_code == 1
    assert done.stderr
    assert "wrong-token" not in done.output


def test_a_facade_that_does_not_answer_is_status_3(
    start_facade: StartFacade, polyfleet: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start_facade() as gone:
        pass
    monkeypatch.setenv("POLYFLEET_URL", gone.url)
    done = polyfleet("explain", "lamp")
    assert done.exit_code == 3
    assert gone.url in done.stderr


@pytest.mark.parametrize(
    "url",
    ["fleet.example", "file:///etc/passwd", "http://", "http://a:b", "http://[::1", "http://a b"],
)
@pytest.mark.parametrize("command", [("explain", "lamp"), ("simulate",)])
def test_an_address_that_is_none_is_a_wrong_use(
    polyfleet: RunCommand, command: tuple[str, ...], url: str
) -> None:
    done = polyfleet(*command, "--url", url)
    assert done.exit_code == 2
    assert "address" in done.stderr


@pytest.mark.parametrize("token", ["two\nlines", "t€ken"])
def test_a_token_that_no_header_takes_is_a_wrong_use(
    polyfleet: RunCommand, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("POLYFLEET_ADMIN_TOKEN", token)
    done = polyfleet("explain", "lamp")
    assert done.exit_code == 2
    assert "POLYFLEET_ADMIN_TOKEN" in done.stderr
    assert token not in done.output


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.0 200 OK\r\n\r\n<html>Log in</html>", b"SSH-2.0-OpenSSH\r\n"]
)
def test_somebody_else_who_answers_is_told_from_polyfleet(
    polyfleet: RunCommand, answer: bytes
) -> None:
    class Other(StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(answer)

    with ThreadingTCPServer(("127.0.0.1", 0), Other) as other:
        Thread(target=other.serve_forever, daemon=True).start()
        done = polyfleet("explain", "lamp", "--url", f"http://127.0.0.1:{other.server_address[1]}")
        other.shutdown()
    assert done.exit_code == 3
    assert "not as Polyfleet does" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (("--hold",), "gets nothing: Held"),
        (("--pin", "lamp-v3"), "gets v3 (lamp-v3): Pinned"),
        (("--group", "canary"), "gets v3 (lamp-v3): PolicyVersion"),
    ],
)
def test_a_group_a_pin_or_a_hold_can_be_tried_out(
    server: FacadeServer, polyfleet: RunCommand, arguments: tuple[str, ...], answer: str
) -> None:
    done = polyfleet("explain", "lamp", *arguments)
    assert done.exit_code == 0, done.output
    assert answer in done.stdout
    assert "what if" in done.stdout


@pytest.mark.parametrize("arguments", [("--group", "nosuch"), ("--pin", "nosuch")])
def test_what_does_not_exist_cannot_be_tried_out(
    server: FacadeServer, polyfleet: RunCommand, arguments: tuple[str, ...]
) -> None:
    done = polyfleet("explain", "lamp", *arguments)
    assert done.exit_code == 1
    assert "nosuch" in done.stderr


def test_lines_are_whole_however_narrow_the_console(
    server: FacadeServer, polyfleet: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    done = polyfleet("explain", "lamp", "--version", "v0")
    wanted = "lamp-v2 (v2): rdfm.software.version must be 'v1', is 'v0'"
    assert any(line.endswith(wanted) for line in map(str.rstrip, done.stdout.splitlines()))


def test_a_facade_without_news_is_told_to_make_no_offers(
    start_facade: StartFacade, server: FacadeServer, polyfleet: RunCommand
) -> None:
    with start_facade(stale_after=1e-6) as stale:
        done = polyfleet("explain", "lamp", "--url", stale.url)
    assert done.exit_code == 0
    assert "gets nothing now" in done.stdout
    assert "no news" in done.stdout
