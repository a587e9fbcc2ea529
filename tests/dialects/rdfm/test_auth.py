"""Device authorization: the document's routes, and what real clients send."""

import secrets
import time

import httpx
import jwt
import pytest
from structlog.testing import capture_logs

from polyfleet.fleet.names import object_name
from polyfleet.fleet.objects.kinds import DEVICES
from tests.dialects.overtaking import overtaken
from tests.dialects.rdfm.fleet import SIGNATURE, Fleet, SimulatedDevice, error_text, pem_of, rsa_key
from tests.dialects.waiting import eventually


def pending(caller: httpx.Client, device: SimulatedDevice) -> list[dict[str, object]]:
    reply = caller.get("/api/v1/auth/pending")
    assert reply.status_code == 200
    return [item for item in reply.json() if item["mac_address"] == device.identifier]


def reference(device: SimulatedDevice) -> dict[str, str]:
    return {"mac_address": device.identifier, "public_key": device.pem}


def test_an_unknown_device_is_refused_and_waits_to_be_let_in(
    fleet: Fleet, reader: httpx.Client
) -> None:
    device = fleet.stranger()
    reply = device.ask()
    assert reply.status_code == 401
    error_text(reply)
    [waiting] = pending(reader, device)
    assert set(waiting) == {"last_appeared", "mac_address", "metadata", "public_key"}
    assert waiting["public_key"] == device.pem
    assert waiting["metadata"] == device.metadata
    assert str(waiting["last_appeared"]).endswith(" GMT")


def test_an_accepted_device_gets_a_token_with_the_claims_that_clients_read(fleet: Fleet) -> None:
    device, _ = fleet.device()
    before = int(time.time())
    reply = device.ask()
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    assert set(reply.json()) == {"expires", "token"}
    assert reply.json()["expires"] == 300
    claims = jwt.decode(reply.json()["token"], options={"verify_signature": False})
    assert claims["device_id"] == device.identifier
    assert claims["expires"] == 300
    assert before <= claims["created_at"] <= int(time.time())


def test_an_accepted_device_waits_no_longer(fleet: Fleet) -> None:
    device, _ = fleet.device()
    assert pending(fleet.manager, device) == []


def test_the_paths_of_the_documents_examples_answer_too(fleet: Fleet) -> None:
    device = fleet.stranger()
    device.ask()
    path = "/api/v1/auth/registrations"
    assert fleet.manager.get(path).content == fleet.manager.get("/api/v1/auth/pending").content
    assert fleet.manager.head(path).status_code == 200
    fleet.done(fleet.manager.post(path, json=reference(device)))
    assert device.ask().status_code == 200
    assert fleet.manager.delete(path).status_code == 405


def test_a_device_let_in_by_half_waits_no_longer(fleet: Fleet) -> None:
    device = fleet.stranger()
    device.ask()
    assert eventually(lambda: pending(fleet.manager, device))
    facade = fleet.server.facade

    async def let_in_by_a_process_that_dies() -> None:
        spec = {
            "application": "default",
            "deviceId": device.identifier,
            "publicKeys": [device.pem],
        }
        name = object_name("Device", "default", device.identifier)
        await facade.writer.create(DEVICES, name, spec)

    fleet.server.call(let_in_by_a_process_that_dies())
    assert pending(fleet.manager, device) == []
    assert device.ask().status_code == 200


def test_a_device_may_ask_at_a_path_with_two_slashes(fleet: Fleet) -> None:
    device, _ = fleet.device()
    url = f"{fleet.server.url}//api/v1/auth/device"
    assert device.ask(path=url).status_code == 200


@pytest.mark.parametrize("bits", [1024, 2048, 3072, 4096])
def test_keys_of_all_clients_sizes_are_taken(fleet: Fleet, bits: int) -> None:
    device, _ = fleet.device(key=rsa_key(bits))
    assert device.ask().status_code == 200


@pytest.mark.parametrize("form", ["pkcs1", "pkcs1 under the label PUBLIC KEY"])
def test_keys_in_the_forms_of_all_clients_are_taken(fleet: Fleet, form: str) -> None:
    device, serial = fleet.device(form=form)
    shown = fleet.manager.get(f"/api/v1/devices/{serial}").json()
    assert shown["public_key"] == device.pem


def test_the_same_key_in_another_form_is_the_same_key(fleet: Fleet) -> None:
    device, _ = fleet.device(form="spki")
    same = fleet.stranger(device.identifier, form="pkcs1 under the label PUBLIC KEY")
    assert same.ask().status_code == 200
    assert pending(fleet.manager, device) == []


def test_a_request_may_be_repeated_to_the_byte_for_as_long_as_the_client_likes(
    fleet: Fleet,
) -> None:
    device = fleet.stranger()
    body = device.body(timestamp=1_694_414_456)
    assert device.ask(body).status_code == 401
    fleet.accept(device)
    assert device.ask(body).status_code == 200
    assert device.ask(body).status_code == 200


@pytest.mark.parametrize("timestamp", [1_694_414_456_789, "1694414456", 1694414456.5, 0, -1])
def test_timestamps_of_all_clients_are_taken(fleet: Fleet, timestamp: object) -> None:
    assert fleet.stranger().ask(fleet.stranger().body()).status_code == 401
    device = fleet.stranger()
    assert device.ask(device.body(timestamp=timestamp)).status_code == 401


def test_a_request_without_a_content_type_is_read_as_json(fleet: Fleet) -> None:
    device, _ = fleet.device()
    body = device.body()
    request = device.client.build_request(
        "POST", "/api/v1/auth/device", content=body, headers={SIGNATURE: device.sign(body)}
    )
    request.headers.pop("content-type", None)
    assert device.client.send(request).status_code == 200


BAD_BODIES = {
    "no metadata": {"metadata": None},
    "no key": {"public_key": None},
    "no timestamp": {"timestamp": None},
    "an unknown field": {"extra": 1},
    "metadata that is a list": {"metadata": ["x"]},
    "metadata that is a text": {"metadata": "x"},
    "a key that is a number": {"public_key": 7},
    "a key that is no PEM": {"public_key": "AAAA"},
    "a key with a broken body": {
        "public_key": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"
    },
    "a timestamp that is a word": {"timestamp": "now"},
    "a timestamp that is true": {"timestamp": True},
    "a timestamp that is a list": {"timestamp": [1]},
}


@pytest.mark.parametrize("changes", BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_a_body_at_fault_is_refused(fleet: Fleet, changes: dict[str, object]) -> None:
    device = fleet.stranger()
    body = device.body(**changes)
    reply = device.ask(body)
    assert reply.status_code == 400
    error_text(reply)


BAD_METADATA = {
    "without version": {"rdfm.software.version": None},
    "without type": {"rdfm.hardware.devtype": None},
    "without id": {"rdfm.hardware.macaddr": None},
    "with an empty id": {"rdfm.hardware.macaddr": ""},
    "with an endless id": {"rdfm.hardware.macaddr": "x" * 1025},
    "with a number": {"extra": 1},
    "with a truth value": {"extra": True},
    "with an object": {"extra": {"a": "b"}},
    "with a mixed list": {"extra": ["a", 1]},
    "with an endless text": {"extra": "x" * 4097},
    "with too much in all": {f"key-{n}": "x" * 1000 for n in range(9)},
    "with too many keys": {f"key-{n}": "x" for n in range(200)},
    "with a key without a name": {"": "x"},
}


@pytest.mark.parametrize("changes", BAD_METADATA.values(), ids=BAD_METADATA.keys())
def test_metadata_at_fault_is_refused(fleet: Fleet, changes: dict[str, object]) -> None:
    device = fleet.stranger()
    metadata = {k: v for k, v in {**device.metadata, **changes}.items() if v is not None}
    reply = device.ask(device.body(metadata=metadata))
    assert reply.status_code == 400
    assert "schema validation failed" in error_text(reply)


def test_metadata_with_null_is_refused(fleet: Fleet) -> None:
    device = fleet.stranger()
    reply = device.ask(device.body(metadata={**device.metadata, "extra": None}))
    assert reply.status_code == 400


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 50_000])
def test_a_body_that_is_no_json_object_is_refused(fleet: Fleet, body: bytes) -> None:
    reply = fleet.stranger().ask(body)
    assert reply.status_code == 400
    error_text(reply)


def test_a_body_of_another_type_is_refused(fleet: Fleet) -> None:
    reply = fleet.stranger().ask(**{"Content-Type": "text/plain"})
    assert reply.status_code == 415
    error_text(reply)


def test_a_device_that_waits_and_is_changed_by_others_all_the_time_still_waits(
    fleet: Fleet,
) -> None:
    device = fleet.stranger()
    assert device.ask().status_code == 401
    device.metadata["rdfm.software.version"] = "v9"
    with overtaken(fleet.server):
        assert device.ask().status_code == 401
    assert device.ask().status_code == 401
    [waiting] = pending(fleet.manager, device)
    assert waiting["metadata"] == device.metadata


def test_a_body_that_is_too_large_is_refused(fleet: Fleet) -> None:
    reply = fleet.stranger().ask(b'{"x":"' + b"x" * 70_000 + b'"}')
    assert reply.status_code == 413
    error_text(reply)


def test_a_missing_signature_is_refused(fleet: Fleet) -> None:
    device = fleet.stranger()
    reply = device.client.post("/api/v1/auth/device", json={**reference_body(device)})
    assert reply.status_code == 400
    assert "signature" in error_text(reply).lower()


@pytest.mark.parametrize("signature", ["", "*", "AAA", "QUJD", b"\xc3\xa4"])
def test_a_signature_that_is_none_is_refused(fleet: Fleet, signature: str | bytes) -> None:
    reply = fleet.stranger().ask(**{SIGNATURE: signature})
    assert reply.status_code == 400
    error_text(reply)


def test_a_signature_of_another_key_is_refused(fleet: Fleet) -> None:
    device, _ = fleet.device()
    impostor = fleet.stranger(device.identifier, key=rsa_key(2048, 1))
    body = device.body()
    reply = device.ask(body, **{SIGNATURE: impostor.sign(body)})
    assert reply.status_code == 400
    error_text(reply)


def test_a_signature_of_another_body_is_refused(fleet: Fleet) -> None:
    device, _ = fleet.device()
    reply = device.ask(**{SIGNATURE: device.sign(b"{}")})
    assert reply.status_code == 400


@pytest.mark.parametrize("bits", [512, 768])
def test_a_key_that_is_too_short_is_refused(fleet: Fleet, bits: int) -> None:
    # The library makes no such keys; these were made once with another tool.
    device = fleet.stranger()
    reply = device.ask(device.body(public_key=SHORT_KEYS[bits]))
    assert reply.status_code == 400
    assert "bits" in error_text(reply)


SHORT_KEYS = {
    512: """-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAPpP1sSOEen0EmVZhgIE0tG8aR83RKWL
80aSH4xNXYx6n2oi7GCCsat5hMdgZZikilSM7mokvVLxLuQ4wIZqDBECAwEAAQ==
-----END PUBLIC KEY-----
""",
    768: """-----BEGIN PUBLIC KEY-----
MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhAMz+VMkM6nWMrZFQKhLziB4sWpFkad/x
RNGeKKffzXf3A2LWzMuxtpTHoIVRMOwagLB1jBlYD0D8yRLwI5XRPy3O0YdkbI4L
UDKjcTQ/1HUTi5KVGay7Mbrilgq5/iPcyQIDAQAB
-----END PUBLIC KEY-----
""",
}


def test_another_key_for_a_known_id_waits_beside_the_device(fleet: Fleet) -> None:
    device, _ = fleet.device()
    other = fleet.stranger(device.identifier, key=rsa_key(2048, 1))
    assert other.ask().status_code == 401
    assert device.ask().status_code == 200
    [waiting] = pending(fleet.manager, device)
    assert waiting["public_key"] == other.pem


def test_accepting_another_key_replaces_the_old_one_and_keeps_the_identifier(fleet: Fleet) -> None:
    device, serial = fleet.device()
    group = fleet.group(devices=[serial])
    other = fleet.stranger(device.identifier, key=rsa_key(2048, 1))
    other.ask()
    fleet.accept(other)
    assert other.ask().status_code == 200
    assert device.ask().status_code == 401
    shown = fleet.manager.get(f"/api/v1/devices/{serial}").json()
    assert (shown["public_key"], shown["group"]) == (other.pem, group)


def test_several_keys_may_wait_for_one_id(fleet: Fleet) -> None:
    first = fleet.stranger()
    second = fleet.stranger(first.identifier, key=rsa_key(2048, 1))
    assert (first.ask().status_code, second.ask().status_code) == (401, 401)
    assert {str(item["public_key"]) for item in pending(fleet.manager, first)} == {
        first.pem,
        second.pem,
    }


def test_a_device_that_asks_again_is_listed_once_with_its_newest_metadata(fleet: Fleet) -> None:
    device = fleet.stranger()
    device.ask()
    device.metadata = {**device.metadata, "rdfm.software.version": "v7", "tags": ["a", "b"]}
    device.ask()
    [waiting] = pending(fleet.manager, device)
    assert waiting["metadata"] == device.metadata


def test_each_authorization_replaces_the_devices_metadata(fleet: Fleet) -> None:
    device, serial = fleet.device()
    device.metadata = {**device.metadata, "rdfm.software.version": "v9", "extra": "x"}
    assert device.ask().status_code == 200
    shown = fleet.manager.get(f"/api/v1/devices/{serial}").json()
    assert shown["metadata"] == device.metadata


def test_registering_takes_the_key_in_any_form(fleet: Fleet) -> None:
    device = fleet.stranger(form="pkcs1 under the label PUBLIC KEY")
    device.ask()
    other_form = {"mac_address": device.identifier, "public_key": pem_of(device.key, "spki")}
    fleet.done(fleet.manager.post("/api/v1/auth/register", json=other_form))
    assert device.ask().status_code == 200


def test_a_pending_item_may_be_sent_back_as_it_was_listed(fleet: Fleet) -> None:
    device = fleet.stranger()
    device.ask()
    [item] = pending(fleet.manager, device)
    fleet.done(fleet.manager.post("/api/v1/auth/register", json=item))
    assert device.ask().status_code == 200


def test_what_does_not_wait_cannot_be_registered(fleet: Fleet) -> None:
    reply = fleet.manager.post("/api/v1/auth/register", json=reference(fleet.stranger()))
    assert reply.status_code == 404
    error_text(reply)


def test_a_registration_is_named_by_id_and_key(fleet: Fleet) -> None:
    device = fleet.stranger()
    device.ask()
    other = {"mac_address": device.identifier, "public_key": pem_of(rsa_key(2048, 1))}
    assert fleet.manager.post("/api/v1/auth/register", json=other).status_code == 404
    assert len(pending(fleet.manager, device)) == 1


def test_a_removed_registration_is_forgotten_until_the_device_asks_again(fleet: Fleet) -> None:
    device = fleet.stranger()
    device.ask()
    removal = fleet.manager.request("DELETE", "/api/v1/auth/pending", json=reference(device))
    fleet.done(removal)
    assert pending(fleet.manager, device) == []
    again = fleet.manager.request("DELETE", "/api/v1/auth/pending", json=reference(device))
    assert again.status_code == 404
    device.ask()
    assert len(pending(fleet.manager, device)) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"mac_address": "x"},
        {"public_key": "x"},
        {"mac_address": 1, "public_key": "y"},
        {"mac_address": "x", "public_key": None},
        [],
        "text",
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/v1/auth/register"), ("DELETE", "/api/v1/auth/pending")]
)
def test_a_reference_at_fault_is_refused(
    fleet: Fleet, method: str, path: str, body: object
) -> None:
    reply = fleet.manager.request(method, path, json=body)
    assert reply.status_code == 400
    error_text(reply)


def test_an_id_that_looks_like_another_applications_does_not_get_in(fleet: Fleet) -> None:
    device = fleet.stranger("~elsewhere~device")
    assert device.ask().status_code == 401
    assert pending(fleet.manager, device) == []


def test_an_id_that_begins_with_one_tilde_is_noted_in_the_log_once(fleet: Fleet) -> None:
    device = fleet.stranger(f"~{secrets.token_hex(6)}")
    with capture_logs() as lines:
        assert [device.ask().status_code for _ in range(3)] == [401] * 3
    told = [line for line in lines if line.get("id") == device.identifier]
    assert [line["log_level"] for line in told] == ["info"]
    assert "doubled" in told[0]["event"]
    waiting = fleet.manager.get("/api/v1/auth/pending").json()
    assert device.identifier not in [item["mac_address"] for item in waiting]


def test_an_id_with_a_doubled_tilde_is_a_plain_one_with_a_tilde(fleet: Fleet) -> None:
    device, serial = fleet.device("~~tilde")
    assert fleet.manager.get(f"/api/v1/devices/{serial}").json()["name"] == "~~tilde"
    assert device.check().status_code == 204


@pytest.mark.parametrize("name", ["Füße 1", "a/b", "x" * 1024, "00:11:22:33:44:55", "DROP TABLE;"])
def test_an_id_may_be_any_text(fleet: Fleet, name: str) -> None:
    _, serial = fleet.device(name)
    assert fleet.manager.get(f"/api/v1/devices/{serial}").json()["mac_address"] == name


def test_last_access_is_when_the_device_last_spoke(fleet: Fleet) -> None:
    device, serial = fleet.device()
    device.check()
    shown = fleet.manager.get(f"/api/v1/devices/{serial}").json()
    assert shown["last_access"].endswith(" GMT")


def test_a_removed_devices_token_holds_no_longer(fleet: Fleet) -> None:
    device, serial = fleet.device()
    token = device.token()
    fleet.done(fleet.manager.delete(f"/api/v1/devices/{serial}"))
    assert device.check(token).status_code == 401
    assert device.ask().status_code == 401
    assert eventually(lambda: pending(fleet.manager, device))


def reference_body(device: SimulatedDevice) -> dict[str, object]:
    return {"metadata": device.metadata, "public_key": device.pem, "timestamp": 1}
