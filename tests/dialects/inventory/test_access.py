"""Who gets what answer, and the form of every error."""

import base64
import secrets
import uuid
from typing import Any

import httpx
import pytest

from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.objects.kinds import APPLICATIONS, DEVICES
from tests.dialects.closed_routes import ClosedRoutes
from tests.dialects.inventory.fleet import (
    BASE,
    LOGIN,
    SEARCH,
    SERVICE,
    UPLOAD,
    Fleet,
    error_text,
)
from tests.facade_fixtures import FacadeServer

READS = [
    ("GET", f"{BASE}/devices"),
    ("GET", f"{BASE}/devices/nothing"),
    ("GET", f"{BASE}/devices/nothing/group"),
    ("GET", f"{BASE}/groups"),
    ("GET", f"{BASE}/groups/nothing/devices"),
    ("GET", f"{SERVICE}/devices"),
    ("POST", SEARCH),
]
WRITES = [
    ("POST", f"{BASE}/devices"),
    ("DELETE", f"{BASE}/devices/nothing"),
    ("PUT", f"{BASE}/devices/nothing/group"),
    ("DELETE", f"{BASE}/devices/nothing/group/g"),
    ("PATCH", f"{BASE}/groups/g/devices"),
    ("DELETE", f"{BASE}/groups/g/devices"),
    ("POST", f"{SERVICE}/devices"),
]
ALL = READS + WRITES


@pytest.mark.parametrize(("method", "path"), ALL)
class TestEveryRoute(ClosedRoutes):
    told = "Authorization not present in header"
    challenge = 'Bearer realm="ManagementJWT"'
    text_of = staticmethod(error_text)


@pytest.mark.parametrize(("method", "path"), ALL)
def test_a_devices_token_opens_nothing(
    fleet: Fleet, server: FacadeServer, method: str, path: str
) -> None:
    with server.client(fleet.token(fleet.device())) as client:
        assert client.request(method, path).status_code == 401


@pytest.mark.parametrize(("method", "path"), ALL)
def test_a_caller_without_rights_gets_nothing(
    stranger: httpx.Client, method: str, path: str
) -> None:
    reply = stranger.request(method, path)
    assert reply.status_code == 403
    error_text(reply)


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_a_reader_changes_nothing(reader: httpx.Client, method: str, path: str) -> None:
    reply = reader.request(method, path)
    assert reply.status_code == 403
    error_text(reply)


def test_a_reader_reads(reader: httpx.Client, fleet: Fleet) -> None:
    device = fleet.device()
    fleet.move(device, group := f"g-{secrets.token_hex(4)}")
    assert reader.get(f"{BASE}/devices/{device}").status_code == 200
    assert reader.get(f"{BASE}/devices", params={"group": group}).json() != []
    assert group in reader.get(f"{BASE}/groups").json()
    assert reader.post(SEARCH, json={"device_ids": [device]}).json() != []


class Elsewhere:
    """An application beside the default one, with a device and people of different roles."""

    def __init__(self, server: FacadeServer, role: str = "manager") -> None:
        self.name = f"app-{secrets.token_hex(4)}"
        user = f"user-{secrets.token_hex(4)}"
        self.token = server.user_token(user)
        uid = next(
            u.metadata.uid for u in server.facade.cache.users.values() if u.spec.name == user
        )
        writer = server.facade.writer
        now = timestamp(server.facade.clock())
        members = [{"user": user, "uid": uid, "role": role}]
        spec: dict[str, Any] = {"name": self.name, "createdAt": now, "members": members}
        server.call(writer.create(APPLICATIONS, self.name, spec))
        device = {"application": self.name, "deviceId": "sensor", "createdAt": now}
        server.call(writer.create(DEVICES, f"{self.name}.sensor", device))
        self.device = f"~{self.name}~sensor"


def test_a_member_elsewhere_sees_and_changes_only_what_is_there(
    fleet: Fleet, server: FacadeServer
) -> None:
    elsewhere, own = Elsewhere(server), fleet.device()
    fleet.move(own, group := f"g-{secrets.token_hex(4)}")
    with server.client(elsewhere.token) as caller:
        listed = caller.get(f"{BASE}/devices")
        assert [item["id"] for item in listed.json()] == [elsewhere.device]
        assert listed.headers["x-total-count"] == "1"
        assert [item["id"] for item in caller.post(SEARCH, json={}).json()] == [elsewhere.device]
        assert caller.get(f"{BASE}/devices/{elsewhere.device}").status_code == 200
        assert caller.get(f"{BASE}/devices/{own}").status_code == 404
        assert caller.get(f"{BASE}/groups").json() == []
        assert caller.get(f"{BASE}/groups/{group}/devices").status_code == 404
        assert caller.get(f"{BASE}/devices/{own}/group").status_code == 404
        assert caller.post(f"{BASE}/devices", json={"id": "new"}).status_code == 403
        assert caller.delete(f"{BASE}/devices/{own}").status_code == 204
        put = caller.put(f"{BASE}/devices/{own}/group", json={"group": group})
        assert put.status_code == 404
        assert caller.patch(f"{BASE}/groups/{group}/devices", json=[own]).json() == {}
    assert fleet.group_of(own) == group


def test_groups_elsewhere_have_flat_names_too(server: FacadeServer) -> None:
    elsewhere = Elsewhere(server)
    path = f"{BASE}/devices/{elsewhere.device}/group"
    group = f"~{elsewhere.name}~canary"
    with server.client(elsewhere.token) as caller:
        wrong = caller.put(path, json={"group": "canary"})
        assert wrong.status_code == 400
        assert "belongs to another application" in error_text(wrong)
        assert caller.put(path, json={"group": group}).status_code == 204
        assert caller.get(path).json() == {"group": group}
        assert caller.get(f"{BASE}/groups").json() == [group]
        assert caller.get(f"{BASE}/groups/{group}/devices").json() == [elsewhere.device]
        assert caller.get(f"{BASE}/devices", params={"group": group}).json() != []
        assert caller.delete(f"{path}/{group}").status_code == 204
        assert caller.delete(f"{BASE}/devices/{elsewhere.device}").status_code == 204
        assert caller.get(f"{BASE}/devices").json() == []


def test_scopes_do_not_reach_elsewhere(fleet: Fleet, server: FacadeServer) -> None:
    elsewhere = Elsewhere(server)
    path = f"{BASE}/devices/{elsewhere.device}"
    assert fleet.manager.get(path).status_code == 404
    assert fleet.manager.delete(path).status_code == 204
    assert fleet.listed(**{"identity/id": elsewhere.device}) == []
    with server.client(elsewhere.token) as caller:
        assert caller.get(path).status_code == 200


def test_a_reader_elsewhere_changes_nothing_there(server: FacadeServer) -> None:
    elsewhere = Elsewhere(server, role="reader")
    path = f"{BASE}/devices/{elsewhere.device}"
    with server.client(elsewhere.token) as caller:
        assert caller.get(path).status_code == 200
        assert caller.delete(path).status_code == 403
        assert caller.put(f"{path}/group", json={"group": "g"}).status_code == 403


def test_one_who_reads_there_and_writes_here_does_neither_more(
    fleet: Fleet, server: FacadeServer
) -> None:
    elsewhere = Elsewhere(server)
    user = next(
        user
        for user in server.facade.cache.users.values()
        if user.spec.name
        == next(
            member.user
            for member in server.facade.cache.applications.get(elsewhere.name).spec.members  # type: ignore[union-attr]
        )
    )
    application = server.facade.cache.applications.get(elsewhere.name)
    assert application is not None
    writer = server.facade.writer
    reader = [{"user": user.spec.name, "uid": user.metadata.uid, "role": "reader"}]
    server.call(writer.patch(APPLICATIONS, application, {"spec": {"members": reader}}))
    server.call(
        writer.patch(server.facade.cache.users.kind, user, {"spec": {"scopes": ["rdfm_admin_rw"]}})
    )
    with server.client(elsewhere.token) as caller:
        own = fleet.device(own=(own_mark := secrets.token_hex(4)))
        assert caller.get(f"{BASE}/devices", params={"own": own_mark}).json() != []
        both = caller.post(SEARCH, json={"device_ids": [own, elsewhere.device]})
        assert len(both.json()) == 2
        path = f"{BASE}/groups/g-{own_mark}/devices"
        assert caller.patch(path, json=[own, elsewhere.device]).status_code == 403
        assert fleet.group_of(own) is None
        assert caller.delete(f"{BASE}/devices/{elsewhere.device}").status_code == 403


def test_an_administrator_sees_the_devices_of_all_applications(
    fleet: Fleet, server: FacadeServer
) -> None:
    elsewhere, own = Elsewhere(server), fleet.device()
    token = server.user_token(f"admin-{secrets.token_hex(4)}", administrator=True)
    with server.client(token) as caller:
        found = caller.post(SEARCH, json={"device_ids": [own, elsewhere.device]}).json()
    assert {item["id"] for item in found} == {own, elsewhere.device}


def test_the_devices_of_an_application_on_its_way_out_are_gone(server: FacadeServer) -> None:
    elsewhere = Elsewhere(server)
    token = server.user_token(f"admin-{secrets.token_hex(4)}", administrator=True)
    application = server.facade.cache.applications.get(elsewhere.name)
    assert application is not None
    with server.client(token) as caller:
        ids = {"device_ids": [elsewhere.device]}
        assert len(caller.post(SEARCH, json=ids).json()) == 1
        server.call(server.facade.writer.delete(APPLICATIONS, application, checked=False))
        assert caller.post(SEARCH, json=ids).json() == []
        assert caller.get(f"{BASE}/devices/{elsewhere.device}").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        f"{BASE}/devices/",
        f"{BASE}/devices/x/",
        f"{BASE}/devices//group",
        f"{BASE}/devices/x/y",
        f"{BASE}/nothing",
        f"{BASE}/groups/g",
        f"{BASE}/groups//devices",
        f"{BASE}/devices/%ff",
        f"{BASE}",
        "/api/management/v1/nothing",
        "/api/management",
        "/api/devices/v1/nothing",
        "/api/0.1.0",
        "/api/0.1.0/device/attributes",
        "/api/management/v1/inventory/device/attributes",
    ],
)
def test_a_path_that_is_none_is_not_found(manager: httpx.Client, path: str) -> None:
    reply = manager.get(path)
    assert (reply.status_code, error_text(reply)) == (404, "Resource not found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", f"{BASE}/devices", "GET, POST"),
        ("HEAD", f"{BASE}/devices", "GET, POST"),
        ("POST", f"{BASE}/devices/x", "DELETE, GET"),
        ("POST", f"{BASE}/devices/x/group", "GET, PUT"),
        ("GET", f"{BASE}/devices/x/group/g", "DELETE"),
        ("POST", f"{BASE}/groups", "GET"),
        ("POST", f"{BASE}/groups/g/devices", "DELETE, GET, PATCH"),
        ("GET", SEARCH, "POST"),
        ("GET", UPLOAD, "PATCH, PUT"),
        ("GET", LOGIN, "POST"),
    ],
)
def test_a_method_that_a_path_has_not_is_not_allowed(
    anonymous: httpx.Client, method: str, path: str, allowed: str
) -> None:
    reply = anonymous.request(method, path)
    assert reply.status_code == 405
    assert reply.headers["allow"] == allowed
    if method != "HEAD":
        assert error_text(reply) == "Method not allowed"


def test_options_tells_the_methods(anonymous: httpx.Client) -> None:
    reply = anonymous.options(f"{BASE}/devices")
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers.get_list("allow") == ["GET", "POST"]


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/json; charset=latin-1", "application/vnd.api+json", "", "json"],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{BASE}/devices"),
        ("PUT", f"{BASE}/devices/x/group"),
        ("PATCH", f"{BASE}/groups/g/devices"),
        ("POST", SEARCH),
    ],
)
def test_a_body_of_another_type_is_refused(
    manager: httpx.Client, method: str, path: str, content_type: str
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    reply = manager.request(method, path, content=b"{}", headers=headers)
    assert reply.status_code == 415
    assert error_text(reply) == "Bad Content-Type or charset, expected 'application/json'"


@pytest.mark.parametrize("content_type", ["APPLICATION/JSON", 'application/json; Charset="UTF-8"'])
def test_the_type_may_be_written_in_any_case(manager: httpx.Client, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    assert manager.post(SEARCH, content=b"{}", headers=headers).status_code == 200


def test_a_body_that_is_too_large_is_refused(manager: httpx.Client) -> None:
    for method, path in (
        ("POST", f"{BASE}/devices"),
        ("PUT", f"{BASE}/devices/x/group"),
        ("PATCH", f"{BASE}/groups/g/devices"),
        ("POST", SEARCH),
    ):
        reply = manager.request(method, path, json=["x" * 1024 * 1024])
        assert reply.status_code == 413
        error_text(reply)


def test_a_fault_of_our_own_is_told_without_its_details(
    server: FacadeServer, manager: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("polyfleet.api.dialects.inventory.devices.read_listing", broken)
    reply = manager.get(f"{BASE}/devices")
    assert (reply.status_code, error_text(reply)) == (500, "internal error")


def test_the_clients_request_id_is_echoed(manager: httpx.Client) -> None:
    headers = {"X-MEN-RequestID": "f7881e82-0492-49fb-b459-795654e7188a"}
    good = manager.get(f"{BASE}/groups", headers=headers)
    assert good.headers["x-men-requestid"] == headers["X-MEN-RequestID"]
    bad = manager.get(f"{BASE}/devices/nothing", headers=headers)
    assert bad.json() == {
        "error": "Device not found",
        "request_id": headers["X-MEN-RequestID"],
    }


@pytest.mark.parametrize("given", [None, "", "two words", "x" * 129, "é"])
def test_without_a_usable_request_id_one_is_made(manager: httpx.Client, given: str | None) -> None:
    headers = [] if given is None else [(b"X-MEN-RequestID", given.encode())]
    reply = manager.get(f"{BASE}/groups", headers=headers)
    assert uuid.UUID(reply.headers["x-men-requestid"]).version == 4


def basic(name: str, secret: str) -> dict[str, str]:
    pair = base64.b64encode(f"{name}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def test_logging_in_gives_a_token_that_opens_what_the_user_may(
    server: FacadeServer, anonymous: httpx.Client
) -> None:
    name = f"user-{secrets.token_hex(4)}"
    server.user_token(name, scopes=["rdfm_admin_ro"])
    user = next(u for u in server.facade.cache.users.values() if u.spec.name == name)
    server.call(server.facade.identity.set_password(user, "correct horse battery"))
    reply = anonymous.post(LOGIN, headers=basic(name, "correct horse battery"))
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/jwt"
    assert reply.headers["cache-control"] == "no-store"
    assert len(reply.text.split(".")) == 3
    with server.client(reply.text) as caller:
        assert caller.get(f"{BASE}/devices").status_code == 200
        assert caller.post(f"{BASE}/devices", json={"id": "x"}).status_code == 403


def test_an_access_token_logs_in_too(server: FacadeServer, anonymous: httpx.Client) -> None:
    name = f"user-{secrets.token_hex(4)}"
    token = server.user_token(name, scopes=["rdfm_admin_rw"])
    reply = anonymous.post(LOGIN, headers=basic(name, token))
    assert reply.status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x.y.z"}, basic("who", "what")])
def test_a_wrong_login_is_refused(anonymous: httpx.Client, headers: dict[str, str]) -> None:
    reply = anonymous.post(LOGIN, headers=headers)
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == 'Basic realm="ManagementJWT"'
    error_text(reply)


def test_guessing_a_password_is_slowed_down(server: FacadeServer, anonymous: httpx.Client) -> None:
    name = f"user-{secrets.token_hex(4)}"
    server.user_token(name)
    replies = (anonymous.post(LOGIN, headers=basic(name, f"guess {n}")) for n in range(100))
    refused = next(reply for reply in replies if reply.status_code != 401)
    assert refused.status_code == 429
    error_text(refused)


def test_the_openapi_document_names_every_route(anonymous: httpx.Client) -> None:
    document = anonymous.get(f"{BASE}/openapi.json").json()
    assert {BASE + "/devices", SEARCH, UPLOAD, LOGIN} <= document["paths"].keys()
    listing = document["paths"][f"{BASE}/devices"]["get"]
    assert {item["name"] for item in listing["parameters"]} == {
        "page",
        "per_page",
        "sort",
        "has_group",
        "group",
    }
    assert listing["security"] == [{"ManagementToken": []}]
    types = {item["name"]: item["schema"]["type"] for item in listing["parameters"]}
    assert (types["page"], types["per_page"], types["has_group"]) == (
        "integer",
        "integer",
        "boolean",
    )
    assert document["components"]["schemas"].keys() >= {"Attribute", "Device", "Error"}
    body = document["paths"][f"{BASE}/devices"]["post"]["requestBody"]
    assert body["content"]["application/json"]["schema"]["title"] == "DeviceNew"
