"""Making, showing, listing and removing devices."""

import re
import secrets
import time
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from polyfleet.fleet.attributes import decode
from polyfleet.fleet.names import object_name
from polyfleet.fleet.objects.kinds import DEVICES
from tests.dialects.inventory.fleet import BASE, SERVICE, Fleet, attributes_of, error_text
from tests.facade_fixtures import FacadeServer

EXAMPLE = [
    {"name": "ip_addr", "value": "1.2.3.4", "description": "IP address"},
    {"name": "mac_addr", "value": "00.01:02:03:04:05", "description": "MAC address"},
    {"name": "ports", "value": ["8080", "8081"], "description": "Open ports"},
]


def test_the_documents_example_comes_back_as_it_was_sent(manager: httpx.Client) -> None:
    identifier = secrets.token_hex(32)
    reply = manager.post(f"{BASE}/devices", json={"id": identifier, "attributes": EXAMPLE})
    assert (reply.status_code, reply.content) == (201, b"")
    assert reply.headers["location"] == f"devices/{identifier}"
    shown = manager.get(f"{BASE}/devices/{identifier}")
    assert shown.status_code == 200
    assert shown.headers["content-type"] == "application/json; charset=utf-8"
    document = shown.json()
    assert document.keys() == {"id", "attributes", "updated_ts"}
    assert (document["id"], document["attributes"]) == (identifier, EXAMPLE)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z", document["updated_ts"])


def test_a_made_device_is_a_device_of_the_default_application(fleet: Fleet) -> None:
    device = fleet.cached(fleet.device(floor=3))
    assert device.spec.application == "default"
    assert device.metadata.serial is not None
    assert device.metadata.labels["polyfleet.dev/application"] == "default"
    assert [entry.name for entry in decode(device.spec.attributes)] == ["floor"]


def test_an_attribute_that_is_mirrored_is_a_label_from_birth(fleet: Fleet) -> None:
    device = fleet.cached(fleet.device(ring="early"))
    assert device.metadata.labels["attr.polyfleet.dev/ring"] == "early"


def test_a_device_without_attributes_shows_none(fleet: Fleet) -> None:
    assert fleet.show(fleet.device()).keys() == {"id", "updated_ts"}


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (1.0, 1),
        (12345678901234567890, 12345678901234567000),
        (1e30, 1e30),
        (-0.5, -0.5),
        (1e-7, 1e-7),
        ("", ""),
        ([], []),
        ([1, 2.5], [1, 2.5]),
        (["a", ""], ["a", ""]),
        ("über <b>", "über <b>"),
        ("x" * 16_384, "x" * 16_384),
        (["package"] * 1000, ["package"] * 1000),
        (list(range(1000)), list(range(1000))),
    ],
)
def test_values_come_back_with_the_precision_of_a_float(
    fleet: Fleet, sent: Any, shown: Any
) -> None:
    identifier = fleet.device(value=sent)
    assert attributes_of(fleet.show(identifier)) == {"value": shown}
    [listed] = fleet.manager.get(f"{BASE}/devices", params={"identity/id": identifier}).json()
    assert attributes_of(listed) == {"value": shown}


def test_of_a_repeated_name_the_last_counts(manager: httpx.Client, fleet: Fleet) -> None:
    identifier = secrets.token_hex(8)
    attributes = [{"name": "a", "value": 1}, {"name": "b", "value": 2}, {"name": "a", "value": 3}]
    manager.post(f"{BASE}/devices", json={"id": identifier, "attributes": attributes})
    assert attributes_of(fleet.show(identifier)) == {"b": 2, "a": 3}


def test_keys_are_read_in_any_case_and_unknown_ones_passed_over(
    manager: httpx.Client, fleet: Fleet
) -> None:
    identifier = secrets.token_hex(8)
    body = {
        "ID": identifier,
        "Attributes": [{"Name": "a", "VALUE": 1, "what": None}],
        "group": "g",
        "updated_ts": "2001-01-01T00:00:00Z",
    }
    assert manager.post(f"{BASE}/devices", json=body).status_code == 201
    shown = fleet.show(identifier)
    assert attributes_of(shown) == {"a": 1}
    assert not shown["updated_ts"].startswith("2001")
    assert fleet.group_of(identifier) is None


@pytest.mark.parametrize(
    "identifier",
    ["sp ace", "a/b", "a%2Fb", "é", "02:00:00:00:00:01", "x" * 1015, "semi;colon", "q?a=b#c", "+"],
)
def test_an_id_is_any_text(fleet: Fleet, identifier: str) -> None:
    name = f"{identifier}{secrets.token_hex(4)}"
    assert fleet.device(name) == name
    assert fleet.show(name)["id"] == name
    encoded = quote(name, safe="")
    assert fleet.manager.get(f"{BASE}/devices/{encoded}/group").json() == {"group": None}
    assert fleet.manager.delete(f"{BASE}/devices/{encoded}").status_code == 204
    assert fleet.manager.get(f"{BASE}/devices/{encoded}").status_code == 404


def test_a_leading_tilde_is_doubled(fleet: Fleet) -> None:
    name = f"~~{secrets.token_hex(4)}"
    fleet.device(name)
    assert fleet.cached(name[1:]).spec.device_id == name[1:]
    assert fleet.show(name)["id"] == name


def test_an_id_that_exists_is_a_conflict(fleet: Fleet) -> None:
    identifier = fleet.device()
    reply = fleet.manager.post(f"{BASE}/devices", json={"id": identifier})
    assert reply.status_code == 409
    assert error_text(reply) == "device with specified ID already exists"


def test_an_id_whose_object_name_another_device_has_is_told_apart(
    fleet: Fleet, server: FacadeServer
) -> None:
    identifier = f"zed-{secrets.token_hex(4)}"
    spec = {"application": "default", "deviceId": f"other-{identifier}"}
    name = object_name("Device", "default", identifier)
    server.call(server.facade.writer.create(DEVICES, name, spec))
    reply = fleet.manager.post(f"{BASE}/devices", json={"id": identifier})
    assert reply.status_code == 409
    assert error_text(reply) == "the object name is taken by another device"


@pytest.mark.parametrize("odd", ["\x00", "\n", "\x1b[2K", "\x7f", "\x9b2K"])
def test_an_id_has_no_control_characters(fleet: Fleet, odd: str) -> None:
    identifier = f"lamp{odd}{secrets.token_hex(4)}"
    reply = fleet.manager.post(f"{BASE}/devices", json={"id": identifier})
    assert reply.status_code == 400
    assert "control characters" in error_text(reply)


def test_an_id_that_another_replica_made_is_a_conflict(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    identifier = fleet.device()
    monkeypatch.setattr("polyfleet.api.dialects.inventory.devices.find_device", lambda *_: None)
    assert fleet.manager.post(f"{BASE}/devices", json={"id": identifier}).status_code == 409


NO_ID = "ID: non zero value required;"
BAD_VALUE = "does not validate as deviceAttributeValueValidator;;"
MALFORMED = "failed to decode request body"
FAULTS = [
    (b"", f"{MALFORMED}: JSON payload is empty"),
    (b"{", MALFORMED),
    (b"{} {}", MALFORMED),
    (b'{"id": "a\xff"}', MALFORMED),
    (b"[]", f"{MALFORMED}: a JSON object is expected"),
    (b"null", f"{MALFORMED}: a JSON object is expected"),
    (b'{"id": 5}', f"{MALFORMED}: id must be a string"),
    (b'{"id": "a", "attributes": {}}', f"{MALFORMED}: a list of attributes is expected"),
    (b'{"id": "a", "attributes": [5]}', f"{MALFORMED}: a JSON object is expected"),
    (b'{"id": "a", "attributes": [{"name": 5}]}', f"{MALFORMED}: name must be a string"),
    (
        b'{"id": "a", "attributes": [{"name": "n", "value": 1, "description": 5}]}',
        f"{MALFORMED}: description must be a string",
    ),
    (b"{}", NO_ID),
    (b'{"id": ""}', NO_ID),
    (b'{"id": null}', NO_ID),
    (b'{"id": "%s"}' % (b"x" * 1025), f"ID: {'x' * 1025} does not validate as length(1|1024);"),
    (b'{"id": "a", "attributes": [{"value": 1}]}', "Name: non zero value required;;"),
    (
        b'{"id": "a", "attributes": [{"name": "%s", "value": 1}]}' % (b"n" * 1025),
        f"Name: {'n' * 200} does not validate as length(1|1024);;",
    ),
    (b'{"id": "a", "attributes": [{"name": "n"}]}', f"Value: <nil> {BAD_VALUE}"),
    (b'{"id": "a", "attributes": [{"name": "n", "value": true}]}', f"Value: true {BAD_VALUE}"),
    (
        b'{"id": "a", "attributes": [{"name": "n", "value": {"k": [1]}}]}',
        f"Value: map[k:[1]] {BAD_VALUE}",
    ),
    (
        b'{"id": "a", "attributes": [{"name": "n", "value": [1, "a"]}]}',
        f"Value: [1 a] {BAD_VALUE}",
    ),
    (b'{"id": "a", "attributes": [{"name": "n", "value": [[1]]}]}', f"Value: [[1]] {BAD_VALUE}"),
    (
        b'{"id": "a", "attributes": [{"name": "n", "value": %s%s}]}' % (b"[" * 1000, b"]" * 1000),
        f"Value: {'[' * 200} {BAD_VALUE}",
    ),
    (
        b'{"id": "a", "attributes": [{"name": "n", "value": %s1%s}]}'
        % (b'{"k":' * 1000, b"}" * 1000),
        f"Value: {'map[k:' * 33}ma {BAD_VALUE}",
    ),
    (b'{"attributes": [{"value": null}]}', f"{NO_ID}Name: non zero value required;;Value: <nil>"),
    (
        b'{"id": "a", "attributes": [{"name": "n", "value": "%s"}]}' % (b"x" * 16_385),
        f"Value: {'x' * 200} does not validate as length(0|16384);;",
    ),
    (
        b'{"id": "a", "attributes": [{"name": "n", "value": [%s0]}]}' % (b"0," * 1000),
        f"Value: [{'0 ' * 99}0 does not validate as length(0|1000);;",
    ),
    (
        b'{"id": "a", "attributes": [{"name": "n", "value": 1, "description": "%s"}]}'
        % (b"d" * 1025),
        f"Description: {'d' * 200} does not validate as length(0|1024);;",
    ),
    (
        b'{"id": "a", "attributes": [%s]}'
        % b",".join(b'{"name": "n%d", "value": 1}' % number for number in range(201)),
        "the number of attributes in the scope is above the limit",
    ),
    (
        b'{"id": "a", "attributes": [%s]}'
        % b",".join(b'{"name": "n%d", "value": "%s"}' % (n, b"x" * 4000) for n in range(20)),
        "the number of attributes in the scope is above the limit",
    ),
    (b'{"id": "~other~a"}', "ID: devices are made in the default application only;"),
    (b'{"id": "~a"}', "ID: devices are made in the default application only;"),
]


@pytest.mark.parametrize(("body", "text"), FAULTS)
def test_what_is_wrong_with_a_new_device_is_told(
    manager: httpx.Client, body: bytes, text: str
) -> None:
    headers = {"Content-Type": "application/json"}
    reply = manager.post(f"{BASE}/devices", content=body, headers=headers)
    assert reply.status_code == 400
    assert error_text(reply).startswith(text)


def test_a_removed_device_is_gone_with_all_that_was_known(fleet: Fleet) -> None:
    identifier = fleet.device(a=1)
    fleet.move(identifier, f"g-{secrets.token_hex(4)}")
    reply = fleet.manager.delete(f"{BASE}/devices/{identifier}")
    assert (reply.status_code, reply.content) == (204, b"")
    gone = fleet.manager.get(f"{BASE}/devices/{identifier}")
    assert gone.status_code == 404
    assert error_text(gone) == "Device not found"
    assert fleet.listed(**{"identity/id": identifier}) == []
    fleet.device(identifier)
    assert fleet.group_of(identifier) is None
    assert attributes_of(fleet.show(identifier)) == {}


def test_removing_what_is_not_there_is_done_already(manager: httpx.Client) -> None:
    assert manager.delete(f"{BASE}/devices/nothing").status_code == 204


def test_a_device_held_by_a_finalizer_is_gone_for_clients(
    fleet: Fleet, server: FacadeServer
) -> None:
    identifier = fleet.device(held="yes")
    device = fleet.cached(identifier)
    kind = server.facade.cache.devices.kind
    held = {"metadata": {"finalizers": ["example.com/wait"]}}
    server.call(server.facade.writer.patch(kind, device, held))
    assert fleet.manager.delete(f"{BASE}/devices/{identifier}").status_code == 204
    assert fleet.manager.get(f"{BASE}/devices/{identifier}").status_code == 404
    assert fleet.listed(held="yes") == []
    assert fleet.manager.post(f"{BASE}/devices", json={"id": identifier}).status_code == 409
    freed = {"metadata": {"finalizers": None}}
    server.call(server.facade.writer.patch(kind, fleet.cached(identifier), freed))


def test_the_services_own_paths_answer_the_same(fleet: Fleet) -> None:
    identifier = fleet.device(a=1)
    shown = fleet.manager.get(f"{SERVICE}/devices/{identifier}")
    assert shown.json() == fleet.show(identifier)
    assert fleet.manager.get(f"{SERVICE}/devices?per_page=1").status_code == 200
    assert fleet.manager.get(f"{SERVICE}/groups").status_code == 200


def test_updated_ts_moves_when_the_device_tells_something_new(fleet: Fleet) -> None:
    identifier = fleet.device(a=1)
    before = fleet.show(identifier)["updated_ts"]
    time.sleep(0.01)
    assert fleet.upload(identifier, [{"name": "b", "value": 2}]).status_code == 200
    assert fleet.show(identifier)["updated_ts"] > before
