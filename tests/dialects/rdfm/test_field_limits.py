"""Every field that has a greatest size: what just fits is taken, what does not is named."""

import json
from typing import Any

import httpx
import pytest

from tests.dialects.rdfm.fleet import Fleet, error_text

ABSENT = 999_999_999
FIELDS = {"rdfm.software.version": "v1", "rdfm.hardware.devtype": "dummy"}
RAW = ("polyfleet.dev", "spec.", "<nil>", "may not be more than")
"""Words of the API server that no client of this API understands."""


def upload(fleet: Fleet, changes: dict[str, str]) -> httpx.Response:
    return fleet.manager.post(
        "/api/v1/packages", data=FIELDS | changes, files={"file": ("f.img", b"content")}
    )


def check_names(reply: httpx.Response, field: str) -> None:
    text = error_text(reply)
    assert reply.status_code == 400
    assert field in text
    assert not any(word in text for word in RAW)


def requirements(count: int) -> dict[str, str]:
    return {f"requires:{number}": "x" for number in range(count)}


VERSION, TYPE = FIELDS
FITS = {
    "version": {VERSION: "v" * 1024},
    "type": {TYPE: "v" * 1024},
    "name of a requirement": {"requires:" + "k" * 256: "v"},
    "value of a requirement": {"requires:k": "é" * 1024},
    "number of requirements": requirements(64),
    # A control character is one byte of the form and six characters of JSON text.
    "metadata": {"a": "\x01" * 8000},
}
TOO_MUCH = {
    VERSION: {VERSION: "v" * 1025},
    TYPE: {TYPE: "v" * 1025},
    "requires:kkk": {"requires:" + "k" * 257: "v"},
    "requires:k'": {"requires:k": "v" * 1025},
    "requires:*": requirements(65),
    "metadata": {"a": "\x01" * 8000, "b": "\x01" * 8000},
}


@pytest.mark.parametrize("fits", FITS.values(), ids=FITS.keys())
def test_what_just_fits_into_a_package_is_taken(fleet: Fleet, fits: dict[str, str]) -> None:
    reply = upload(fleet, fits)
    assert reply.status_code == 200, reply.text
    assert fits.items() <= reply.json()["metadata"].items()


@pytest.mark.parametrize("field", TOO_MUCH)
def test_what_is_too_large_for_a_package_is_named(fleet: Fleet, field: str) -> None:
    check_names(upload(fleet, TOO_MUCH[field]), field)


@pytest.mark.parametrize("field", FIELDS)
def test_what_people_see_of_a_package_has_no_control_characters(fleet: Fleet, field: str) -> None:
    check_names(upload(fleet, {field: "1.0\x1b[2K"}), field)


def test_the_longest_policy_is_taken_and_a_longer_one_named(fleet: Fleet) -> None:
    path = f"/api/v1/groups/{fleet.group()}/policy"
    longest = "exact_match," + "v" * 1088
    fleet.done(fleet.manager.post(path, json={"policy": longest}))
    check_names(fleet.manager.post(path, json={"policy": longest + "v"}), "policy")


def test_more_packages_than_a_group_can_have_are_refused(fleet: Fleet) -> None:
    path = f"/api/v1/groups/{fleet.group()}/package"
    packages = list(range(ABSENT, ABSENT + 1001))
    check_names(fleet.manager.post(path, json={"packages": packages}), "packages")
    assert fleet.manager.post(path, json={"packages": packages[:1000]}).status_code == 404


def test_the_largest_metadata_of_a_group_is_taken_and_larger_one_named(fleet: Fleet) -> None:
    def body(size: int) -> bytes:
        empty = len(json.dumps({"k": ""}, separators=(",", ":")))
        return json.dumps({"k": "é" * (size - empty)}, ensure_ascii=False).encode()

    assert fleet.manager.post("/api/v1/groups", content=body(65_536)).status_code == 200
    check_names(fleet.manager.post("/api/v1/groups", content=body(65_537)), "metadata")


@pytest.mark.parametrize("name", ["x" * 253, "x" * 254, "x" * 1025, "x" * 5000, "ü" * 253])
def test_a_group_may_give_itself_a_name_of_any_length(fleet: Fleet, name: str) -> None:
    reply = fleet.manager.post("/api/v1/groups", json={"rdfm.group.name": name})
    assert (reply.status_code, reply.json()["metadata"]) == (200, {"rdfm.group.name": name})


METADATA: dict[str, Any] = {
    "text": "x" * 4097,
    "list": ["x"] * 101,
    "item": ["x" * 1025],
}


@pytest.mark.parametrize("name", METADATA)
def test_metadata_of_a_device_that_is_too_large_is_named(fleet: Fleet, name: str) -> None:
    device = fleet.stranger()
    check_names(device.ask(device.body(metadata=device.metadata | {name: METADATA[name]})), name)


def test_the_largest_metadata_of_a_device_is_kept(fleet: Fleet) -> None:
    device = fleet.stranger("d" * 1024)
    device.metadata |= {"text": "x" * 3000, "list": ["x"] * 100, "item": ["x" * 1024]}
    device.metadata |= {f"k{number}": "" for number in range(190)}
    assert device.ask().status_code == 401
    fleet.accept(device)
    assert device.ask().status_code == 200
    shown = fleet.manager.get(f"/api/v1/devices/{fleet.serial_of(device)}").json()
    assert shown["metadata"] == device.metadata


def test_a_key_that_is_too_long_is_named(fleet: Fleet) -> None:
    device = fleet.stranger()
    body = device.body(public_key=device.pem + "\n" * 8192)
    check_names(device.ask(body), "public_key")


@pytest.mark.parametrize("odd", ["\x00", "\t", "\n", "\x1b[2K", "\x7f", "\x9b2K"])
def test_an_id_with_control_characters_asks_in_vain(fleet: Fleet, odd: str) -> None:
    device = fleet.stranger(f"evil{odd}lamp")
    check_names(device.ask(), "rdfm.hardware.macaddr")
    pending = fleet.manager.get("/api/v1/auth/pending").json()
    assert device.metadata["rdfm.hardware.macaddr"] not in [item["mac_address"] for item in pending]
    lamp, _ = fleet.device()
    reply = lamp.check(**{"rdfm.hardware.macaddr": f"evil{odd}lamp"})
    check_names(reply, "rdfm.hardware.macaddr")


def test_an_id_may_have_letters_of_all_scripts(fleet: Fleet) -> None:
    device, serial = fleet.device(f"Lämpchen 灯 {fleet.stranger().identifier}")
    shown = fleet.manager.get(f"/api/v1/devices/{serial}").json()
    assert shown["mac_address"] == device.metadata["rdfm.hardware.macaddr"]


@pytest.mark.parametrize("priority", [7, "7"])
def test_a_priority_may_be_a_text(fleet: Fleet, priority: object) -> None:
    reply = fleet.manager.post("/api/v2/groups", json={"metadata": {}, "priority": priority})
    assert (reply.status_code, reply.json()["priority"]) == (200, 7)
    path = f"/api/v2/groups/{reply.json()['id']}"
    fleet.done(fleet.manager.post(f"{path}/priority", json={"priority": f"-{priority}"}))
    assert fleet.manager.get(path).json()["priority"] == -7
