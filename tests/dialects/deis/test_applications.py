"""Applications: made, listed, shown, handed over, destroyed."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.dialects.deis.controller import (
    NOT_ALLOWED,
    NOT_FOUND,
    REQUIRED,
    Controller,
    detail,
    mistakes,
    results,
    unique,
)
from tests.dialects.people import Person
from tests.dialects.waiting import eventually
from tests.facade_fixtures import FacadeServer

MakePerson = Callable[..., Person]


def test_an_application_is_made_with_its_first_release(controller: Controller, ada: Person) -> None:
    name = unique("app")
    reply = ada.post("/v1/apps/", json={"id": name, "owner": "x", "uuid": "y", "cluster": "dev"})
    assert reply.status_code == 201
    document = reply.json()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dUTC", document["created"])
    assert re.fullmatch(r"[0-9a-f-]{36}", document["uuid"])
    assert document == {
        "created": document["created"],
        "id": name,
        "owner": ada.name,
        "structure": {},
        "updated": document["updated"],
        "url": f"{name}.example.com",
        "uuid": document["uuid"],
    }
    assert controller.shown(name) == document
    [release] = controller.releases(name)
    assert (release["version"], release["build"]) == (1, None)
    assert release["summary"] == f"{ada.name} created initial release"
    assert release["config"] == controller.shown(f"{name}/config")["uuid"]


@pytest.mark.parametrize(
    "options", [{}, {"json": {}}, {"json": {"id": None}}, {"data": {"id": ""}}]
)
def test_an_application_without_an_id_gets_one(ada: Person, options: dict[str, Any]) -> None:
    reply = ada.post("/v1/apps", **options)
    assert reply.status_code == 201
    assert re.fullmatch(r"[a-z]+-[a-z]+", reply.json()["id"])


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("UPPER", "App IDs can only contain [a-z0-9-]"),
        ("a.b", "App IDs can only contain [a-z0-9-]"),
        ("a/b", "App IDs can only contain [a-z0-9-]"),
        ("deis", "App IDs cannot be 'deis'"),
        ("-x", "App IDs cannot begin or end with '-'"),
        ("x-", "App IDs cannot begin or end with '-'"),
        ("x" * 64, "Ensure this value has at most 63 characters (it has 64)."),
        ({"a": 1}, "Not a valid string."),
    ],
)
def test_an_id_that_cannot_be_says_why(ada: Person, given: Any, text: str) -> None:
    assert mistakes(ada.post("/v1/apps", json={"id": given})) == {"id": [text]}


def test_an_id_is_given_once(stranger: Person, app: str) -> None:
    reply = stranger.post("/v1/apps", json={"id": app})
    assert mistakes(reply) == {"id": ["App with this Id already exists."]}


@pytest.mark.parametrize("structure", [{"web": 2, "cmd": 0}, '{"web": "2", "cmd": 0}'])
def test_a_structure_may_be_given(controller: Controller, structure: Any) -> None:
    name = controller.app(structure=structure)
    assert controller.shown(name)["structure"] == {"web": 2, "cmd": 0}


@pytest.mark.parametrize(
    ("structure", "text"),
    [
        ({"web": -1}, "Must be greater than or equal to zero"),
        ({"web": "many"}, "Invalid scaling format"),
        ({"web": 10_001}, "Must be less than or equal to 10000"),
        ("{", "Must be a JSON object."),
        ([1], "Must be a JSON object."),
        ({"W": 1}, "'W' is no process type: it must be a-z, 0-9 and -"),
    ],
)
def test_a_structure_that_cannot_be_says_why(ada: Person, structure: Any, text: str) -> None:
    reply = ada.post("/v1/apps", json={"id": unique("app"), "structure": structure})
    assert mistakes(reply) == {"structure": [text]}


def test_people_see_theirs_and_what_is_shared_with_them_the_oldest_first(
    controller: Controller, person: MakePerson, root: Person
) -> None:
    grace = person("grace")
    own = Controller(controller.server, grace).app()
    shared = controller.app()
    controller.share(shared, grace)
    controller.app()
    assert [item["id"] for item in results(grace.get("/v1/apps"))] == [own, shared]
    everything = [item["id"] for item in results(root.get("/v1/apps?page_size=500"))]
    assert {own, shared} <= set(everything)
    assert everything.index(own) < everything.index(shared)


def test_an_application_that_kubectl_made_is_one_of_the_fleet(
    controller: Controller, ada: Person, shared_kubectl: Callable[..., str], server: FacadeServer
) -> None:
    name = unique("kube")
    owner = server.facade.identity.directory.user(ada.name)
    assert owner is not None
    manifest = f"""
apiVersion: polyfleet.dev/v1alpha1
kind: Application
metadata: {{name: {name}}}
spec: {{name: {name}, owner: {{user: {ada.name}, uid: {owner.metadata.uid}}}}}
"""
    shared_kubectl("apply", "-f", "-", stdin=manifest)
    eventually(lambda: ada.get(f"/v1/apps/{name}").status_code == 200)
    assert controller.shown(name)["structure"] == {}
    assert controller.releases(name) == []
    assert controller.shown(f"{name}/config")["values"] == {}
    assert controller.configure(name, values={"A": "b"})["values"] == {"A": "b"}
    [release] = controller.releases(name)
    assert (release["version"], release["summary"]) == (1, f"{ada.name} added A")


def test_the_values_that_kubectl_gave_are_merged_into(
    controller: Controller, ada: Person, shared_kubectl: Callable[..., str], server: FacadeServer
) -> None:
    name = unique("kube")
    owner = server.facade.identity.directory.user(ada.name)
    assert owner is not None
    manifest = f"""
apiVersion: v1
kind: Secret
metadata: {{name: app-{name}-config}}
stringData: {{COLOUR: blue, SIZE: "3"}}
---
apiVersion: polyfleet.dev/v1alpha1
kind: Application
metadata: {{name: {name}}}
spec: {{name: {name}, owner: {{user: {ada.name}, uid: {owner.metadata.uid}}}}}
"""
    shared_kubectl("apply", "-f", "-", stdin=manifest)
    eventually(lambda: ada.get(f"/v1/apps/{name}").status_code == 200)
    assert controller.shown(f"{name}/config")["values"] == {"COLOUR": "blue", "SIZE": "3"}
    after = controller.configure(name, values={"SIZE": None, "NEW": 1})
    assert after["values"] == {"COLOUR": "blue", "NEW": 1}


def test_an_application_is_handed_over(
    controller: Controller, app: str, person: MakePerson
) -> None:
    grace, path = person("grace"), f"/v1/apps/{app}"
    assert mistakes(controller.owner.post(path, json={})) == {"owner": REQUIRED}
    assert detail(controller.owner.post(path, json={"owner": unique("x")})) == NOT_FOUND
    controller.share(app, grace)
    assert detail(grace.post(path, json={"owner": grace.name})) == NOT_ALLOWED
    reply = controller.owner.post(f"{path}/", json={"owner": grace.name})
    assert (reply.status_code, reply.content) == (200, b"")
    assert grace.get(path).json()["owner"] == grace.name
    assert detail(controller.owner.get(path)) == NOT_FOUND


def test_an_account_with_applications_stays(controller: Controller, person: MakePerson) -> None:
    grace = person("grace")
    name = Controller(controller.server, grace).app()
    text = f"{grace.name} still has applications assigned."
    status, told = detail(grace.delete("/v1/auth/cancel"))
    assert (status, told) == (409, f"{text} Delete or transfer ownership of them first.")
    assert grace.delete(f"/v1/apps/{name}").status_code == 204
    assert grace.delete("/v1/auth/cancel").status_code == 204


def test_an_application_is_destroyed(controller: Controller, app: str, stranger: Person) -> None:
    path = f"/v1/apps/{app}"
    reply = controller.owner.delete(f"{path}/")
    assert (reply.status_code, reply.content) == (204, b"")
    assert detail(controller.owner.get(path)) == NOT_FOUND
    assert detail(controller.owner.delete(path)) == NOT_FOUND
    assert app not in [item["id"] for item in results(controller.owner.get("/v1/apps"))]
    # No operator sweeps here: what belonged to it is still there, so the name is not free.
    again = stranger.post("/v1/apps", json={"id": app})
    assert detail(again) == (409, f"{app} is still being destroyed; try again.")


def test_the_default_application_stays(root: Person, ada: Person) -> None:
    assert detail(root.delete("/v1/apps/default")) == (409, "The default application stays.")
    assert root.get("/v1/apps/default").json()["owner"] == ""
    assert detail(ada.get("/v1/apps/default")) == NOT_FOUND


def test_programs_and_narrowed_tokens_own_nothing(
    server: FacadeServer, anonymous: httpx.Client
) -> None:
    token = server.user_token(unique("scoped"), scopes=["rdfm_admin_rw"])
    with server.client(headers={"Authorization": f"token {token}"}) as client:
        # A scope opens the default application, but not what runs there.
        assert [item["id"] for item in results(client.get("/v1/apps"))] == ["default"]
        assert detail(client.get("/v1/apps/default/config")) == NOT_ALLOWED
        assert detail(client.post("/v1/apps/default/config", json={})) == NOT_ALLOWED
        assert detail(client.delete("/v1/apps/default")) == NOT_ALLOWED
        assert client.post("/v1/apps", json={"id": unique("app")}).status_code == 201
    del anonymous
