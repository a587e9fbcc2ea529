"""Registering, logging in, changing passwords, leaving; who is an administrator."""

import re
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from polyfleet.fleet.objects.kinds import USERS
from tests.dialects.deis.controller import (
    NO_CREDENTIALS,
    NOT_ALLOWED,
    NOT_FOUND,
    PASSWORD,
    REQUIRED,
    detail,
    mistakes,
    register,
    results,
    unique,
)
from tests.dialects.people import Person
from tests.facade_fixtures import FacadeServer, StartFacade

MakePerson = Callable[..., Person]


def registration(**changes: Any) -> dict[str, Any]:
    return {"username": unique("user"), "password": PASSWORD, **changes}


def login(client: Any, name: str, password: str = PASSWORD) -> httpx.Response:
    reply: httpx.Response = client.post(
        "/v1/auth/login/", json={"username": name, "password": password}
    )
    return reply


def test_registration_shows_the_user_and_no_password(anonymous: httpx.Client) -> None:
    body = registration(email="ada@example.com", first_name="Ada", last_name="Lovelace")
    reply = anonymous.post("/v1/auth/register/", json={**body, "is_superuser": True, "x": 1})
    assert reply.status_code == 201
    user = reply.json()
    assert isinstance(user.pop("id"), int)
    instant = user.pop("date_joined")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", instant)
    assert user == {
        "last_login": instant,
        "is_superuser": False,
        "username": body["username"],
        "first_name": "Ada",
        "last_name": "Lovelace",
        "email": "ada@example.com",
        "is_staff": False,
        "is_active": True,
        "groups": [],
        "user_permissions": [],
    }


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("form", ["json", "data", "files"])
def test_registration_and_login_take_json_forms_and_multipart(
    anonymous: httpx.Client, form: str, slash: str
) -> None:
    body: Any = registration()
    sent = {key: (None, value) for key, value in body.items()} if form == "files" else body
    for path, status in (("register", 201), ("login", 200)):
        reply = anonymous.post(f"/v1/auth/{path}{slash}", **{form: sent})  # type: ignore[arg-type]
        assert reply.status_code == status, reply.text
    assert re.fullmatch("[0-9a-f]{40}", reply.json()["token"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"username": None}, {"username": REQUIRED}),
        ({"password": ""}, {"password": REQUIRED}),
        ({"username": "", "password": None}, {"username": REQUIRED, "password": REQUIRED}),
        ({"username": "two words"}, {"username": ["Enter a valid username."]}),
        ({"username": "a:b"}, {"username": ["Enter a valid username."]}),
        (
            {"username": "x" * 31},
            {"username": ["Ensure this value has at most 30 characters (it has 31)."]},
        ),
        ({"username": ["a"]}, {"username": ["Not a valid string."]}),
        ({"email": "a@b.c"}, {"email": ["Enter a valid email address."]}),
        ({"email": "nobody"}, {"email": ["Enter a valid email address."]}),
        ({"password": "short"}, {"password": ["must have 8 to 1024 characters"]}),
        (
            {"first_name": "x" * 31},
            {"first_name": ["Ensure this value has at most 30 characters (it has 31)."]},
        ),
        ({"last_name": {"a": 1}}, {"last_name": ["Not a valid string."]}),
    ],
)
def test_a_registration_that_cannot_be_says_why(
    anonymous: httpx.Client, change: dict[str, Any], expected: dict[str, list[str]]
) -> None:
    body = registration(**change)
    assert mistakes(anonymous.post("/v1/auth/register", json=body)) == expected


def test_a_name_is_given_once(anonymous: httpx.Client, ada: Person) -> None:
    reply = anonymous.post("/v1/auth/register", json=registration(username=ada.name))
    assert mistakes(reply) == {"username": ["User with this Username already exists."]}


def test_a_name_that_kubectl_gave_under_another_object_name_is_taken(
    anonymous: httpx.Client, shared_kubectl: Callable[..., str], server: FacadeServer
) -> None:
    name = unique("grace")
    manifest = f"""
apiVersion: polyfleet.dev/v1alpha1
kind: User
metadata: {{name: other-{name}}}
spec: {{name: {name}, disabled: true}}
"""
    shared_kubectl("apply", "-f", "-", stdin=manifest)
    server.call(_wait(server, f"other-{name}"))
    reply = anonymous.post("/v1/auth/register", json=registration(username=name))
    assert mistakes(reply) == {"username": ["User with this Username already exists."]}


async def _wait(server: FacadeServer, name: str) -> None:
    assert await server.facade.cache.users.wait_for_version(name, "1", 30)


def test_login_gives_the_same_token_each_time(anonymous: httpx.Client, ada: Person) -> None:
    assert login(anonymous, ada.name).json() == {"token": ada.token}
    assert login(anonymous, ada.name).headers["cache-control"] == "no-store"


def test_a_wrong_login_is_a_mistake_of_no_field(anonymous: httpx.Client, ada: Person) -> None:
    refusal = {"non_field_errors": ["Unable to log in with provided credentials."]}
    assert mistakes(login(anonymous, ada.name, "wrong password")) == refusal
    assert mistakes(login(anonymous, unique("nobody"))) == refusal
    assert mistakes(anonymous.post("/v1/auth/login/", json={})) == {
        "username": REQUIRED,
        "password": REQUIRED,
    }


def test_guessing_a_password_is_slowed(anonymous: httpx.Client) -> None:
    name = unique("victim")
    replies = [login(anonymous, name, f"guess number {number}") for number in range(7)]
    assert {reply.status_code for reply in replies} == {400, 429}
    assert int(replies[-1].headers["retry-after"]) >= 1
    detail(replies[-1])


def test_login_by_an_access_token_gives_that_token_back(
    anonymous: httpx.Client, root: Person
) -> None:
    assert login(anonymous, root.name, root.token).json() == {"token": root.token}


def test_a_login_token_is_good_for_the_other_dialects(server: FacadeServer, ada: Person) -> None:
    with server.client(ada.token) as client:
        assert client.get("/polyfleet/v1/whoami").json()["name"] == ada.name


def test_a_password_is_changed_and_the_token_survives(
    anonymous: httpx.Client, person: MakePerson
) -> None:
    grace = person("grace")
    body = {"password": PASSWORD, "new_password": "another password"}
    reply = grace.post("/v1/auth/passwd", json=body)
    assert (reply.status_code, reply.json()) == (200, {"status": "password set"})
    assert grace.get("/v1/").status_code == 200
    assert login(anonymous, grace.name).status_code == 400
    assert login(anonymous, grace.name, "another password").json() == {"token": grace.token}


def test_a_password_that_cannot_be_changed_stays(anonymous: httpx.Client, ada: Person) -> None:
    def attempt(**body: str) -> httpx.Response:
        reply: httpx.Response = ada.post("/v1/auth/passwd/", json=body)
        return reply

    wrong = attempt(password="not the password", new_password="another password")
    assert detail(wrong) == (400, "Current password does not match")
    assert mistakes(attempt(password=PASSWORD)) == {"new_password": REQUIRED}
    assert mistakes(attempt(new_password="another password")) == {"password": REQUIRED}
    assert mistakes(attempt(password=PASSWORD, new_password="short")) == {
        "new_password": ["must have 8 to 1024 characters"]
    }
    assert login(anonymous, ada.name).status_code == 200


def test_only_administrators_change_others_passwords(
    anonymous: httpx.Client, root: Person, ada: Person, person: MakePerson
) -> None:
    grace = person("grace")
    body = {"username": grace.name, "new_password": "forgotten before"}
    assert detail(ada.post("/v1/auth/passwd", json=body)) == NOT_ALLOWED
    assert root.post("/v1/auth/passwd", json=body).status_code == 200
    assert login(anonymous, grace.name, "forgotten before").status_code == 200
    unknown = {**body, "username": unique("nobody")}
    assert detail(root.post("/v1/auth/passwd", json=unknown)) == NOT_FOUND


def test_guessing_through_passwd_is_slowed(person: MakePerson) -> None:
    grace = person("grace")
    statuses = [
        grace.post(
            "/v1/auth/passwd", json={"password": f"guess {number}", "new_password": PASSWORD}
        ).status_code
        for number in range(7)
    ]
    assert set(statuses) == {400, 429}


def test_a_new_token_ends_the_old_one(
    anonymous: httpx.Client, person: MakePerson, root: Person, ada: Person
) -> None:
    grace = person("grace")
    new = grace.post("/v1/auth/tokens/").json()["token"]
    assert new != grace.token
    assert detail(grace.get("/v1/")) == (401, "Invalid token")
    assert login(anonymous, grace.name).json() == {"token": new}
    other = root.post("/v1/auth/tokens", json={"username": grace.name}).json()["token"]
    assert other not in (new, grace.token)
    refused = ada.post("/v1/auth/tokens", json={"username": grace.name})
    assert detail(refused) == NOT_ALLOWED
    unknown = root.post("/v1/auth/tokens", json={"username": unique("nobody")})
    assert detail(unknown) == NOT_FOUND


def test_who_leaves_is_gone_and_who_comes_again_inherits_nothing(
    server: FacadeServer, anonymous: httpx.Client, person: MakePerson
) -> None:
    grace = person("grace")
    assert grace.delete("/v1/auth/cancel/").status_code == 204
    assert detail(grace.get("/v1/")) == (401, "Invalid token")
    assert login(anonymous, grace.name).status_code == 400
    again = register(server, grace.name)
    assert again.token != grace.token
    again.client.close()


def test_administrators_remove_others(root: Person, ada: Person, person: MakePerson) -> None:
    grace = person("grace")

    def cancel(who: Person, name: str) -> httpx.Response:
        reply: httpx.Response = who.request("DELETE", "/v1/auth/cancel", json={"username": name})
        return reply

    assert detail(cancel(ada, grace.name)) == NOT_ALLOWED
    assert cancel(root, grace.name).status_code == 204
    assert detail(cancel(root, grace.name)) == NOT_FOUND


@pytest.mark.parametrize("mode", ["admin_only", "disabled"])
def test_registration_can_be_closed(start_facade: StartFacade, mode: str) -> None:
    with start_facade(deis={"registration": mode}) as server:
        root, user = server.user_token("root", administrator=True), server.user_token("user")
        answers = {}
        for name, token in (("nobody", None), ("user", user), ("root", root)):
            with server.client(token) as client:
                answers[name] = client.post("/v1/auth/register", json=registration())
    if mode == "disabled":
        assert {detail(reply) for reply in answers.values()} == {(403, "Registration is disabled")}
    else:
        assert detail(answers["nobody"]) == NO_CREDENTIALS
        assert detail(answers["user"]) == NOT_ALLOWED
        assert answers["root"].status_code == 201
        assert answers["root"].json()["is_superuser"] is False


def test_registration_is_limited(start_facade: StartFacade) -> None:
    with start_facade(deis={"registration": "enabled"}) as server, server.client() as client:
        replies = [client.post("/v1/auth/register", json={}) for _ in range(110)]
    assert [reply.status_code for reply in replies[:100]] == [400] * 100
    assert 429 in {reply.status_code for reply in replies}


def test_of_many_who_register_first_one_becomes_administrator(start_facade: StartFacade) -> None:
    options: dict[str, Any] = {"deis": {"registration": "enabled"}}
    with start_facade(**options) as one, start_facade(**options) as other:
        replies: list[httpx.Response] = []

        def enter(server: FacadeServer) -> None:
            with server.client() as client:
                replies.append(client.post("/v1/auth/register", json=registration()))

        threads = [threading.Thread(target=enter, args=[server]) for server in (one, other) * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [reply.status_code for reply in replies] == [201] * 8
    assert sorted(reply.json()["is_superuser"] for reply in replies) == [False] * 7 + [True]


def test_the_last_administrator_stays_also_with_two_who_leave_at_once(
    start_facade: StartFacade,
) -> None:
    options: dict[str, Any] = {"deis": {"registration": "enabled"}}
    with start_facade(**options) as one, start_facade(**options) as other:
        first = one.user_token("first", administrator=True)
        second = one.user_token("second", administrator=True)
        other.call(_seen(other, 2))
        replies: dict[str, httpx.Response] = {}

        def leave(server: FacadeServer, token: str, name: str) -> None:
            with server.client(token) as client:
                path = f"/v1/admin/perms/{name}" if name == "second" else "/v1/auth/cancel"
                replies[name] = client.delete(path)

        threads = [
            threading.Thread(target=leave, args=[one, first, "first"]),
            threading.Thread(target=leave, args=[other, first, "second"]),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        statuses = {reply.status_code for reply in replies.values()}
        assert statuses <= {204, 409, 401, 403}
        left = one.call(_administrators(one))
        assert len(left) == 1, statuses
        survivor = first if left == ["first"] else second
        with one.client(survivor) as client:
            assert detail(client.delete(f"/v1/admin/perms/{left[0]}")) == (
                409,
                "The last administrator stays one.",
            )
            assert detail(client.delete("/v1/auth/cancel")) == (
                409,
                "The last administrator cannot leave.",
            )


async def _seen(server: FacadeServer, count: int) -> None:
    users = server.facade.cache.users
    for name in ("first", "second")[:count]:
        assert await users.wait_for_version(name, "1", 30)


async def _administrators(server: FacadeServer) -> list[str]:
    return [
        user.spec.name
        async for page in server.facade.client.list_pages(USERS)
        for user in page.items
        if user.spec.administrator
    ]


def test_administrators_are_listed_made_and_unmade(
    root: Person, ada: Person, anonymous: httpx.Client, person: MakePerson
) -> None:
    grace = person("grace")
    shown = {"username": grace.name, "is_superuser": True}
    assert shown not in results(root.get("/v1/admin/perms"))
    for _ in range(2):
        reply = root.post("/v1/admin/perms", json={"username": grace.name})
        assert (reply.status_code, reply.content) == (201, b"")
    assert shown in results(grace.get("/v1/admin/perms/"))
    for _ in range(2):
        reply = root.delete(f"/v1/admin/perms/{grace.name}")
        assert (reply.status_code, reply.content) == (204, b"")
    assert detail(grace.get("/v1/admin/perms")) == NOT_ALLOWED
    nobody = unique("nobody")
    assert detail(root.post("/v1/admin/perms", json={"username": nobody})) == NOT_FOUND
    assert detail(root.delete(f"/v1/admin/perms/{nobody}")) == NOT_FOUND
    assert mistakes(root.post("/v1/admin/perms", json={})) == {"username": REQUIRED}
    for method, path in (("GET", ""), ("POST", ""), ("DELETE", f"/{ada.name}")):
        assert detail(ada.request(method, f"/v1/admin/perms{path}")) == NOT_ALLOWED
        assert detail(anonymous.request(method, f"/v1/admin/perms{path}")) == NO_CREDENTIALS
