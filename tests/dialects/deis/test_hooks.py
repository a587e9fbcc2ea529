"""What the builder calls, by its key and for a user."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.dialects.deis.conftest import BUILDER_KEY
from tests.dialects.deis.controller import (
    NO_CREDENTIALS,
    NOT_ALLOWED,
    NOT_FOUND,
    REQUIRED,
    Controller,
    detail,
    mistakes,
    unique,
)
from tests.dialects.people import Person
from tests.facade_fixtures import StartFacade

MakePerson = Callable[..., Person]
PATHS = ["push", "pushes", "build", "builds", "config"]
BUILDER = {"X-Deis-Builder-Auth": BUILDER_KEY}


def body(controller: Controller, app: str, **changes: Any) -> dict[str, Any]:
    who = {"receive_user": controller.owner.name, "receive_repo": app}
    return {**who, "sha": "a" * 40, "image": "built/it", **changes}


@pytest.mark.parametrize("path", PATHS)
def test_only_the_builder_calls_hooks(
    controller: Controller, app: str, anonymous: httpx.Client, stranger: Person, path: str
) -> None:
    target, given = f"/v1/hooks/{path}", body(controller, app)
    assert detail(anonymous.post(target, json=given)) == NO_CREDENTIALS
    assert detail(controller.owner.post(target, json=given)) == NOT_ALLOWED
    for key in ("", "wrong", BUILDER_KEY.upper(), "é"):
        headers = {"X-Deis-Builder-Auth": key.encode()}
        assert detail(anonymous.post(target, json=given, headers=headers)) == NOT_ALLOWED
    changed = {**given, "receive_user": stranger.name}
    assert detail(anonymous.post(target, json=changed, headers=BUILDER)) == NOT_ALLOWED
    for unknown in ({"receive_user": unique("x")}, {"receive_repo": unique("x")}):
        reply = anonymous.post(target, json={**given, **unknown}, headers=BUILDER)
        assert detail(reply) == NOT_FOUND
    reply = anonymous.post(target, json={}, headers=BUILDER)
    assert mistakes(reply) == {"receive_user": REQUIRED, "receive_repo": REQUIRED}


@pytest.mark.parametrize("path", PATHS)
def test_bodies_of_the_builder_are_checked_too(anonymous: httpx.Client, path: str) -> None:
    target = f"/v1/hooks/{path}"
    reply = anonymous.post(target, content=b"<a/>", headers={**BUILDER, "Content-Type": "a/b"})
    assert reply.status_code == 415
    reply = anonymous.post(target, content=b"x" * (1024 * 1024 + 1), headers=BUILDER)
    assert reply.status_code == 413
    assert anonymous.post(target, content=b"{", headers=BUILDER).status_code == 400


@pytest.mark.parametrize("path", ["push", "pushes"])
def test_a_push_is_noted(
    controller: Controller, app: str, anonymous: httpx.Client, path: str
) -> None:
    more = {"fingerprint": "aa:bb", "ssh_connection": "1 2 3 4", "ssh_original_command": "push"}
    given = body(controller, app, **more)
    del given["image"]
    reply = anonymous.post(f"/v1/hooks/{path}", json=given, headers=BUILDER)
    assert reply.status_code == 201
    document = reply.json()
    assert {key: document[key] for key in given} == given
    assert (document["owner"], document["app"]) == (controller.owner.name, app)
    assert set(document) == {*given, "owner", "app", "uuid", "created", "updated"}
    del given["sha"]
    reply = anonymous.post(f"/v1/hooks/{path}", json=given, headers=BUILDER)
    assert mistakes(reply) == {"sha": REQUIRED}


@pytest.mark.parametrize("path", ["build", "builds"])
def test_a_build_is_released_for_the_user(
    controller: Controller, app: str, anonymous: httpx.Client, person: MakePerson, path: str
) -> None:
    grace = person("grace")
    controller.share(app, grace)
    given = body(controller, app, receive_user=grace.name, procfile='{"web": "run"}')
    reply = anonymous.post(f"/v1/hooks/{path}", json=given, headers=BUILDER)
    assert reply.status_code == 200
    assert reply.json() == {"release": {"version": 2}, "domains": [f"{app}.example.com"]}
    newest = controller.releases(app)[0]
    assert newest["summary"] == f"{grace.name} deployed {'a' * 7}"
    assert controller.shown(app)["structure"] == {"web": 1}


def test_the_builder_reads_the_configuration(
    controller: Controller, app: str, anonymous: httpx.Client
) -> None:
    controller.configure(app, values={"A": "b"})
    reply = anonymous.post("/v1/hooks/config", json=body(controller, app), headers=BUILDER)
    assert reply.status_code == 200
    assert reply.json() == controller.shown(f"{app}/config")


def test_without_a_key_there_is_no_builder(start_facade: StartFacade) -> None:
    with start_facade() as server, server.client() as client:
        for key in ("", "x"):
            headers = {"X-Deis-Builder-Auth": key}
            reply = client.post("/v1/hooks/push", json={}, headers=headers)
            assert detail(reply) == NOT_ALLOWED
