"""A log that is followed ends with the rights by which it was begun."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from polyfleet.api.dialects.deis import standing
from tests.dialects.deis.controller import Controller
from tests.dialects.people import MakePerson, Person
from tests.dialects.waiting import eventually


@pytest.fixture
def grace(controller: Controller, app: str, person: MakePerson) -> Person:
    """Provide a collaborator."""
    found = person("grace")
    controller.share(app, found)
    return found


@contextmanager
def following(person: Person, app: str) -> Iterator[Iterator[str]]:
    """Follow a log until what is in it by now has come."""
    with person.client.stream("GET", f"/v1/apps/{app}/logs?follow=true") as reply:
        assert reply.status_code == 200
        lines = reply.iter_lines()
        assert any("created initial release" in line for line in lines)
        yield lines


def test_it_ends_when_a_collaborator_is_removed(
    controller: Controller, app: str, grace: Person
) -> None:
    with following(grace, app) as lines:
        gone = controller.owner.delete(f"/v1/apps/{app}/perms/{grace.name}")
        assert gone.status_code == 204
        controller.configure(app, values={"NOT_FOR_GRACE": "1"})
        assert not [line for line in lines if "NOT_FOR_GRACE" in line]


def test_it_ends_when_the_account_is_deleted(
    controller: Controller, app: str, grace: Person
) -> None:
    with following(grace, app) as lines:
        assert grace.delete("/v1/auth/cancel").status_code == 204
        controller.configure(app, values={"NOT_FOR_GRACE": "1"})
        assert not [line for line in lines if "NOT_FOR_GRACE" in line]


def test_it_ends_with_the_token_that_it_was_begun_by(
    app: str, grace: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "_BELIEVED_SECONDS", 0.0)
    with following(grace, app) as lines:
        renewed = grace.post("/v1/auth/tokens", json={})
        assert renewed.status_code == 200
        list(lines)


def test_it_ends_with_the_application_and_tells_nothing_of_the_next_of_its_name(
    controller: Controller,
    person: MakePerson,
    shared_kubectl: Callable[..., str],
) -> None:
    ada, eve, name = controller.owner, person("eve"), controller.app()
    server = controller.server
    uid = controller.shown(name)["uuid"]
    with following(ada, name) as lines:
        shared_kubectl(
            "patch", "application", name, "--type=merge", '--patch={"metadata":{"finalizers":null}}'
        )
        shared_kubectl("delete", "application", name)
        shared_kubectl("delete", "release", f"{name}-v1")
        eventually(lambda: server.facade.cache.applications.get(name) is None)
        assert eve.post("/v1/apps", json={"id": name}).status_code == 201
        assert Controller(server, eve).shown(name)["uuid"] != uid
        Controller(server, eve).configure(name, values={"NOT_FOR_ADA": "1"})
        assert not [line for line in lines if "NOT_FOR_ADA" in line]
