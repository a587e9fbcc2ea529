"""The whole loop: a device asks, is let in, is offered an update, fetches it, reports it."""

import hashlib
import secrets

import httpx

from tests.dialects.rdfm.fleet import Fleet


def test_a_device_goes_the_whole_way_to_the_new_version(
    fleet: Fleet, reader: httpx.Client, anonymous: httpx.Client
) -> None:
    device = fleet.stranger(version="v0")
    assert device.ask().status_code == 401
    assert device.identifier in [
        item["mac_address"] for item in reader.get("/api/v1/auth/pending").json()
    ]
    fleet.accept(device)
    token = device.token()
    assert device.check(token).status_code == 204
    serial = fleet.serial_of(device)

    content = secrets.token_bytes(200_000)
    package = fleet.package("v1", content=content)
    group = fleet.group(
        devices=[serial], packages=[package["id"]], policy="exact_match,v1", description="tour"
    )
    offer = device.check(token).json()
    assert offer["id"] == package["id"]
    fetched = anonymous.get(offer["uri"])
    assert hashlib.sha256(fetched.content).hexdigest() == offer["sha256"]

    device.metadata["rdfm.software.version"] = "v1"
    token = device.token()
    assert device.check(token).status_code == 204
    shown = reader.get(f"/api/v1/devices/{serial}").json()
    assert shown["metadata"]["rdfm.software.version"] == "v1"
    assert shown["group"] == group
    assert reader.get(f"/api/v1/groups/{group}").json()["devices"] == [serial]

    fleet.done(fleet.change(group, remove=[serial]))
    fleet.done(fleet.manager.post(f"/api/v1/groups/{group}/package", json={"packages": []}))
    fleet.done(fleet.manager.delete(f"/api/v1/groups/{group}"))
    fleet.done(fleet.manager.delete(f"/api/v1/packages/{package['id']}"))
