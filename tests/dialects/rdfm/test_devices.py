"""Devices: list, show, remove."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from polyfleet.fleet.objects.kinds import DEVICES
from tests.dialects.rdfm.fleet import Fleet, error_text
from tests.facade_fixtures import FacadeServer, StartFacade

ABSENT = 999_999_999
SHARED = {
    "id",
    "name",
    "mac_address",
    "capabilities",
    "metadata",
    "last_access",
    "public_key",
}


def shown(caller: httpx.Client, serial: int, version: str = "v1") -> dict[str, Any]:
    reply = caller.get(f"/api/{version}/devices/{serial}")
    assert reply.status_code == 200, reply.text
    document: dict[str, Any] = reply.json()
    return document


def test_a_fresh_device_has_exactly_the_keys_of_the_first_version(
    fleet: Fleet, reader: httpx.Client
) -> None:
    device, serial = fleet.device()
    found = shown(reader, serial)
    assert set(found) == SHARED | {"group"}
    assert found["id"] == serial
    assert found["name"] == found["mac_address"] == device.identifier
    assert found["capabilities"] == {"shell": False}
    assert found["metadata"] == device.metadata
    assert found["group"] is None
    assert found["public_key"] == device.pem


def test_the_second_version_shows_all_groups_and_the_connection(
    fleet: Fleet, reader: httpx.Client
) -> None:
    _, serial = fleet.device()
    found = shown(reader, serial, "v2")
    assert set(found) == SHARED | {"groups", "connected"}
    assert (found["groups"], found["connected"]) == ([], False)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_device_is_shown_alone_and_in_the_list_alike(
    fleet: Fleet, reader: httpx.Client, version: str
) -> None:
    _, serial = fleet.device()
    listed = reader.get(f"/api/{version}/devices")
    assert listed.status_code == 200
    assert shown(reader, serial, version) in listed.json()


def test_the_answer_is_compact_and_sorted(fleet: Fleet) -> None:
    _, serial = fleet.device()
    body = fleet.manager.get(f"/api/v1/devices/{serial}").content
    assert body.startswith(b'{"capabilities":{"shell":false},"group":null,"id":')
    assert body.endswith(b"}\n")


def test_the_head_of_a_device_is_answered(fleet: Fleet) -> None:
    _, serial = fleet.device()
    reply = fleet.manager.head(f"/api/v1/devices/{serial}")
    assert (reply.status_code, reply.content) == (200, b"")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_removed_device_is_gone(fleet: Fleet, version: str) -> None:
    _, serial = fleet.device()
    fleet.done(fleet.manager.delete(f"/api/{version}/devices/{serial}"))
    for method in ("GET", "DELETE"):
        reply = fleet.manager.request(method, f"/api/{version}/devices/{serial}")
        assert reply.status_code == 404
        error_text(reply)


def test_a_removed_member_leaves_its_group(fleet: Fleet) -> None:
    _, serial = fleet.device()
    group = fleet.group(devices=[serial])
    fleet.manager.delete(f"/api/v1/devices/{serial}")
    assert fleet.manager.get(f"/api/v1/groups/{group}").json()["devices"] == []


def test_a_device_let_in_again_has_a_new_identifier_and_no_group(fleet: Fleet) -> None:
    device, serial = fleet.device()
    fleet.group(devices=[serial])
    fleet.manager.delete(f"/api/v1/devices/{serial}")
    assert device.ask().status_code == 401
    fleet.accept(device)
    again = fleet.serial_of(device)
    assert again != serial
    assert shown(fleet.manager, again)["group"] is None


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/devices",
        "/api/v2/devices",
        "/api/v1/groups",
        "/api/v2/groups",
        "/api/v1/auth/pending",
    ],
)
def test_nothing_at_all_is_the_empty_list_to_the_byte(empty: httpx.Client, path: str) -> None:
    reply = empty.get(path)
    assert (reply.status_code, reply.content) == (200, b"[]\n")
    assert reply.headers["content-type"] == "application/json"


@pytest.fixture
def empty(start_facade: StartFacade) -> Iterator[httpx.Client]:
    with start_facade(insecure=True) as server, server.client() as caller:
        yield caller


def test_a_long_list_is_one_valid_document(start_facade: StartFacade) -> None:
    with start_facade(insecure=True) as server, server.client() as caller:
        server.call(_make_devices(server, 520))
        reply = caller.get("/api/v1/devices")
        assert reply.content.startswith(b"[{")
        assert reply.content.endswith(b"}]\n")
        assert [item["id"] for item in reply.json()] == list(range(1, 521))
        assert caller.get("/api/v2/devices").json()[-1]["name"] == "d-520"


async def _make_devices(server: FacadeServer, count: int) -> None:
    gate = asyncio.Semaphore(32)

    async def make(serial: int) -> None:
        async with gate:
            await server.facade.writer.create(
                DEVICES,
                f"default.d-{serial}",
                {"application": "default", "deviceId": f"d-{serial}"},
                labels={
                    "polyfleet.dev/application": "default",
                    "polyfleet.dev/serial": str(serial),
                },
            )

    await asyncio.gather(*(make(serial) for serial in range(1, count + 1)))
