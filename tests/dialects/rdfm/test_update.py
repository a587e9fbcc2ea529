"""The question for an update: what each answer depends on."""

import secrets

import httpx
import pytest

from tests.dialects.rdfm.fleet import Fleet, error_text
from tests.dialects.waiting import eventually
from tests.facade_fixtures import StartFacade

OFFER = {"id", "created", "sha256", "uri"}


def test_a_device_without_a_group_gets_nothing(fleet: Fleet) -> None:
    device, _ = fleet.device()
    reply = device.check()
    assert (reply.status_code, reply.content) == (204, b"")


def test_a_group_that_wants_no_update_gives_nothing(fleet: Fleet) -> None:
    device, serial = fleet.device()
    fleet.group(devices=[serial], packages=[fleet.package("v1")["id"]])
    assert device.check().status_code == 204


def test_a_group_without_packages_gives_nothing(fleet: Fleet) -> None:
    device, serial = fleet.device()
    fleet.group(devices=[serial], policy="exact_match,v1")
    assert device.check().status_code == 204


def test_the_version_that_the_group_wants_is_offered(fleet: Fleet) -> None:
    device, serial = fleet.device()
    content = secrets.token_bytes(300)
    package = fleet.package("v1", content=content)
    fleet.group(devices=[serial], packages=[package["id"]], policy="exact_match,v1")
    reply = device.check()
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    offer = reply.json()
    assert set(offer) == OFFER
    assert (offer["id"], offer["sha256"]) == (package["id"], package["sha256"])
    assert offer["created"] == package["created"]
    assert httpx.get(offer["uri"], trust_env=False).content == content


def test_a_device_on_the_version_gets_nothing(fleet: Fleet) -> None:
    device, serial = fleet.device(version="v1")
    fleet.group(devices=[serial], packages=[fleet.package("v1")["id"]], policy="exact_match,v1")
    assert device.check().status_code == 204


def test_what_the_device_says_now_counts_not_what_it_said_before(fleet: Fleet) -> None:
    device, serial = fleet.device(version="v0")
    fleet.group(devices=[serial], packages=[fleet.package("v1")["id"]], policy="exact_match,v1")
    assert device.check().status_code == 200
    assert device.check(**{"rdfm.software.version": "v1"}).status_code == 204


def test_a_package_for_another_type_is_never_offered(fleet: Fleet) -> None:
    device, serial = fleet.device(device_type="foo")
    packages = [
        fleet.package("v1", "foo", requires__rdfm_software_version="vX")["id"],
        fleet.package("v0", "bar")["id"],
        fleet.package("v1", "bar", requires__rdfm_software_version="v0")["id"],
    ]
    fleet.group(devices=[serial], packages=packages, policy="exact_match,v1")
    assert device.check().status_code == 204


def test_the_way_to_the_version_is_walked_step_by_step(fleet: Fleet) -> None:
    device, serial = fleet.device(version="v0")
    first = fleet.package("v1", requires__rdfm_software_version="v0")
    second = fleet.package("v2", requires__rdfm_software_version="v1")
    fleet.group(devices=[serial], packages=[second["id"], first["id"]], policy="exact_match,v2")
    assert device.check().json()["id"] == first["id"]
    assert device.check(**{"rdfm.software.version": "v1"}).json()["id"] == second["id"]
    assert device.check(**{"rdfm.software.version": "v2"}).status_code == 204


def test_a_delta_is_offered_only_to_who_can_apply_it(fleet: Fleet) -> None:
    device, serial = fleet.device()
    package = fleet.manager.post(
        "/api/v1/packages",
        data={
            "rdfm.software.version": "v1",
            "rdfm.hardware.devtype": "dummy",
            "requires:rdfm.software.supports_xdelta": "true",
        },
        files={"file": ("f", b"delta")},
    ).json()
    fleet.group(devices=[serial], packages=[package["id"]], policy="exact_match,v1")
    assert device.check().status_code == 204
    assert device.check(**{"rdfm.software.supports_xdelta": "true"}).json()["id"] == package["id"]


def test_an_older_version_is_offered_if_the_group_wants_it(fleet: Fleet) -> None:
    device, serial = fleet.device(version="v9")
    package = fleet.package("v1")
    fleet.group(devices=[serial], packages=[package["id"]], policy="exact_match,v1")
    assert device.check().json()["id"] == package["id"]


def test_only_the_active_group_counts(fleet: Fleet) -> None:
    device, serial = fleet.device()
    package = fleet.package("v1")
    fleet.group(devices=[serial], packages=[package["id"]], policy="exact_match,v1", priority=30)
    fleet.group(devices=[serial], priority=10)
    assert device.check().status_code == 204


def test_a_change_of_the_group_counts_at_once(fleet: Fleet) -> None:
    device, serial = fleet.device()
    package = fleet.package("v1")
    group = fleet.group(devices=[serial], packages=[package["id"]], policy="exact_match,v1")
    token = device.token()
    assert device.check(token).status_code == 200
    fleet.manager.post(f"/api/v1/groups/{group}/policy", json={"policy": "no_update,"})
    assert device.check(token).status_code == 204


def test_what_was_offered_shows_in_the_devices_status(fleet: Fleet) -> None:
    device, serial = fleet.device()
    package = fleet.package("v1")
    fleet.group(devices=[serial], packages=[package["id"]], policy="exact_match,v1")
    for _ in range(5):
        assert device.check().status_code == 200
    update = eventually(lambda: fleet.server.facade.cache.devices.by_serial(serial).status.update)
    assert update.state == "Offered"
    assert update.package.endswith(f"package-{package['id']}")
    assert update.attempts == 1


@pytest.mark.parametrize("value", ["loopback", "", "x" * 1025, None, 7, ["x"]])
def test_the_token_of_one_device_answers_for_no_other(fleet: Fleet, value: object) -> None:
    device, _ = fleet.device()
    reply = device.check(**{"rdfm.hardware.macaddr": value})
    assert reply.status_code == (401 if value == "loopback" else 400)
    error_text(reply)


@pytest.mark.parametrize(
    "key", ["rdfm.software.version", "rdfm.hardware.devtype", "rdfm.hardware.macaddr"]
)
def test_metadata_without_a_compulsory_key_is_refused(fleet: Fleet, key: str) -> None:
    device, _ = fleet.device()
    token = device.token()
    del device.metadata[key]
    reply = device.check(token)
    assert reply.status_code == 400
    assert key in error_text(reply)


@pytest.mark.parametrize("value", [1, None, True, {"a": "b"}, ["a", 1], 1.5])
def test_a_value_that_is_neither_text_nor_list_is_refused(fleet: Fleet, value: object) -> None:
    device, _ = fleet.device()
    assert device.check(extra=value).status_code == 400


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff"])
def test_a_body_that_is_no_object_is_refused(fleet: Fleet, body: bytes) -> None:
    device, _ = fleet.device()
    reply = device.client.post(
        "/api/v1/update/check",
        content=body,
        headers={
            "Authorization": f"Bearer token={device.token()}",
            "Content-Type": "application/json",
        },
    )
    assert reply.status_code == 400
    error_text(reply)


def test_a_body_of_another_type_or_length_is_refused(fleet: Fleet) -> None:
    device, _ = fleet.device()
    headers = {"Authorization": f"Bearer token={device.token()}"}
    reply = device.client.post("/api/v1/update/check", data={"a": "b"}, headers=headers)
    assert reply.status_code == 415
    error_text(reply)
    assert device.check(note="x" * 70_000).status_code == 413


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer token=",
        "Bearer token=x.y.z",
        "Basic dXNlcjpwYXNz",
        "token=x",
        "Bearer token=" + "x" * 9000,
    ],
)
def test_without_a_devices_token_there_is_no_answer(fleet: Fleet, header: str | None) -> None:
    device, _ = fleet.device()
    headers = {} if header is None else {"Authorization": header}
    reply = device.client.post("/api/v1/update/check", json=device.metadata, headers=headers)
    assert reply.status_code == 401
    error_text(reply)


def test_a_managers_token_is_no_devices_token(fleet: Fleet) -> None:
    device, _ = fleet.device()
    reply = fleet.manager.post("/api/v1/update/check", json=device.metadata)
    assert reply.status_code == 401


@pytest.mark.parametrize(
    "form", ["Bearer token={}", "bearer token={}", 'Bearer token="{}"', "Bearer {}"]
)
def test_the_token_may_be_written_in_all_forms_of_clients(fleet: Fleet, form: str) -> None:
    device, _ = fleet.device()
    headers = {"Authorization": form.format(device.token())}
    reply = device.client.post("/api/v1/update/check", json=device.metadata, headers=headers)
    assert reply.status_code == 204


def test_a_tampered_token_is_refused(fleet: Fleet) -> None:
    device, _ = fleet.device()
    head, claims, signature = device.token().split(".")
    flipped = "A" if signature[0] != "A" else "B"
    assert device.check(f"{head}.{claims}.{flipped}{signature[1:]}").status_code == 401


def test_links_carry_the_configured_address(start_facade: StartFacade) -> None:
    starting = start_facade(public_url="https://updates.example.com/", insecure=True)
    with starting as server, server.client() as caller:
        fleet = Fleet(server, caller, caller)
        device, serial = fleet.device()
        package = fleet.package("v1")["id"]
        fleet.group(devices=[serial], packages=[package], policy="exact_match,v1")
        uri = device.check().json()["uri"]
    assert uri.startswith("https://updates.example.com/local_storage/")


def test_a_replica_that_heard_nothing_for_too_long_offers_nothing(
    start_facade: StartFacade,
) -> None:
    with start_facade(insecure=True, stale_after=1e-9) as server, server.client() as caller:
        fleet = Fleet(server, caller, caller)
        device, serial = fleet.device()
        package = fleet.package("v1")["id"]
        fleet.group(devices=[serial], packages=[package], policy="exact_match,v1")
        assert device.check().status_code == 204
