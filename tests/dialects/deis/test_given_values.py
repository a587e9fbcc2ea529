"""Environments that kubectl keeps in `app-<application>-config`: whose they are over Deis."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from polyfleet.kube.releases import read_values
from tests.dialects.deis.conftest import BUILDER_KEY
from tests.dialects.deis.controller import Controller, detail, unique
from tests.dialects.people import MakePerson, Person
from tests.dialects.waiting import eventually
from tests.facade_fixtures import FacadeServer

Kubectl = Callable[..., str]


@pytest.fixture(name="apply")
def applies(shared_kubectl: Kubectl) -> Callable[..., None]:
    def apply(kind: str, name: str, **fields: Any) -> None:
        version = "v1" if kind == "Secret" else "polyfleet.dev/v1alpha1"
        body = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields}
        shared_kubectl("apply", "-f", "-", stdin=json.dumps(body))

    return apply


@pytest.fixture
def by_kubectl(server: FacadeServer, ada: Person, apply: Callable[..., None]) -> Callable[..., str]:
    """Provide a maker of applications of Ada that kubectl made, with an environment."""

    def make(**data: Any) -> str:
        name = unique("kube")
        owner = server.facade.identity.directory.user(ada.name)
        assert owner is not None
        apply("Secret", f"app-{name}-config", **data)
        reference = {"user": ada.name, "uid": owner.metadata.uid}
        apply("Application", name, spec={"name": name, "owner": reference})
        eventually(lambda: ada.get(f"/v1/apps/{name}").status_code == 200)
        return name

    return make


def over_drogue(person: Person, name: str) -> None:
    body = {"metadata": {"name": name}}
    bearer = {"Authorization": f"Bearer {person.token}"}
    reply = person.post("/api/registry/v1alpha1/apps", json=body, headers=bearer)
    assert reply.status_code == 201, reply.text


def over_deis(person: Person, name: str) -> None:
    reply = person.post("/v1/apps", json={"id": name})
    assert reply.status_code == 201, reply.text


@pytest.mark.parametrize("make", [over_drogue, over_deis])
def test_a_name_chosen_over_rest_opens_no_secret(
    person: MakePerson, apply: Callable[..., None], make: Callable[[Person, str], None]
) -> None:
    eve, name = person("eve"), unique("billing")
    apply("Secret", f"app-{name}-config", stringData={"DB_PASSWORD": "hush"})
    make(eve, name)
    assert eve.get(f"/v1/apps/{name}/config").json()["values"] == {}
    reply = eve.post(f"/v1/apps/{name}/config", json={"values": {"A": "b"}})
    assert (reply.status_code, reply.json()["values"]) == (201, {"A": "b"})
    released = eve.get(f"/v1/apps/{name}/releases").json()["results"]
    assert "DB_PASSWORD" not in json.dumps(released)


def test_the_name_of_a_deleted_application_opens_its_secret_to_nobody(
    by_kubectl: Callable[..., str],
    controller: Controller,
    person: MakePerson,
    shared_kubectl: Kubectl,
) -> None:
    name = by_kubectl(stringData={"DB_PASSWORD": "hush"})
    assert controller.shown(f"{name}/config")["values"] == {"DB_PASSWORD": "hush"}
    shared_kubectl("delete", "application", name)
    eve = person("eve")
    eventually(lambda: controller.server.facade.cache.applications.get(name) is None)
    over_drogue(eve, name)
    assert eve.get(f"/v1/apps/{name}/config").json()["values"] == {}


def test_a_secret_may_name_the_application_of_an_api_that_it_is_given_to(
    ada: Person,
    controller: Controller,
    apply: Callable[..., None],
    shared_kubectl: Kubectl,
) -> None:
    name = unique("shop")
    over_drogue(ada, name)
    uid = controller.shown(name)["uuid"]
    apply("Secret", f"app-{name}-config", stringData={"COLOUR": "blue"})
    secret = f"secret/app-{name}-config"
    shared_kubectl("annotate", secret, f"polyfleet.dev/given-to={uid}")
    assert controller.shown(f"{name}/config")["values"] == {"COLOUR": "blue"}


def config_of(controller: Controller, app: str, version: int) -> dict[str, Any] | None:
    """Return the values in the Secret of a release's configuration; None if there is none."""
    server = controller.server
    shown = controller.shown(f"{app}/releases/v{version}")
    return server.call(read_values(server.facade.client, app, shown["config"]))


def test_a_first_build_has_a_configuration_that_one_can_return_to(
    ada: Person, controller: Controller
) -> None:
    name = unique("nosec")
    over_drogue(ada, name)
    controller.build(name)
    assert config_of(controller, name, 1) == {}
    controller.configure(name, values={"A": "b"})
    reply = ada.post(f"/v1/apps/{name}/releases/rollback", json={"version": 1})
    assert (reply.status_code, reply.json()) == (201, {"version": 3})
    assert config_of(controller, name, 3) == {}
    assert controller.shown(f"{name}/config")["values"] == {}


def test_a_first_build_has_the_values_that_kubectl_gave(
    by_kubectl: Callable[..., str], controller: Controller
) -> None:
    name = by_kubectl(stringData={"COLOUR": "blue"})
    controller.build(name)
    assert config_of(controller, name, 1) == {"COLOUR": "blue"}
    shown, released = controller.shown(f"{name}/config"), controller.shown(f"{name}/releases/v1")
    assert (shown["uuid"], shown["owner"]) == (released["config"], released["owner"])


def test_the_uuid_of_a_configuration_tells_readers_nothing_about_its_values(
    by_kubectl: Callable[..., str], controller: Controller
) -> None:
    shown = set()
    for _ in range(2):
        name = by_kubectl(stringData={"PIN": "1234"})
        controller.build(name)
        shown.add(controller.shown(f"{name}/releases/v1")["config"])
    assert len(shown) == 2


def test_what_kubectl_released_belongs_to_nobody_of_that_name(
    server: FacadeServer, root: Person, apply: Callable[..., None]
) -> None:
    name = unique("kube")
    apply("Application", name, spec={"name": name, "config": {"memory": {"web": "64M"}}})
    apply("Build", name, spec={"application": name, "image": "shop:1"})
    cache = server.facade.cache
    eventually(lambda: cache.applications.get(name) and cache.builds.get(name))
    assert root.get(f"/v1/apps/{name}/config").json()["owner"] == ""
    # What kubectl wants gets its release before the one that is asked for here.
    assert root.post(f"/v1/apps/{name}/config", json={}).status_code == 201
    first = root.get(f"/v1/apps/{name}/releases/v1").json()
    assert (first["owner"], first["summary"]) == (
        "",
        "kubectl deployed shop:1 and changed limits for memory",
    )


def test_what_is_no_text_is_refused_by_name_and_makes_no_release(
    by_kubectl: Callable[..., str], controller: Controller, ada: Person
) -> None:
    name = by_kubectl(data={"BIN": "//79", "TEXT": "YQ=="})
    refusal = (409, f"the Secret app-{name}-config holds what is no text: BIN")
    replies: list[httpx.Response] = [
        ada.get(f"/v1/apps/{name}/config"),
        ada.post(f"/v1/apps/{name}/config", json={"values": {"A": "b"}}),
        ada.post(f"/v1/apps/{name}/builds", json={"image": "deis/example-go"}),
        ada.post(
            "/v1/hooks/config",
            json={"receive_user": ada.name, "receive_repo": name},
            headers={"X-Deis-Builder-Auth": BUILDER_KEY},
        ),
    ]
    assert [detail(reply) for reply in replies] == [refusal] * 4
    assert controller.releases(name) == []
