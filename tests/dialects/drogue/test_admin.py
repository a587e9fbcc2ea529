"""Members, transfers, and who the caller is."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.dialects.drogue.registry import (
    ADMIN,
    APPS,
    DENIED,
    LOCK_FAILED,
    LOGIN_NEEDED,
    NOT_FOUND,
    NOT_LOGGED_IN,
    Registry,
    apps,
    device,
    devices,
    error,
    members,
)
from tests.dialects.people import Person

MakePerson = Callable[..., Person]


def transfer(app: str) -> str:
    return f"{ADMIN}/apps/{app}/transfer-ownership"


def accept(app: str) -> str:
    return f"{ADMIN}/apps/{app}/accept-ownership"


def give(registry: Registry, app: str, **roles: str) -> httpx.Response:
    body = {"members": {name: {"role": role} for name, role in roles.items()}}
    reply: httpx.Response = registry.owner.put(members(app), json=body)
    return reply


@pytest.fixture(scope="module")
def cast_of(person: MakePerson) -> dict[str, Person]:
    """One person for each role."""
    return {role: person(role) for role in ("reader", "manager", "admin")}


@pytest.fixture
def shared(registry: Registry, app: str, cast_of: dict[str, Person]) -> str:
    roles = {cast_of[role].name: role for role in cast_of}
    assert give(registry, app, **roles).status_code == 204
    return app


def test_members_are_shown_as_they_were_put(
    registry: Registry, shared: str, cast_of: dict[str, Person]
) -> None:
    shown = registry.shown(members(shared))
    assert set(shown) == {"members", "resourceVersion"}
    assert shown["members"] == {cast_of[role].name: {"role": role} for role in cast_of}
    app = registry.shown(apps(shared))
    assert shown["resourceVersion"] == app["metadata"]["resourceVersion"]


def test_a_new_list_replaces_the_old_one(
    registry: Registry, shared: str, cast_of: dict[str, Person]
) -> None:
    assert give(registry, shared).status_code == 204
    assert registry.shown(members(shared))["members"] == {}
    assert error(cast_of["reader"].get(apps(shared))) == NOT_FOUND


def test_a_writer_is_a_manager(registry: Registry, app: str, cast_of: dict[str, Person]) -> None:
    name = cast_of["reader"].name
    give(registry, app, **{name: "writer"})
    assert registry.shown(members(app))["members"] == {name: {"role": "manager"}}


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"members": []},
        {"members": {"nobody-of-that-name": {"role": "reader"}}},
        {"members": {"": {"role": "reader"}}},
        {"members": {"x": {"role": "publisher"}}},
        {"members": {"x": {}}},
        {"members": {"x": "reader"}},
        {"members": {"x": {"role": "reader", "more": 1}}},
        {"members": {}, "more": 1},
        {"members": {}, "resourceVersion": 1},
    ],
)
def test_a_bad_list_is_refused(registry: Registry, app: str, body: Any) -> None:
    assert error(registry.owner.put(members(app), json=body))[:2] == (400, "BadRequest")


def test_a_list_without_anybody_may_be_left_out_with_the_version_that_was_read(
    registry: Registry, app: str, stranger: Person
) -> None:
    give(registry, app, **{stranger.name: "reader"})
    read = registry.shown(members(app))
    del read["members"]
    assert registry.owner.put(members(app), json=read).status_code == 204
    assert registry.shown(members(app))["members"] == {}
    assert error(registry.owner.put(members(app), json=read)) == LOCK_FAILED


def test_an_unknown_name_is_told(registry: Registry, app: str) -> None:
    reply = give(registry, app, nobody="reader")
    assert error(reply)[2] == "Bad request: Username nobody does not exist"


def test_two_editors_of_the_members_do_not_overwrite_each_other(
    registry: Registry, app: str, cast_of: dict[str, Person]
) -> None:
    version = registry.shown(members(app))["resourceVersion"]
    body = {"resourceVersion": version, "members": {cast_of["reader"].name: {"role": "reader"}}}
    assert registry.owner.put(members(app), json=body).status_code == 204
    body["members"] = {}
    assert error(registry.owner.put(members(app), json=body)) == LOCK_FAILED


# What each role may do: reader, manager, admin.
ACTIONS: list[tuple[str, str, Any, tuple[int, int, int]]] = [
    ("GET", "app", None, (200, 200, 200)),
    ("GET", "devices", None, (200, 200, 200)),
    ("GET", "device", None, (200, 200, 200)),
    ("PUT", "app", "app", (403, 204, 204)),
    ("PATCH", "app", [], (403, 204, 204)),
    ("POST", "devices", "device2", (404, 409, 409)),
    ("PUT", "device", "device", (404, 204, 204)),
    ("PATCH", "device", [], (404, 204, 204)),
    ("POST", "command", None, (404, 202, 202)),
    ("GET", "inbox", None, (404, 404, 404)),
    ("POST", "outbox", None, (404, 404, 404)),
    ("GET", "members", None, (404, 404, 200)),
    ("PUT", "members", "members", (404, 404, 204)),
    ("GET", "transfer", None, (404, 404, 404)),
    ("PUT", "transfer", "transfer", (404, 404, 404)),
    ("DELETE", "transfer", None, (404, 404, 404)),
    ("PUT", "accept", None, (404, 404, 404)),
    ("DELETE", "device", None, (404, 204, 204)),
    ("DELETE", "app", None, (403, 403, 204)),
]


def path_of(app: str, thing: str) -> str:
    command = "/api/command/v1alpha1"
    return {
        "app": apps(app),
        "devices": devices(app),
        "device": devices(app, "d1"),
        "members": members(app),
        "transfer": transfer(app),
        "accept": accept(app),
        "command": f"{command}/apps/{app}/devices/d1?command=x",
        "inbox": f"{command}/inbox/apps/{app}/devices/d2",
        "outbox": f"{command}/outbox/apps/{app}/devices/d1?status=200&request=none",
    }[thing]


def body_of(app: str, thing: Any, roles: dict[str, Any]) -> Any:
    if not isinstance(thing, str):
        return thing
    return {
        "app": {"metadata": {"name": app}},
        "device": device(app, "d1"),
        "device2": device(app, "d2"),
        "members": {"members": roles},
        "transfer": {"newUser": next(iter(roles))},
    }[thing]


@pytest.mark.parametrize("action", ACTIONS)
def test_each_role_may_do_what_it_may(  # noqa: PLR0917 - fixtures
    registry: Registry,
    shared: str,
    cast_of: dict[str, Person],
    stranger: Person,
    anonymous: httpx.Client,
    action: tuple[str, str, Any, tuple[int, int, int]],
) -> None:
    method, thing, content, statuses = action
    registry.device(shared, "d1")
    registry.device(shared, "d2")
    roles = registry.shown(members(shared))["members"]
    body = body_of(shared, content, roles)
    path = path_of(shared, thing)
    assert anonymous.request(method, path, json=body).status_code == 401
    assert stranger.request(method, path, json=body).status_code == 404
    for role, status in zip(("reader", "manager", "admin"), statuses, strict=True):
        reply = cast_of[role].request(method, path, json=body)
        assert reply.status_code == status, (role, reply.text)
        if status == 403:
            assert error(reply) == DENIED
        if (method, thing, status) == ("DELETE", "device", 204):
            registry.device(shared, "d1")


def test_lists_show_what_the_caller_may_read(
    registry: Registry, shared: str, cast_of: dict[str, Person], stranger: Person
) -> None:
    for member in cast_of.values():
        listed = [item["metadata"]["name"] for item in member.get(APPS).json()]
        assert shared in listed
    assert shared not in [item["metadata"]["name"] for item in stranger.get(APPS).json()]


def test_somebody_without_credentials_is_told_so(anonymous: httpx.Client, app: str) -> None:
    assert error(anonymous.get(APPS)) == NOT_LOGGED_IN
    assert error(anonymous.post(APPS, json={"metadata": {"name": "x"}})) == NOT_LOGGED_IN
    assert error(anonymous.get(devices(app))) == NOT_LOGGED_IN


def test_credentials_that_do_not_hold_are_denied(
    registry: Registry, anonymous: httpx.Client, app: str
) -> None:
    wrong = registry.owner.token[:-1] + ("0" if registry.owner.token[-1] != "0" else "1")
    assert error(anonymous.get(apps(app), auth=(registry.owner.name, wrong))) == DENIED
    assert error(anonymous.get(apps(app), auth=("somebody", registry.owner.token))) == DENIED
    for path in (APPS, devices(app)):
        reply = anonymous.get(path, auth=(registry.owner.name, wrong))
        assert error(reply) == (401, *DENIED[1:])
        assert "www-authenticate" in reply.headers
    path = f"/api/command/v1alpha1/apps/{app}/devices/d?command=x"
    assert anonymous.post(path, auth=(registry.owner.name, wrong)).status_code == 401


@pytest.mark.parametrize("form", ["basic", "bearer", "api_key", "token"])
def test_every_form_of_a_token_opens(
    registry: Registry, anonymous: httpx.Client, app: str, form: str
) -> None:
    owner = registry.owner
    options: dict[str, Any] = {
        "basic": {"auth": (owner.name, owner.token)},
        "bearer": {"headers": {"Authorization": f"Bearer {owner.token}"}},
        "api_key": {"params": {"username": owner.name, "api_key": owner.token}},
        "token": {"params": {"token": owner.token}},
    }[form]
    assert anonymous.get(apps(app), **options).status_code == 200


def test_two_credentials_at_once_are_denied(registry: Registry, app: str) -> None:
    reply = registry.owner.get(apps(app), params={"token": registry.owner.token})
    assert error(reply) == DENIED


def test_a_transfer_from_offer_to_acceptance(
    registry: Registry, app: str, stranger: Person
) -> None:
    owner = registry.owner
    assert owner.get(transfer(app)).status_code == 204
    reply = owner.put(transfer(app), json={"newUser": stranger.name})
    assert (reply.status_code, reply.content) == (202, b"")
    for party in (owner, stranger):
        assert party.get(transfer(app)).json() == {"newUser": stranger.name}
    assert error(stranger.get(apps(app))) == NOT_FOUND
    reply = stranger.put(accept(app))
    assert (reply.status_code, reply.content) == (204, b"")
    assert stranger.get(apps(app)).status_code == 200
    assert error(owner.get(apps(app))) == NOT_FOUND
    assert stranger.get(transfer(app)).status_code == 204
    assert error(stranger.put(accept(app))) == NOT_FOUND


def test_an_offer_can_be_declined_and_taken_back(
    registry: Registry, app: str, stranger: Person
) -> None:
    owner = registry.owner
    owner.put(transfer(app), json={"newUser": stranger.name})
    assert stranger.delete(transfer(app)).status_code == 204
    assert error(stranger.delete(transfer(app))) == NOT_FOUND
    assert owner.delete(transfer(app)).status_code == 204
    owner.put(transfer(app), json={"newUser": stranger.name})
    assert owner.delete(transfer(app)).status_code == 204
    assert error(stranger.put(accept(app))) == NOT_FOUND


def test_nobody_takes_an_application_that_is_not_offered(
    registry: Registry, app: str, stranger: Person, anonymous: httpx.Client
) -> None:
    assert error(stranger.put(accept(app))) == NOT_FOUND
    assert error(anonymous.put(accept(app))) == NOT_LOGGED_IN
    assert error(registry.owner.put(accept(app))) == NOT_FOUND
    assert registry.owner.get(apps(app)).status_code == 200


@pytest.mark.parametrize("body", [{}, [], {"newUser": ""}, {"newUser": 1}, {"newUser": "nobody"}])
def test_an_offer_to_nobody_is_refused(registry: Registry, app: str, body: Any) -> None:
    assert error(registry.owner.put(transfer(app), json=body))[:2] == (400, "BadRequest")


def test_an_administrator_may_do_all(person: MakePerson, app: str, stranger: Person) -> None:
    admin = person("root", administrator=True)
    assert admin.get(apps(app)).status_code == 200
    assert admin.put(transfer(app), json={"newUser": stranger.name}).status_code == 202
    assert admin.get(members(app)).status_code == 200
    assert error(admin.put(accept(app))) == NOT_FOUND


def test_scopes_reach_the_default_application_only(person: MakePerson, app: str) -> None:
    reader = person("rdfm", scopes=["rdfm_admin_ro"])
    assert reader.get(apps("default")).status_code == 200
    assert error(reader.put(apps("default"), json={"metadata": {"name": "default"}})) == DENIED
    assert error(reader.get(apps(app))) == NOT_FOUND


def test_whoami_is_the_uid_of_the_user(registry: Registry, anonymous: httpx.Client) -> None:
    path = f"{ADMIN}/user/whoami"
    user = registry.server.facade.identity.directory.user(registry.owner.name)
    assert user is not None
    assert registry.owner.get(path).json() == {"id": user.metadata.uid}
    assert error(anonymous.get(path)) == LOGIN_NEEDED


def test_an_unknown_path_and_method_are_told_in_the_same_form(registry: Registry) -> None:
    assert error(registry.owner.get("/api/registry/v1alpha1/none")) == NOT_FOUND
    reply = registry.owner.post("/.well-known/drogue-version")
    assert error(reply) == (405, "MethodNotAllowed", "Method not allowed")
    assert reply.headers["allow"] == "GET, HEAD"
    reply = registry.owner.patch(APPS)
    assert error(reply) == (405, "MethodNotAllowed", "Method not allowed")
    assert reply.headers["allow"] == "GET, HEAD, POST"
