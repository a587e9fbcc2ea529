"""Who gets what answer, and the form of every error."""

import secrets
from collections.abc import Iterator

import httpx
import pytest

from tests.dialects.closed_routes import ClosedRoutes
from tests.dialects.conftest import scoped_client
from tests.dialects.otao.fleet import BASE, GENERAL, Fleet, message, reason
from tests.facade_fixtures import FacadeServer

HERE = f"{BASE}/applications/default/software"
ROUTES = [
    ("GET", HERE),
    ("GET", f"{HERE}/1.0.0"),
    ("PUT", f"{HERE}/1.0.0"),
    ("POST", f"{HERE}/1.0.0"),
    ("GET", f"{HERE}/versions/1.0.0"),
    ("GET", f"{BASE}/endpoints/x/software/current"),
    ("GET", f"/otao{HERE}"),
    ("POST", f"/otao{HERE}/1.0.0"),
    ("GET", f"/otao{BASE}/endpoints/x/software/current"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
class TestEveryRoute(ClosedRoutes):
    told = "credentials are needed"
    challenge = 'Bearer realm="polyfleet"'
    text_of = staticmethod(message)


@pytest.mark.parametrize("word", ["bearer", "BEARER", "Bearer"])
def test_the_scheme_may_be_written_in_any_case(
    server: FacadeServer, anonymous: httpx.Client, word: str
) -> None:
    token = server.user_token(f"u-{secrets.token_hex(4)}", scopes=["application:software:read"])
    reply = anonymous.get(HERE, headers={"Authorization": f"{word} {token}"})
    assert reply.status_code == 200


def test_a_token_of_the_token_endpoint_with_its_scopes_holds(
    server: FacadeServer, anonymous: httpx.Client
) -> None:
    name = f"u-{secrets.token_hex(4)}"
    token = server.user_token(name, scopes=["application:software:update"])
    form = {"grant_type": "client_credentials", "scope": "application:software:update"}
    issued = anonymous.post("/oauth/token", data=form, auth=(name, token)).json()
    with server.client(issued["access_token"]) as caller:
        version = f"1.0.0-{name}"
        assert caller.post(f"{HERE}/{version}", json=GENERAL).status_code == 201
        assert caller.get(f"{HERE}/{version}").status_code == 404


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_stranger_is_told_that_there_is_nothing(
    stranger: httpx.Client, method: str, path: str
) -> None:
    reply = stranger.request(method, path)
    assert reply.status_code == 404
    there = message(reply)
    absent = path.replace("default", "nothing").replace("/x/", "/nothing/")
    other = message(stranger.request(method, absent))
    assert other.replace("'nothing'", "") == there.replace("'default'", "").replace("'x'", "")


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("application:software:read", {"list", "show"}),
        ("application:software:update", {"create", "update"}),
        ("endpoint:read", {"current"}),
        ("rdfm_admin_ro", {"list", "show", "current"}),
        ("rdfm_admin_rw", {"list", "show", "create", "update", "current"}),
    ],
)
def test_each_scope_opens_its_operations_in_the_default_application(
    server: FacadeServer, manager: httpx.Client, scope: str, allowed: set[str]
) -> None:
    version, new = (f"1.0.0-{secrets.token_hex(8)}x" for _ in range(2))
    assert manager.post(f"{HERE}/{version}", json=GENERAL).status_code == 201
    endpoint = Fleet.of_default(server, manager).device()
    endpoint.report(version)
    with scoped_client(server, "scoped", [scope]) as caller:
        statuses = {
            "list": caller.get(HERE).status_code,
            "show": caller.get(f"{HERE}/{version}").status_code,
            "create": caller.post(f"{HERE}/{new}", json=GENERAL).status_code,
            "update": caller.put(f"{HERE}/{version}", json=GENERAL).status_code,
            "current": caller.get(f"{BASE}/endpoints/{endpoint.flat}/software/current").status_code,
        }
    successes = {"list": 200, "show": 200, "create": 201, "update": 204, "current": 200}
    assert statuses == {
        name: status if name in allowed else 404 for name, status in successes.items()
    }


def test_scopes_do_not_reach_other_applications(fleet: Fleet, manager: httpx.Client) -> None:
    fleet.make("1.0.0")
    endpoint = fleet.device()
    endpoint.report("1.0.0")
    assert manager.get(fleet.software).status_code == 404
    assert manager.get(f"{fleet.software}/1.0.0").status_code == 404
    assert manager.put(f"{fleet.software}/1.0.0", json=GENERAL).status_code == 404
    assert manager.post(f"{fleet.software}/2.0.0", json=GENERAL).status_code == 404
    assert fleet.current(endpoint.flat, manager).status_code == 404
    assert fleet.current(endpoint.uid, manager).status_code == 404


@pytest.fixture
def member(server: FacadeServer) -> Iterator[tuple[str, str, httpx.Client]]:
    """Provide a user's name, uid and client."""
    name = f"member-{secrets.token_hex(4)}"
    token = server.user_token(name)
    users = server.facade.cache.users.values()
    uid = next(user.metadata.uid for user in users if user.spec.name == name)
    with server.client(token) as caller:
        yield name, uid, caller


@pytest.mark.parametrize(("role", "written"), [("reader", 404), ("manager", 201), ("admin", 201)])
def test_a_role_opens_its_application(
    server: FacadeServer,
    administrator: httpx.Client,
    member: tuple[str, str, httpx.Client],
    role: str,
    written: int,
) -> None:
    name, uid, caller = member
    fleet = Fleet(server, administrator, members=[{"user": name, "uid": uid, "role": role}])
    fleet.make("1.0.0")
    endpoint = fleet.device()
    endpoint.report("1.0.0")
    assert [item["version"] for item in caller.get(fleet.software).json()] == ["1.0.0"]
    assert fleet.current(endpoint.flat, caller).status_code == 200
    assert fleet.current(endpoint.uid, caller).status_code == 200
    assert caller.post(f"{fleet.software}/2.0.0", json=GENERAL).status_code == written
    changed = caller.put(f"{fleet.software}/1.0.0", json=GENERAL).status_code
    assert changed == (204 if written == 201 else 404)
    assert caller.get(HERE).status_code == 404


def test_an_application_on_its_way_out_is_gone(fleet: Fleet) -> None:
    fleet.make("1.0.0")
    endpoint = fleet.device()
    endpoint.report("1.0.0")
    facade = fleet.server.facade
    application = facade.cache.applications.get(fleet.name)
    assert application is not None
    held = {"metadata": {"finalizers": ["polyfleet.dev/operator"]}}
    kind = facade.cache.applications.kind
    application = fleet.server.call(facade.writer.patch(kind, application, held))
    fleet.server.call(facade.writer.delete(kind, application, checked=False))
    assert fleet.caller.get(fleet.software).status_code == 404
    assert fleet.post("2.0.0").status_code == 404
    assert fleet.current(endpoint.uid).status_code == 404
    assert endpoint.send("config/json").status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        f"{HERE}/",
        f"{HERE}/1.0.0/",
        f"{HERE}//1.0.0",
        f"{HERE}/versions/",
        f"{HERE}/%ff",
        f"{BASE}/applications",
        f"{BASE}/applications//software",
        f"{BASE}/applications/default",
        f"{BASE}/endpoints",
        f"{BASE}/endpoints/x/software",
        "/otao",
        "/otao/api/v1",
        f"/otao/otao{HERE}",
        "/otao/api/v1/packages",
    ],
)
def test_a_path_that_is_none_is_not_found(manager: httpx.Client, path: str) -> None:
    reply = manager.get(path)
    assert reply.status_code == 404
    message(reply)


@pytest.mark.parametrize("path", ["/kp1", "/kpc", "/kpc/x", "/kp1/default/dcx/token-token/json"])
def test_a_path_of_the_protocol_that_is_none_is_not_found(
    anonymous: httpx.Client, path: str
) -> None:
    reply = anonymous.post(path)
    assert (reply.status_code, reason(reply)) == (404, "there is no such path")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", HERE, "GET"),
        ("HEAD", HERE, "GET"),
        ("OPTIONS", HERE, "GET"),
        ("DELETE", f"{HERE}/1.0.0", "GET, POST, PUT"),
        ("PATCH", f"{HERE}/versions/1.0.0", "GET, POST, PUT"),
        ("PUT", f"{BASE}/endpoints/x/software/current", "GET"),
    ],
)
def test_a_method_that_a_path_has_not_is_not_allowed(
    anonymous: httpx.Client, method: str, path: str, allowed: str
) -> None:
    reply = anonymous.request(method, path)
    assert (reply.status_code, reply.headers["allow"]) == (405, allowed)
    if method != "HEAD":
        assert message(reply) == "the method is not allowed for this path"


def test_the_neighbours_of_the_base_path_are_rdfms_still(administrator: httpx.Client) -> None:
    assert administrator.get("/api/v1/packages").status_code == 200
    assert administrator.get("/api/v1/nothing").json().keys() == {"error"}


def test_a_fault_of_our_own_is_told_without_its_details(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("polyfleet.api.dialects.otao.software.translate.document", broken)
    fleet.make("1.0.0")
    reply = fleet.caller.get(f"{fleet.software}/1.0.0")
    assert (reply.status_code, message(reply)) == (500, "internal error")
