"""What is refused on any route: to readers, while others change the same, and beyond limits."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from polyfleet.api.dialects.deis import keys
from polyfleet.kube.errors import Conflict, Unavailable
from tests.dialects.deis.conftest import BUILDER_KEY, SETTINGS
from tests.dialects.deis.controller import (
    NOT_ALLOWED,
    PASSWORD,
    Controller,
    Person,
    detail,
    results,
    unique,
)
from tests.dialects.deis.test_sharing import public_key
from tests.dialects.overtaking import overtaken
from tests.facade_fixtures import FacadeServer, StartFacade
from tests.fuzz.documented import operations_of

MakePerson = Callable[..., Person]
Change = tuple[str, str, dict[str, Any]]
CHANGES: list[Change] = [
    ("POST", "", {"owner": "<other>"}),
    ("POST", "/builds", {"image": "new/image"}),
    ("POST", "/config", {"values": {"A": "new"}}),
    ("POST", "/releases/rollback", {}),
    ("POST", "/scale", {"cmd": 7}),
    ("POST", "/perms", {"username": "<other>"}),
    ("POST", "/perms/<member>", {}),
    ("DELETE", "/perms/<member>", {}),
]


@pytest.fixture
def other(person: MakePerson) -> Person:
    return person("other")


def test_a_reader_of_an_application_changes_nothing(
    controller: Controller, app: str, server: FacadeServer, other: Person
) -> None:
    controller.build(app)
    host = f"{unique('host')}.example.org"
    assert controller.owner.post(f"/v1/apps/{app}/domains", json={"domain": host}).is_success
    with server.client(controller.owner.token) as owner:  # only Drogue's API knows readers
        members = {"members": {other.name: {"role": "reader"}}}
        reply = owner.put(f"/api/admin/v1alpha1/apps/{app}/members", json=members)
        assert reply.status_code == 204, reply.text
        document = owner.get("/v1/openapi.json").json()
    assert other.get(f"/v1/apps/{app}").status_code == 200
    names = {"app": app, "domain": host, "username": controller.owner.name}
    refused = 0
    for operation in operations_of(document):
        if "{app}" in operation.path and 403 in operation.statuses:
            reply = other.request(operation.method, operation.path.format(**names), json={})
            assert detail(reply) == NOT_ALLOWED, (operation.method, operation.path)
            refused += 1
    assert refused >= 10


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{change[0]} {change[1]}")
def test_a_change_that_others_overtake_each_time_is_refused_and_changes_nothing(
    controller: Controller, app: str, person: MakePerson, other: Person, change: Change
) -> None:
    member = person("member")
    controller.build(app)
    controller.build(app, "other/image")
    controller.share(app, member)

    def seen() -> list[object]:
        shown = controller.shown(app)
        return [shown["structure"], controller.releases(app), controller.shown(f"{app}/perms")]

    before = seen()
    method, path, body = json.loads(
        json.dumps(change).replace("<other>", other.name).replace("<member>", member.name)
    )
    with overtaken(controller.server):
        reply = controller.owner.request(method, f"/v1/apps/{app}{path}", json=body)
    assert detail(reply)[0] == 409
    assert seen() == before


def test_a_build_that_this_replica_has_not_heard_of_is_read(
    controller: Controller, app: str, server: FacadeServer
) -> None:
    controller.build(app)
    builds = server.facade.cache.builds
    [build] = [item for item in builds.values() if item.spec.application == app]
    builds.remove(build, confirmed=False)
    assert controller.configure(app, values={"A": "b"})["values"]["A"] == "b"
    assert [item["version"] for item in controller.releases(app)] == [3, 2, 1]


def test_a_release_that_is_made_is_told_though_its_number_cannot_be_noted(
    controller: Controller, app: str, server: FacadeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch = server.facade.client.patch

    async def overtaken_status(*arguments: Any, **options: Any) -> Any:
        if options.get("subresource") == "status":
            raise Conflict(409, "Conflict", "the object has been modified")
        return await patch(*arguments, **options)

    with monkeypatch.context() as changed:
        changed.setattr(server.facade.client, "patch", overtaken_status)
        changed.setattr("polyfleet.kube.writer._delay", lambda _: 0)
        reply = controller.owner.post(f"/v1/apps/{app}/builds", json={"image": "new/image"})
    assert (reply.status_code, reply.headers["deis-release"]) == (201, "2")
    controller.configure(app, values={"A": "b"})
    assert [item["version"] for item in controller.releases(app)] == [3, 2, 1]


def test_a_build_stays_while_nobody_knows_whether_the_application_names_it(
    controller: Controller, app: str, server: FacadeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: Any, **__: Any) -> None:
        raise Unavailable(0, "Timeout", "the answer was lost")

    path = f"/v1/apps/{app}/builds"
    with monkeypatch.context() as changed:
        changed.setattr(server.facade.client, "patch", lost)
        reply = controller.owner.post(path, json={"image": "new/image"})
    assert detail(reply)[0] == 503
    [build] = results(controller.owner.get(path))
    assert build["image"] == "new/image"


@pytest.mark.parametrize("path", ["build", "builds"])
def test_a_build_that_others_overtake_each_time_is_refused_to_the_builder(
    controller: Controller, app: str, server: FacadeServer, anonymous: httpx.Client, path: str
) -> None:
    given = {"receive_user": controller.owner.name, "receive_repo": app, "image": "built/it"}
    headers = {"X-Deis-Builder-Auth": BUILDER_KEY}
    with overtaken(server):
        reply = anonymous.post(f"/v1/hooks/{path}", json=given, headers=headers)
    assert detail(reply)[0] == 409
    assert len(controller.releases(app)) == 1


def test_a_user_whom_others_change_all_the_time_stays_as_they_are(
    server: FacadeServer, root: Person, other: Person
) -> None:
    with overtaken(server):
        raised = root.post("/v1/admin/perms", json={"username": other.name})
        renewed = other.post("/v1/auth/tokens", json={})
    assert detail(raised)[0] == 409
    assert detail(renewed)[0] == 409
    assert detail(other.get("/v1/admin/perms")) == NOT_ALLOWED  # by the same token as before


def test_the_first_user_whom_others_change_all_the_time_is_no_administrator(
    start_facade: StartFacade,
) -> None:
    fields = {"username": "first", "password": PASSWORD}
    with start_facade(deis=SETTINGS) as server, server.client() as caller:
        with overtaken(server):
            reply = caller.post("/v1/auth/register", json=fields)
        assert detail(reply)[0] == 409
        users = server.facade.cache.users.values()
        assert [user.spec.administrator for user in users] == [False]


def test_a_user_has_so_many_keys(other: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MAX_KEYS", 1)
    first, second = ({"id": name, "public": public_key()} for name in ("first", "second"))
    assert other.post("/v1/keys", json=first).status_code == 201
    assert detail(other.post("/v1/keys", json=second)) == (409, "A user has at most 1 keys.")
    assert other.delete("/v1/keys/first").status_code == 204
    assert other.post("/v1/keys", json=second).status_code == 201
