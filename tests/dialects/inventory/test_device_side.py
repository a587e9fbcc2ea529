"""What devices upload with their own tokens."""

import secrets
from typing import Any

import httpx
import pytest

from polyfleet.fleet.attributes import decode
from tests.dialects.inventory.fleet import BASE, UPLOAD, Fleet, attributes_of, error_text
from tests.facade_fixtures import FacadeServer


def entry(name: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "value": value, **more}


def test_an_upload_sets_what_it_names_and_leaves_the_rest(fleet: Fleet) -> None:
    device = fleet.device(declared="by people")
    first = fleet.upload(device, [entry("a", 1, description="first"), entry("b", ["x"])])
    assert (first.status_code, first.content) == (200, b"")
    assert fleet.upload(device, [entry("b", 2), entry("c", "z")]).status_code == 200
    shown = fleet.show(device)
    assert attributes_of(shown) == {"declared": "by people", "a": 1, "b": 2, "c": "z"}
    assert next(item for item in shown["attributes"] if item["name"] == "a") == {
        "name": "a",
        "value": 1,
        "description": "first",
    }
    sources = {item.source for item in decode(fleet.cached(device).status.reported)}
    assert sources == {"inventory"}


def test_a_put_replaces_all_that_the_device_told(fleet: Fleet) -> None:
    device = fleet.device(declared="by people")
    fleet.upload(device, [entry("a", 1), entry("b", 2)])
    assert fleet.upload(device, [entry("b", 3)], method="PUT").status_code == 200
    assert attributes_of(fleet.show(device)) == {"declared": "by people", "b": 3}
    assert fleet.upload(device, [], method="PUT").status_code == 200
    assert attributes_of(fleet.show(device)) == {"declared": "by people"}


def test_what_the_device_tells_is_seen_over_what_people_declare(fleet: Fleet) -> None:
    device = fleet.device(site="declared")
    fleet.upload(device, [entry("site", "told")])
    assert attributes_of(fleet.show(device)) == {"site": "told"}


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_the_version_told_here_is_what_the_device_runs(
    fleet: Fleet, server: FacadeServer, method: str
) -> None:
    device = fleet.device()
    before = server.facade.reports.replace(fleet.cached(device), "rdfm", (), version="v1")
    server.call(before)
    assert attributes_of(fleet.show(device)) == {"rdfm.software.version": "v1"}
    told = [entry("rdfm.software.version", "v2")]
    assert fleet.upload(device, told, method=method).status_code == 200
    assert attributes_of(fleet.show(device)) == {"rdfm.software.version": "v2"}
    software = fleet.cached(device).status.software
    assert software is not None
    assert software.version == "v2"


@pytest.mark.parametrize("value", ["", 2, ["v2"], "v" * 1025])
def test_what_cannot_be_a_version_is_told_all_the_same(fleet: Fleet, value: Any) -> None:
    device = fleet.device()
    assert fleet.upload(device, [entry("rdfm.software.version", value)]).status_code == 200
    assert attributes_of(fleet.show(device)) == {"rdfm.software.version": value}
    assert fleet.cached(device).status.software is None


def test_telling_the_same_again_writes_nothing(fleet: Fleet) -> None:
    device = fleet.device()
    fleet.upload(device, [entry("a", 1)])
    version = decode(fleet.cached(device).status.reported)
    for _ in range(8):
        assert fleet.upload(device, [entry("a", 1)]).status_code == 200
        assert fleet.upload(device, []).status_code == 200
    assert decode(fleet.cached(device).status.reported) == version


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_an_upload_is_json_of_some_length(fleet: Fleet, server: FacadeServer, method: str) -> None:
    with server.client(fleet.token(fleet.device())) as device:
        headers = {"Content-Type": "text/plain"}
        reply = device.request(method, UPLOAD, content=b"[]", headers=headers)
        assert reply.status_code == 415
        error_text(reply)
        reply = device.request(method, UPLOAD, json=["x" * 1024 * 1024])
        assert reply.status_code == 413
        error_text(reply)


def test_a_device_that_tells_too_often_is_told_to_wait(fleet: Fleet) -> None:
    device = fleet.device()
    for number in range(3):
        assert fleet.upload(device, [entry("n", number)]).status_code == 200
    reply = fleet.upload(device, [entry("n", "more")])
    assert reply.status_code == 429
    assert int(reply.headers["retry-after"]) > 0
    error_text(reply)
    assert fleet.upload(device, [entry("n", "more")], method="PUT").status_code == 429
    assert attributes_of(fleet.show(device)) == {"n": 2}


def test_the_services_own_path_answers_too(fleet: Fleet, server: FacadeServer) -> None:
    device = fleet.device()
    with server.client(fleet.token(device)) as client:
        reply = client.patch("/api/0.1.0/attributes", json=[entry("a", 1)])
    assert reply.status_code == 200
    assert attributes_of(fleet.show(device)) == {"a": 1}


def test_the_management_path_of_it_is_none(fleet: Fleet, server: FacadeServer) -> None:
    with server.client(fleet.token(fleet.device())) as client:
        reply = client.patch(f"{BASE}/device/attributes", json=[entry("a", 1)])
    assert (reply.status_code, error_text(reply)) == (404, "Resource not found")


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "failed to decode request body: JSON payload is empty"),
        (b"[", "failed to decode request body"),
        (b"null", "failed to decode request body: a list of attributes is expected"),
        (b"{}", "failed to decode request body: a list of attributes is expected"),
        (b'["a"]', "failed to decode request body: a JSON object is expected"),
        (b'[{"value": 1}]', "Name: non zero value required;"),
        (b'[{"name": "a"}]', "Value: <nil> does not validate as deviceAttributeValueValidator;"),
        (
            b"[%s]" % b",".join(b'{"name": "n%d", "value": 1}' % n for n in range(201)),
            "the number of attributes in the scope is above the limit",
        ),
        (
            b"[%s]"
            % b",".join(b'{"name": "n%d", "value": "%s"}' % (n, b"x" * 4000) for n in range(20)),
            "the number of attributes in the scope is above the limit",
        ),
    ],
)
def test_what_is_wrong_with_an_upload_is_told(
    fleet: Fleet, server: FacadeServer, method: str, body: bytes, text: str
) -> None:
    headers = {"Content-Type": "application/json"}
    with server.client(fleet.token(fleet.device())) as client:
        reply = client.request(method, UPLOAD, content=body, headers=headers)
    assert reply.status_code == 400
    assert error_text(reply).startswith(text)


def test_uploads_may_not_add_up_beyond_the_limit(fleet: Fleet) -> None:
    device = fleet.device()
    many = [entry(f"n{number}", number) for number in range(200)]
    assert fleet.upload(device, many).status_code == 200
    reply = fleet.upload(device, [entry("one more", 1)])
    assert reply.status_code == 400
    assert len(attributes_of(fleet.show(device))) == 200


def unauthorized(reply: httpx.Response) -> bool:
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == 'Bearer realm="DeviceJWT"'
    return error_text(reply) == "unauthorized"


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_only_a_devices_own_token_is_taken(
    fleet: Fleet, manager: httpx.Client, anonymous: httpx.Client, method: str
) -> None:
    assert unauthorized(anonymous.request(method, UPLOAD, json=[]))
    assert unauthorized(manager.request(method, UPLOAD, json=[]))
    bad = {"Authorization": "Bearer x.y.z"}
    assert unauthorized(anonymous.request(method, UPLOAD, json=[], headers=bad))


def test_a_removed_or_disabled_device_is_heard_no_more(
    fleet: Fleet, server: FacadeServer, anonymous: httpx.Client
) -> None:
    removed, disabled = fleet.device(), fleet.device(own=(own := secrets.token_hex(5)))
    tokens = [fleet.token(removed), fleet.token(disabled)]
    fleet.manager.delete(f"{BASE}/devices/{removed}")
    kind = server.facade.cache.devices.kind
    off = {"spec": {"disabled": True}}
    name = fleet.cached(disabled).metadata.name
    server.call(server.facade.writer.update(kind, name, lambda _: off))
    for token in tokens:
        headers = {"Authorization": f"Bearer {token}"}
        assert unauthorized(anonymous.patch(UPLOAD, json=[], headers=headers))
    rejected = {"own": own, "identity/status": "rejected"}
    assert fleet.listed(**rejected) == [disabled]
