"""Why a device gets what it gets, over REST, from what kubectl made."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.facade_fixtures import FacadeServer, StartFacade

SHA256 = "0" * 64


def manifest(kind: str, name: str, /, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "polyfleet.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "labels": spec.pop("labels", {})},
        "spec": spec,
    }


def string(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "value": {"string": value}}


FLEET = [
    manifest("Application", "default", name="default"),
    manifest("Application", "factory", name="factory"),
    manifest(
        "Device",
        "default.gateway-1",
        labels={"site": "berlin"},
        application="default",
        deviceId="gateway-1",
        attributes=[
            string("rdfm.software.version", "v1"),
            string("rdfm.hardware.devtype", "gateway"),
        ],
    ),
    manifest("Device", "slashed", application="default", deviceId="rack/7 up"),
    manifest("Device", "factory.robot", application="factory", deviceId="robot"),
    manifest(
        "DeviceGroup",
        "default.berlin",
        application="default",
        name="berlin",
        selector={"matchLabels": {"site": "berlin"}},
        policy="exact_match,v2",
        packages=["gateway-v2", "lamp-v2"],
    ),
    manifest(
        "Package",
        "gateway-v2",
        application="default",
        version="v2",
        deviceType="gateway",
        requires=[{"name": "rdfm.software.version", "value": "v1"}],
        artifact={"driver": "url", "url": "https://x.test/2", "sha256": SHA256, "size": 1},
    ),
    manifest(
        "Package",
        "lamp-v2",
        application="default",
        version="v2",
        deviceType="lamp",
        artifact={"driver": "url", "url": "https://x.test/3", "sha256": SHA256, "size": 1},
    ),
]


@pytest.fixture
def server(start_facade: StartFacade, kubectl: Callable[..., str]) -> Iterator[FacadeServer]:
    kubectl(
        "apply", "-f", "-", stdin=json.dumps({"kind": "List", "apiVersion": "v1", "items": FLEET})
    )
    with start_facade() as server:
        yield server


@pytest.fixture
def admin(server: FacadeServer) -> Iterator[httpx.Client]:
    with server.client(server.user_token("admin", administrator=True)) as client:
        yield client


def ask(client: httpx.Client, path: str, **query: Any) -> dict[str, Any]:
    answer = client.get(f"/polyfleet/v1/{path}/decision", params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_the_answer_names_the_package_the_facts_and_each_check(admin: httpx.Client) -> None:
    answer = ask(admin, "devices/gateway-1")
    assert answer["device"]["application"] == "default"
    assert answer["device"]["id"] == "gateway-1"
    assert answer["facts"]["version"] == "v1"
    assert answer["facts"]["deviceType"] == "gateway"
    assert answer["facts"]["groups"] == ["berlin"]
    assert answer["decision"] == {
        "package": {"name": "gateway-v2", "serial": None, "version": "v2", "deviceType": "gateway"},
        "reason": "PolicyVersion",
        "group": "berlin",
        "rollout": None,
        "targetVersion": "v2",
    }
    assert answer["offersAllowed"]
    assert not answer["hypothetical"]
    assert "chosen" in {step["verdict"] for step in answer["trace"]}
    assert all(step["message"] for step in answer["trace"])


def test_another_version_can_be_supposed(admin: httpx.Client) -> None:
    answer = ask(admin, "devices/gateway-1", version="v0")
    assert answer["hypothetical"]
    assert answer["facts"]["version"] == "v0"
    assert answer["decision"]["package"] is None
    assert answer["decision"]["reason"] == "Unreachable"
    assert "v1" in json.dumps(answer["trace"])


def test_other_attributes_can_be_supposed(admin: httpx.Client) -> None:
    answer = ask(admin, "devices/gateway-1", attribute=["rdfm.hardware.devtype=lamp", "a=b=c"])
    assert answer["decision"]["package"]["name"] == "lamp-v2"
    assert answer["facts"]["attributes"]["a"] == "b=c"


def test_a_supposition_is_not_kept(admin: httpx.Client) -> None:
    ask(admin, "devices/gateway-1", version="v0")
    assert ask(admin, "devices/gateway-1")["facts"]["version"] == "v1"


@pytest.mark.parametrize(
    "path",
    [
        "devices/rack%2F7%20up",
        "devices/rack/7%20up",
        "applications/default/devices/rack%2F7%20up",
    ],
)
def test_an_id_may_hold_slashes_and_spaces(admin: httpx.Client, path: str) -> None:
    # Its object was named by hand: found by the id that it carries.
    assert ask(admin, path)["device"]["name"] == "slashed"


def test_a_device_is_found_by_its_uid(server: FacadeServer, admin: httpx.Client) -> None:
    device = server.facade.cache.devices.get("default.gateway-1")
    assert device is not None
    for path in ("devices", "applications/default/devices"):
        assert ask(admin, f"{path}/{device.metadata.uid}")["device"]["id"] == "gateway-1"


@pytest.mark.parametrize("path", ["devices/~factory~robot", "applications/factory/devices/robot"])
def test_a_device_of_another_application_is_found(admin: httpx.Client, path: str) -> None:
    assert ask(admin, path)["device"]["application"] == "factory"


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("devices/absent/decision", 404, "NotFound"),
        ("applications/absent/devices/gateway-1/decision", 404, "NotFound"),
        ("applications/factory/devices/gateway-1/decision", 404, "NotFound"),
        ("devices/~broken/decision", 400, "Invalid"),
        ("devices/gateway-1/decision?attribute=novalue", 400, "Invalid"),
        ("devices/gateway-1/decision?attribute==x", 400, "Invalid"),
        ("devices/gateway-1", 404, "NotFound"),
        ("nothing", 404, "NotFound"),
    ],
)
def test_a_bad_question_is_refused_in_our_own_form(
    admin: httpx.Client, path: str, status: int, reason: str
) -> None:
    answer = admin.get(f"/polyfleet/v1/{path}")
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert answer.json()["error"]["reason"] == reason
    assert answer.json()["error"]["message"]


def test_another_method_is_refused_in_our_own_form(admin: httpx.Client) -> None:
    answer = admin.post("/polyfleet/v1/whoami")
    assert answer.status_code == 405
    assert answer.json()["error"]["reason"] == "MethodNotAllowed"
    assert answer.headers["allow"] == "GET"


def test_without_the_right_a_device_might_as_well_not_exist(server: FacadeServer) -> None:
    token = server.user_token("nobody")
    with server.client(token) as client:
        forbidden = client.get("/polyfleet/v1/devices/gateway-1/decision")
        absent = client.get("/polyfleet/v1/devices/absent/decision")
    assert forbidden.status_code == absent.status_code == 404
    assert forbidden.json() == absent.json()


def test_a_reading_scope_is_enough_in_the_default_application_only(server: FacadeServer) -> None:
    token = server.user_token("reader", scopes=["rdfm_admin_ro"])
    with server.client(token) as client:
        assert ask(client, "devices/gateway-1")["decision"]
        other = client.get("/polyfleet/v1/devices/~factory~robot/decision")
    assert other.status_code == 404


def test_the_description_of_the_routes_is_complete(admin: httpx.Client) -> None:
    document = admin.get("/polyfleet/v1/openapi.json").json()
    assert set(document["paths"]) == {
        "/polyfleet/v1/whoami",
        "/polyfleet/v1/devices/{device_id}/decision",
        "/polyfleet/v1/applications/{application_name}/devices/{device_id}/decision",
        "/polyfleet/v1/rollouts/{name}/plan",
    }
