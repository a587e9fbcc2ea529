"""What all routes share: slashes, credentials, versions, bodies, methods, pages, strangers."""

from typing import Any

import httpx
import pytest

from polyfleet.api.core.identity.accounts import create_access_token
from tests.dialects.deis.controller import (
    NO_CREDENTIALS,
    NOT_FOUND,
    Controller,
    detail,
    mistakes,
    results,
    unique,
)
from tests.dialects.people import Person
from tests.facade_fixtures import FacadeServer

DOCUMENT = "/v1/openapi.json"
BOUNDARY = "multipart/form-data; boundary=x"
GO = {"User-Agent": "Deis Client v1.13.4"}
FILLED = {
    "username": "nobody",
    "type": "web",
    "num": "1",
    "version": "v1",
    "uuid": "x",
    "domain": "a.example.com",
    "id": "key",
}


@pytest.fixture(scope="module")
def document(server: FacadeServer) -> dict[str, Any]:
    with server.client() as client:
        found: dict[str, Any] = client.get(DOCUMENT).raise_for_status().json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def is_builders(operation: dict[str, Any]) -> bool:
    return {"BuilderKey": []} in operation["security"]


def filled(path: str, app: str) -> str:
    return path.format(app=app, **FILLED)


def test_a_controller_is_recognised_by_its_401(anonymous: httpx.Client, ada: Person) -> None:
    for path in ("/v1", "/v1/"):
        reply = anonymous.get(path)
        assert detail(reply) == NO_CREDENTIALS
        assert reply.headers["www-authenticate"] == "Token"
        assert set(ada.get(path).json()) == {"apps", "keys"}


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("token", "Invalid token header. No credentials provided."),
        ("token a b", "Invalid token header. Token string should not contain spaces."),
        ("token abc123", "Invalid token"),
        (f"TOKEN {'a' * 40}", "Invalid token"),
        ("Bearer abc", "Invalid token"),
        ("Basic !!!", "Invalid token"),
        ("Digest abc", "Authentication credentials were not provided."),
        ("", "Authentication credentials were not provided."),
    ],
)
def test_credentials_that_do_not_hold_are_told_apart(
    anonymous: httpx.Client, header: str, text: str
) -> None:
    reply = anonymous.get("/v1/apps", headers={"Authorization": header})
    assert detail(reply) == (401, text)
    assert reply.headers["www-authenticate"] == "Token"


def test_access_tokens_work_in_every_form(anonymous: httpx.Client, root: Person) -> None:
    for header in (f"token {root.token}", f"TOKEN {root.token}", f"Bearer {root.token}"):
        assert anonymous.get("/v1/apps", headers={"Authorization": header}).status_code == 200
    assert anonymous.get("/v1/apps", auth=(root.name, root.token)).status_code == 200


def test_every_route_refuses_who_has_no_credentials(
    anonymous: httpx.Client, document: dict[str, Any], app: str
) -> None:
    for method, path, operation in operations(document):
        reply = anonymous.request(method, filled(path, app), json={})
        if operation["security"]:
            assert reply.status_code == 401, (method, path)
        else:
            assert reply.status_code in (400, 429), (method, path)


def test_every_route_of_an_application_is_hidden_from_strangers(
    stranger: Person, document: dict[str, Any], app: str
) -> None:
    seen = 0
    for method, path, _ in operations(document):
        if "{app}" in path:
            for name in (app, unique("absent")):
                reply = stranger.request(method, filled(path, name), json={})
                assert detail(reply) == NOT_FOUND, (method, path)
            seen += 1
    assert seen > 15


def test_every_route_knows_the_versions_of_its_clients(
    ada: Person, document: dict[str, Any], app: str
) -> None:
    for method, path, operation in operations(document):
        reply = ada.request(method, filled(path, app), headers={"X-Deis-Version": "2.0"})
        assert reply.status_code == 405, (method, path)
        assert reply.json() == {
            "error": "Client and server versions do not match. "
            "Client version: 2.0 Server version: 1.0"
        }
        assert "405" in operation["responses"]


@pytest.mark.parametrize("version", ["1", "1.0", "1.0.1", "1.7"])
def test_all_of_version_one_is_spoken(ada: Person, version: str) -> None:
    reply = ada.get("/v1/apps", headers={"X-Deis-Version": version})
    assert reply.status_code == 200
    assert not [name for name in reply.headers if "version" in name]


@pytest.mark.parametrize("version", ["", "2", "0.9", "one"])
def test_no_other_version_is_spoken(ada: Person, version: str) -> None:
    assert ada.get("/v1/apps", headers={"X-Deis-Version": version}).status_code == 405


def test_the_go_client_is_told_what_it_wants_to_hear(ada: Person) -> None:
    for path in ("/v1/apps", "/v1/apps/absent", "/v1/nothing"):
        headers = ada.get(path, headers=GO).headers
        assert headers["DEIS_API_VERSION"] == headers["X_DEIS_API_VERSION"] == "1.7"
        assert headers["DEIS_PLATFORM_VERSION"] == headers["X_DEIS_PLATFORM_VERSION"] == "1.13.4"


def test_every_body_is_bounded_and_of_a_known_type(
    ada: Person, root: Person, document: dict[str, Any], app: str
) -> None:
    for method, path, operation in operations(document):
        if "requestBody" not in operation or is_builders(operation):
            continue
        target = filled(path, app)
        who = root if "/admin/" in path else ada
        headers = {"Content-Type": "text/xml"}
        reply = who.request(method, target, content=b"<a/>", headers=headers)
        assert detail(reply) == (415, "Unsupported media type 'text/xml' in request."), path
        reply = who.request(method, target, content=b"x" * (1024 * 1024 + 1))
        assert reply.status_code == 413, path
        detail(reply)
        reply = who.request(
            method, target, content=b"{", headers={"Content-Type": "application/json"}
        )
        status, text = detail(reply)
        assert (status, text.partition(" - ")[0]) == (400, "JSON parse error"), path
        assert mistakes(who.request(method, target, json=[1])) == {
            "non_field_errors": ["Invalid data"]
        }


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\xff", "application/json"),
        (b'{"a": NaN}', "application/json"),
        (b'{"a": "\\ud800"}', "application/json"),
        (b'{"a": 1e999}', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"a":' * 50 + b"1" + b"}" * 50, "application/json"),
        (b"a=%ff", "application/x-www-form-urlencoded"),
        (b"a=b&" * 100, "application/x-www-form-urlencoded"),
        (b"nothing", "multipart/form-data"),
        (b"nothing", BOUNDARY),
        (
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n',
            "multipart/form-data; boundary=x",
        ),
    ],
)
def test_a_body_that_is_none_is_a_mistake(ada: Person, content: bytes, kind: str) -> None:
    reply = ada.post("/v1/apps", content=content, headers={"Content-Type": kind})
    assert reply.status_code in (400, 201), reply.text
    if kind != BOUNDARY:
        assert detail(reply)[0] == 400


def test_a_file_in_a_form_is_no_field(ada: Person) -> None:
    reply = ada.post("/v1/apps", files={"id": ("name.txt", b"content")})
    assert detail(reply)[0] == 400


@pytest.mark.parametrize(
    "path",
    [
        "/v1/nothing",
        "/v1/apps/x/limits",
        "/v1/apps//config",
        "/v1/auth",
        "/v1/apps/%ff",
        "/v1/hooks",
        "/v1/apps/x/containers/web/1/2",
    ],
)
def test_unknown_paths_are_told_in_the_same_form(ada: Person, path: str) -> None:
    assert detail(ada.get(path)) == NOT_FOUND


def test_other_methods_are_told_which_there_are(ada: Person, document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        expected = {name.upper() for name in methods} | {"OPTIONS"}
        expected |= {"HEAD"} if "get" in methods else set()
        for method in {"PUT", "PATCH"} - expected:
            reply = ada.request(method, filled(path, "absent"))
            assert detail(reply) == (405, f"Method '{method}' not allowed.")
            assert set(reply.headers["allow"].split(", ")) == expected
        reply = ada.options(filled(path, "absent"))
        assert reply.status_code == 200
        assert set(reply.json()) == {"name", "description", "renders", "parses"}
        assert set(reply.headers["allow"].split(", ")) == expected


def test_head_is_answered_where_get_is(ada: Person, app: str) -> None:
    reply = ada.head(f"/v1/apps/{app}")
    assert (reply.status_code, reply.content) == (200, b"")
    assert int(reply.headers["content-length"]) > 0


def test_scripts_in_browsers_may_call(anonymous: httpx.Client, ada: Person) -> None:
    origin = {"Origin": "https://elsewhere.example"}
    asked = {
        **origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    reply = anonymous.options("/v1/apps", headers=asked)
    assert reply.status_code == 200
    assert "POST" in reply.headers["access-control-allow-methods"]
    reply = ada.get("/v1/apps", headers=origin)
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "Deis-Release" in reply.headers["access-control-expose-headers"]


def test_lists_come_in_pages_with_absolute_addresses(controller: Controller, app: str) -> None:
    for _ in range(4):
        controller.configure(app)
    client, path = controller.owner, f"/v1/apps/{app}/releases/"
    base = f"{controller.server.url}{path}"

    def page(query: str) -> tuple[list[int], Any, Any]:
        reply = client.get(f"{path}?{query}")
        body = reply.json()
        assert body["count"] == 5
        return [item["version"] for item in results(reply)], body["previous"], body["next"]

    assert page("") == ([5, 4, 3, 2, 1], None, None)
    assert page("page_size=2&x=a%20b") == ([5, 4], None, f"{base}?page_size=2&x=a+b&page=2")
    assert page("page_size=2&page=2") == (
        [3, 2],
        f"{base}?page_size=2&page=1",
        f"{base}?page_size=2&page=3",
    )
    assert page("page_size=2&page=last") == ([1], f"{base}?page_size=2&page=2", None)
    for size in ("0", "-1", "many", "9" * 20, ""):
        assert page(f"page_size={size}")[0] == [5, 4, 3, 2, 1]
    for number in ("0", "-1", "2", "x", "", "9" * 20, "1.0"):
        assert detail(client.get(f"{path}?page={number}")) == NOT_FOUND


def test_every_list_comes_in_pages(
    ada: Person, root: Person, document: dict[str, Any], app: str
) -> None:
    for method, path, operation in operations(document):
        names = {parameter["name"] for parameter in operation["parameters"]}
        if method == "GET" and "page" in names:
            who = root if "/admin/" in path else ada
            assert who.get(filled(path, app)).status_code == 200, path
            assert detail(who.get(filled(path, app), params={"page": "x"})) == NOT_FOUND


def test_narrowed_tokens_reach_nothing_that_is_a_persons(
    server: FacadeServer, document: dict[str, Any]
) -> None:
    del document
    name = unique("narrow")
    server.user_token(name)

    async def narrowed() -> str:
        user = server.facade.identity.directory.user(name)
        assert user is not None
        made = await create_access_token(server.facade.writer, user, scopes=["rdfm_admin_ro"])
        return made.text

    token = server.call(narrowed())
    with server.client(headers={"Authorization": f"token {token}"}) as client:
        for method, path in (
            ("GET", "/v1/keys"),
            ("POST", "/v1/keys"),
            ("GET", "/v1/keys/k"),
            ("DELETE", "/v1/keys/k"),
            ("POST", "/v1/apps"),
            ("POST", "/v1/auth/passwd"),
            ("POST", "/v1/auth/tokens"),
            ("DELETE", "/v1/auth/cancel"),
        ):
            reply = client.request(method, path, json={})
            assert reply.status_code == 403, (method, path, reply.text)


def test_what_is_documented_is_shown(document: dict[str, Any], controller: Controller) -> None:
    assert document["info"]["version"] == "1.0"
    reply = controller.owner.get("/")
    assert reply.json()["openapi"]["deis"] == DOCUMENT
