"""The device's WebSocket."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from polyfleet.fleet.objects.device import Device
from tests.dialects.rdfm.fleet import Fleet, SimulatedDevice
from tests.dialects.waiting import eventually

GREETING = '{"method":"alert","alert":{"message":"connected"}}'


@contextmanager
def socket_of(fleet: Fleet, token: str | None) -> Iterator[ClientConnection]:
    url = f"ws://127.0.0.1:{fleet.server.port}/api/v1/devices/ws"
    headers = {"Authorization": f"Bearer token={token}"} if token else {}
    with connect(url, additional_headers=headers, proxy=None) as socket:
        yield socket


@contextmanager
def greeted(fleet: Fleet, device: SimulatedDevice) -> Iterator[ClientConnection]:
    with socket_of(fleet, device.token()) as socket:
        assert socket.recv(timeout=30) == GREETING
        yield socket


def close_code(socket: ClientConnection) -> int:
    with pytest.raises(ConnectionClosed) as raised:
        socket.recv(timeout=30)
    assert raised.value.rcvd is not None
    return int(raised.value.rcvd.code)


def alert(socket: ClientConnection) -> str:
    message = json.loads(socket.recv(timeout=30))
    assert message["method"] == "alert"
    return str(message["alert"]["message"])


def stored(fleet: Fleet, serial: int) -> Device:
    device = fleet.server.facade.cache.devices.by_serial(serial)
    assert device is not None
    return device


def test_a_device_is_greeted_and_held(fleet: Fleet) -> None:
    device, serial = fleet.device()
    path = f"/api/v2/devices/{serial}"
    with greeted(fleet, device) as socket:
        assert fleet.manager.get(path).json()["connected"] is True
        socket.ping().wait(30)
    eventually(lambda: fleet.manager.get(path).json()["connected"] is False)


@pytest.mark.parametrize("token", [None, "x.y.z"])
def test_who_has_no_devices_token_is_turned_away(fleet: Fleet, token: str | None) -> None:
    with socket_of(fleet, token) as socket:
        assert close_code(socket) == 4000


def test_a_second_connection_of_the_same_device_is_turned_away(fleet: Fleet) -> None:
    device, _ = fleet.device()
    with greeted(fleet, device) as first, socket_of(fleet, device.token()) as second:
        assert close_code(second) == 4002
        first.send('{"method":"nothing"}')
        assert "nothing" in alert(first)


def test_a_device_may_come_back(fleet: Fleet) -> None:
    device, serial = fleet.device()
    for _ in range(2):
        with greeted(fleet, device):
            pass
        path = f"/api/v2/devices/{serial}"
        eventually(lambda path=path: fleet.manager.get(path).json()["connected"] is False)


def test_capabilities_are_shown_on_the_device(fleet: Fleet) -> None:
    device, serial = fleet.device()
    capabilities = {"shell": True, "action": False, "update-progress": True}
    with greeted(fleet, device) as socket:
        socket.send(json.dumps({"method": "capability_report", "capabilities": capabilities}))
        path = f"/api/v1/devices/{serial}"
        eventually(lambda: fleet.manager.get(path).json()["capabilities"] == capabilities)


def test_a_new_version_is_shown_on_the_device(fleet: Fleet) -> None:
    device, serial = fleet.device()
    with greeted(fleet, device) as socket:
        socket.send('{"method":"update_version","version":"v77"}')
        path = f"/api/v1/devices/{serial}"
        eventually(
            lambda: fleet.manager.get(path).json()["metadata"]["rdfm.software.version"] == "v77"
        )
    software = stored(fleet, serial).status.software
    assert software is not None
    assert software.version == "v77"


def test_progress_shows_how_far_the_update_is(fleet: Fleet) -> None:
    device, serial = fleet.device()
    package = fleet.package("v1")["id"]
    fleet.group(devices=[serial], packages=[package], policy="exact_match,v1")
    assert device.check().status_code == 200
    with greeted(fleet, device) as socket:
        socket.send('{"method":"update_progress","progress":40}')
        eventually(lambda: _update(fleet, serial) == ("InProgress", 40))
        socket.send('{"method":"update_progress","progress":100}')
        eventually(lambda: _update(fleet, serial) == ("Finished", 100))


def _update(fleet: Fleet, serial: int) -> tuple[str, int] | None:
    update = stored(fleet, serial).status.update
    return None if update is None else (update.state, update.progress)


BAD_MESSAGES: list[dict[str, Any]] = [
    {"method": "capability_report"},
    {"method": "capability_report", "capabilities": []},
    {"method": "capability_report", "capabilities": {"shell": 1}},
    {"method": "capability_report", "capabilities": {"x" * 64: True}},
    {"method": "capability_report", "capabilities": {f"c{n}": True for n in range(65)}},
    {"method": "update_progress"},
    {"method": "update_progress", "progress": -1},
    {"method": "update_progress", "progress": 101},
    {"method": "update_progress", "progress": "50"},
    {"method": "update_progress", "progress": True},
    {"method": "update_version"},
    {"method": "update_version", "version": ""},
    {"method": "update_version", "version": 1},
    {"method": "update_version", "version": "x" * 1025},
    {"method": "shell_attach"},
    {"method": "x" * 1000},
]


@pytest.mark.parametrize("message", BAD_MESSAGES)
def test_a_message_at_fault_is_answered_and_the_connection_held(
    fleet: Fleet, message: dict[str, Any]
) -> None:
    device, _ = fleet.device()
    with greeted(fleet, device) as socket:
        socket.send(json.dumps(message))
        assert alert(socket)
        socket.send('{"method":"still there"}')
        assert "still there" in alert(socket)


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "{}", '{"method":1}'])
def test_a_text_that_is_no_message_ends_the_connection(fleet: Fleet, text: str) -> None:
    device, _ = fleet.device()
    with greeted(fleet, device) as socket:
        socket.send(text)
        assert close_code(socket) == 4001


def test_a_binary_frame_ends_the_connection(fleet: Fleet) -> None:
    device, _ = fleet.device()
    with greeted(fleet, device) as socket:
        socket.send(b"\x00")
        assert close_code(socket) == 1003


def test_a_removed_devices_connection_ends(fleet: Fleet) -> None:
    device, serial = fleet.device()
    with greeted(fleet, device) as socket:
        fleet.done(fleet.manager.delete(f"/api/v1/devices/{serial}"))
        assert close_code(socket) == 4000
