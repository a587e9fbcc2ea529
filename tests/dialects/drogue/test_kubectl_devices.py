"""Devices whose structured data was written by kubectl, which nothing checks."""

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.dialects.drogue.inbox import fetch, secured, send
from tests.dialects.drogue.registry import Registry, device, devices, members
from tests.dialects.people import Person
from tests.dialects.waiting import eventually
from tests.facade_fixtures import running_facade

Kubectl = Callable[..., str]
LOCKS = [{"disabled": True}, {"disabled": "no"}, {"disabled": None}, "on", []]


def applied(registry: Registry, kubectl: Kubectl, app: str, **spec: Any) -> dict[str, Any]:
    """Make the device d by kubectl; return what is shown of it."""
    item = {
        "apiVersion": "polyfleet.dev/v1alpha1",
        "kind": "Device",
        "metadata": {"name": f"{app}.d"},
        "spec": {"application": app, "deviceId": "d", **spec},
    }
    kubectl("create", "-f", "-", stdin=json.dumps(item))
    eventually(lambda: registry.owner.get(devices(app, "d")).status_code == 200)
    return registry.shown(devices(app, "d"))


def patched(registry: Registry, kubectl: Kubectl, app: str, spec: dict[str, Any]) -> None:
    """Change the device d by kubectl, and wait until that is seen."""
    before = registry.shown(devices(app, "d"))
    patch = json.dumps({"spec": spec})
    kubectl("patch", "device", f"{app}.d", "--type=merge", "-p", patch)
    eventually(lambda: registry.shown(devices(app, "d")) != before)


@pytest.mark.parametrize("core", LOCKS)
def test_a_lock_in_the_data_holds(
    registry: Registry, app: str, shared_kubectl: Kubectl, core: Any
) -> None:
    shown = applied(registry, shared_kubectl, app, data={"spec": {"core": core}})
    assert shown["spec"] == {"core": core}
    assert send(registry, app, "d", "x").status_code == 406
    where = f"/polyfleet/v1/applications/{app}/devices/d/decision"
    bearer = {"Authorization": f"Bearer {registry.owner.token}"}
    with registry.server.client(headers=bearer) as native:
        assert native.get(where).json()["facts"]["disabled"] is True


@pytest.mark.parametrize("core", [{}, {"disabled": False}, {"note": "disabled"}])
def test_a_section_that_does_not_lock_does_not(
    registry: Registry, app: str, shared_kubectl: Kubectl, core: Any
) -> None:
    applied(registry, shared_kubectl, app, data={"spec": {"core": core}})
    assert send(registry, app, "d", "x").status_code == 202


def test_a_lock_in_the_data_is_kept_by_other_changes_and_taken_away_by_its_own(
    registry: Registry, app: str, shared_kubectl: Kubectl
) -> None:
    applied(registry, shared_kubectl, app, data={"spec": {"core": {"disabled": True, "a": 1}}})
    note = [{"op": "add", "path": "/spec/note", "value": "x"}]
    assert registry.owner.patch(devices(app, "d"), json=note).status_code == 204
    locked = {"core": {"disabled": True, "a": 1}, "note": "x"}
    assert registry.shown(devices(app, "d"))["spec"] == locked
    assert send(registry, app, "d", "x").status_code == 406
    free = [{"op": "replace", "path": "/spec/core/disabled", "value": False}]
    assert registry.owner.patch(devices(app, "d"), json=free).status_code == 204
    assert send(registry, app, "d", "x").status_code == 202


def test_kubectl_unlocks_what_the_api_locked(
    registry: Registry, app: str, shared_kubectl: Kubectl
) -> None:
    registry.device(app, "d", spec={"core": {"disabled": True}})
    patched(registry, shared_kubectl, app, {"disabled": False})
    assert send(registry, app, "d", "x").status_code == 202
    body = device(app, "d", spec={"core": {"disabled": True}})
    assert registry.owner.put(devices(app, "d"), json=body).status_code == 204
    before = registry.shown(devices(app, "d"))
    assert before["spec"] == body["spec"]
    assert registry.owner.put(devices(app, "d"), json=body).status_code == 204
    assert registry.shown(devices(app, "d")) == before
    patched(registry, shared_kubectl, app, {"disabled": None})
    assert send(registry, app, "d", "x").status_code == 202


CLEAR: list[dict[str, Any]] = [
    {"credentials": [{"pass": "s3cret"}]},
    {"credentials": [{"pass": {"plain": "s3cret"}}]},
    {"credentials": [{"pass": {"sha512": "$6$a$b", "plain": "s3cret"}}]},
    {"credentials": [{"pass": {"sha512": "s3cret"}}]},
    {"credentials": [{"user": {"username": "u", "password": "s3cret"}}]},
    {"credentials": [{"user": "s3cret"}]},
    {"credentials": [{"psk": {"key": base64.b64encode(b"s3cret").decode()}}]},
    {"credentials": {"pass": "s3cret"}},
    {"credentials": ["s3cret"]},
]


@pytest.mark.parametrize("section", ["credentials", "authentication"])
@pytest.mark.parametrize("given", CLEAR)
def test_secrets_in_clear_text_are_never_shown(
    registry: Registry, app: str, shared_kubectl: Kubectl, section: str, given: dict[str, Any]
) -> None:
    shown = applied(registry, shared_kubectl, app, data={"spec": {section: given, "a": 1}})
    assert shown["spec"] == {section: {"credentials": []}, "a": 1}
    listed = registry.owner.get(devices(app)).text
    assert not any(text in listed for text in ("s3cret", base64.b64encode(b"s3cret").decode()))


def test_a_password_in_clear_text_opens_nothing_until_it_is_set_over_the_api(
    registry: Registry, app: str, shared_kubectl: Kubectl, stranger: Person
) -> None:
    applied(registry, shared_kubectl, app, data={"spec": secured("s3cret")})
    with registry.server.client(auth=(f"d@{app}", "s3cret")) as caller:
        assert fetch(caller, app, "d").status_code == 401
        give = {"members": {stranger.name: {"role": "reader"}}}
        assert registry.owner.put(members(app), json=give).status_code == 204
        assert "s3cret" not in stranger.get(devices(app, "d")).text
        body = device(app, "d", spec=secured("s3cret"))
        reply: httpx.Response = registry.owner.put(devices(app, "d"), json=body)
        assert reply.status_code == 204
        assert fetch(caller, app, "d").status_code == 404


@pytest.mark.parametrize("levels", [250, 800, 9000])
def test_data_of_any_depth_hides_nothing_else(
    registry: Registry,
    app: str,
    shared_kubectl: Kubectl,
    levels: int,
) -> None:
    deep = {
        "metadata": {"name": f"{app}.deep"},
        "spec": {"data": {"spec": {"core": {"disabled": "DEEP"}}}},
    }
    deep |= {"apiVersion": "polyfleet.dev/v1alpha1", "kind": "Device"}
    deep["spec"] |= {"application": app, "deviceId": "deep"}
    text = json.dumps(deep).replace('"DEEP"', '{"a":' * levels + "1" + "}" * levels)
    registry.device(app, "before")
    shared_kubectl("create", "-f", "-", stdin=text)
    registry.device(app, "later")
    eventually(lambda: registry.owner.get(devices(app, "deep")).status_code == 200)
    with running_facade(registry.server.settings) as another, another.client() as anonymous:
        for caller in (registry.owner.client, anonymous):
            reply = caller.get(devices(app), auth=(registry.owner.name, registry.owner.token))
            names = [item["metadata"]["name"] for item in reply.json()]
            assert names == ["before", "deep", "later"]
    assert send(registry, app, "deep", "x").status_code == 406
    body = device(app, "deep", spec={"note": "flat"})
    assert registry.owner.put(devices(app, "deep"), json=body).status_code == 204
    assert send(registry, app, "deep", "x").status_code == 202
