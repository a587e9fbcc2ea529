"""Every route of the management API: who gets what answer."""

import http.client
import secrets

import httpx
import pytest

from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.objects.kinds import APPLICATIONS, DEVICES
from tests.dialects.closed_routes import ClosedRoutes
from tests.dialects.rdfm.fleet import Fleet, error_text
from tests.facade_fixtures import FacadeServer

ABSENT = 999_999_999

READS = [
    "/api/v1/packages",
    f"/api/v1/packages/{ABSENT}",
    f"/api/v1/packages/{ABSENT}/download",
    "/api/v1/groups",
    f"/api/v1/groups/{ABSENT}",
    "/api/v2/groups",
    f"/api/v2/groups/{ABSENT}",
    "/api/v1/devices",
    f"/api/v1/devices/{ABSENT}",
    "/api/v2/devices",
    f"/api/v2/devices/{ABSENT}",
    "/api/v1/auth/pending",
]
WRITES = [
    ("POST", "/api/v1/packages"),
    ("DELETE", f"/api/v1/packages/{ABSENT}"),
    ("POST", "/api/v1/groups"),
    ("POST", "/api/v2/groups"),
    ("DELETE", f"/api/v1/groups/{ABSENT}"),
    ("DELETE", f"/api/v2/groups/{ABSENT}"),
    ("PATCH", f"/api/v1/groups/{ABSENT}/devices"),
    ("PATCH", f"/api/v2/groups/{ABSENT}/devices"),
    ("POST", f"/api/v1/groups/{ABSENT}/package"),
    ("POST", f"/api/v2/groups/{ABSENT}/package"),
    ("POST", f"/api/v1/groups/{ABSENT}/policy"),
    ("POST", f"/api/v2/groups/{ABSENT}/policy"),
    ("POST", f"/api/v2/groups/{ABSENT}/priority"),
    ("DELETE", f"/api/v1/devices/{ABSENT}"),
    ("DELETE", f"/api/v2/devices/{ABSENT}"),
    ("POST", "/api/v1/auth/register"),
    ("DELETE", "/api/v1/auth/pending"),
]
ALL = [("GET", path) for path in READS] + WRITES


@pytest.mark.parametrize(("method", "path"), ALL)
class TestEveryRoute(ClosedRoutes):
    told = "credentials are needed"
    challenge = "Bearer"
    text_of = staticmethod(error_text)


@pytest.mark.parametrize(("method", "path"), ALL)
def test_a_devices_token_opens_nothing(fleet: Fleet, method: str, path: str) -> None:
    device, _ = fleet.device()
    headers = {"Authorization": f"Bearer token={device.token()}"}
    assert device.client.request(method, path, headers=headers).status_code == 401


@pytest.mark.parametrize(("method", "path"), ALL)
def test_a_token_without_scopes_is_not_enough(
    stranger: httpx.Client, method: str, path: str
) -> None:
    reply = stranger.request(method, path)
    assert reply.status_code == 403
    error_text(reply)


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_a_readers_token_changes_nothing(reader: httpx.Client, method: str, path: str) -> None:
    reply = reader.request(method, path)
    assert reply.status_code == 403
    error_text(reply)


@pytest.mark.parametrize("path", READS)
def test_a_readers_token_reads(reader: httpx.Client, path: str) -> None:
    reply = reader.get(path)
    assert reply.status_code == (404 if str(ABSENT) in path else 200)


@pytest.mark.parametrize("path", READS)
def test_a_managers_token_reads_too(manager: httpx.Client, path: str) -> None:
    reply = manager.get(path)
    assert reply.status_code == (404 if str(ABSENT) in path else 200)


@pytest.mark.parametrize(
    "form", ["Bearer token={}", "BEARER token={}", 'bearer token="{}"', "Bearer {}", "token {}"]
)
def test_a_token_may_be_written_in_all_forms(
    server: FacadeServer, anonymous: httpx.Client, form: str
) -> None:
    token = server.user_token(f"user-{secrets.token_hex(4)}", scopes=["rdfm_admin_ro"])
    reply = anonymous.get("/api/v1/groups", headers={"Authorization": form.format(token)})
    assert reply.status_code == 200


def test_the_scope_for_groups_alone_makes_groups_and_no_more(server: FacadeServer) -> None:
    token = server.user_token(f"user-{secrets.token_hex(4)}", scopes=["rdfm_create_group"])
    with server.client(token) as caller:
        assert caller.post("/api/v2/groups", json={"metadata": {}}).status_code == 200
        assert caller.get("/api/v1/devices").status_code == 403
        assert caller.post("/api/v1/packages").status_code == 403


def _other_application(server: FacadeServer) -> tuple[str, str]:
    """Make an application with a device that has a serial; return its name and a member's token."""
    name = f"app-{secrets.token_hex(4)}"
    user = f"user-{secrets.token_hex(4)}"
    token = server.user_token(user)
    uid = next(
        item.metadata.uid for item in server.facade.cache.users.values() if item.spec.name == user
    )
    now = timestamp(server.facade.clock())
    member = {"user": user, "uid": uid, "role": "manager"}
    server.call(
        server.facade.writer.create(
            APPLICATIONS, name, {"name": name, "createdAt": now, "members": [member]}
        )
    )
    return name, token


def _foreign_device(server: FacadeServer, application: str) -> int:
    async def make() -> int:
        serial = await server.facade.serials.next(DEVICES)
        labels = {"polyfleet.dev/serial": str(serial), "polyfleet.dev/application": application}
        spec = {"application": application, "deviceId": "sensor"}
        await server.facade.writer.create(DEVICES, f"{application}.sensor", spec, labels=labels)
        return serial

    return server.call(make())


def test_a_member_of_another_application_sees_its_devices_by_their_flat_names(
    server: FacadeServer,
) -> None:
    application, token = _other_application(server)
    serial = _foreign_device(server, application)
    with server.client(token) as caller:
        [device] = caller.get("/api/v1/devices").json()
        assert (device["id"], device["name"]) == (serial, f"~{application}~sensor")
        assert caller.get(f"/api/v2/devices/{serial}").status_code == 200
        assert caller.get("/api/v1/packages").json() == []


def test_scopes_do_not_reach_into_another_application(
    server: FacadeServer, manager: httpx.Client
) -> None:
    application, _ = _other_application(server)
    serial = _foreign_device(server, application)
    assert manager.get(f"/api/v1/devices/{serial}").status_code == 404
    assert manager.delete(f"/api/v1/devices/{serial}").status_code == 404
    assert serial not in [item["id"] for item in manager.get("/api/v1/devices").json()]


def test_a_device_of_another_application_cannot_join(fleet: Fleet, server: FacadeServer) -> None:
    token = server.user_token(f"user-{secrets.token_hex(4)}", administrator=True)
    application, _ = _other_application(server)
    serial = _foreign_device(server, application)
    group = fleet.group()
    with server.client(token) as caller:
        reply = caller.patch(
            f"/api/v1/groups/{group}/devices", json={"add": [serial], "remove": []}
        )
    assert reply.status_code == 409
    assert "another application" in error_text(reply)


def test_of_a_device_that_may_not_be_seen_nothing_is_told(
    fleet: Fleet, server: FacadeServer
) -> None:
    application, _ = _other_application(server)
    serial = _foreign_device(server, application)
    reply = fleet.change(fleet.group(), add=[serial])
    assert reply.status_code == 409
    assert error_text(reply) == f"there is no device with the identifier {serial}"


UNKNOWN = [
    "/api/v1/devices/abc",
    "/api/v1/devices/1/",
    "/api/v1/devices/-1",
    "/api/v1/devices/1.5",
    "/api/v1/devices/0x1",
    "/api/v1/devices/" + "9" * 40,
    "/api/v1/devices/1/shell",
    "/api/v1/groups/",
    "/api/v1/groups/abc",
    "/api/v1/groups/1/nothing",
    "/api/v1/groups/1/priority",
    "/api/v1/packages/abc",
    "/api/v1/packages/",
    "/api/v1/packages/1/download/",
    "/api/v1/update",
    "/api/v1/auth",
    "/api/v2/packages",
    "/api/v2/nothing",
    "/api/v1/nothing",
    "/api/v1/devices/%D9%A3",
]


@pytest.mark.parametrize("path", UNKNOWN)
def test_paths_that_are_none_are_not_found(manager: httpx.Client, path: str) -> None:
    reply = manager.get(path)
    assert reply.status_code == 404
    assert list(reply.json()) == ["error"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/api/v1/packages"),
        ("PATCH", "/api/v1/packages/1"),
        ("POST", "/api/v1/devices"),
        ("PUT", "/api/v1/groups/1"),
        ("GET", "/api/v1/groups/1/devices"),
        ("GET", "/api/v1/update/check"),
        ("GET", "/api/v1/auth/device"),
        ("GET", "/api/v1/auth/register"),
        ("POST", "/api/v1/auth/pending"),
        ("POST", "/local_storage/x"),
    ],
)
def test_methods_that_a_path_has_not_are_not_allowed(
    manager: httpx.Client, method: str, path: str
) -> None:
    reply = manager.request(method, path)
    assert reply.status_code == 405
    error_text(reply)


def test_slashes_before_the_path_count_as_one(server: FacadeServer, manager: httpx.Client) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(
        "GET", "//api/v1/groups", headers={"Authorization": manager.headers["authorization"]}
    )
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    assert reply.status == 200
    assert body.endswith(b"]\n")


def test_slashes_inside_the_path_do_not(manager: httpx.Client) -> None:
    assert manager.get("/api/v1//groups").status_code == 404


def test_a_fault_of_our_own_is_told_without_its_details(
    server: FacadeServer, manager: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(type(server.facade.cache.groups), "in_serial_order", broken)
    reply = manager.get("/api/v1/groups")
    assert reply.status_code == 500
    assert error_text(reply) == "internal error"
