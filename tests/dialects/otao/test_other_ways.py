"""The same software over kubectl, RDFM and this API."""

import json
import secrets
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from polyfleet.api.core.identity.endpoint_tokens import digest
from polyfleet.fleet.objects.kinds import PACKAGES
from tests.dialects.conftest import scoped_client
from tests.dialects.otao.fleet import Fleet
from tests.dialects.waiting import eventually
from tests.facade_fixtures import FacadeServer

Kubectl = Callable[..., str]


def manifest(kind: str, name: str, application: str, **spec: Any) -> str:
    whole = {"application": application, **spec}
    head = {"apiVersion": "polyfleet.dev/v1alpha1", "kind": kind, "metadata": {"name": name}}
    return json.dumps({**head, "spec": whole})


def test_a_package_of_kubectl_is_software(fleet: Fleet, shared_kubectl: Kubectl) -> None:
    name = f"any-{secrets.token_hex(4)}"
    text = manifest(
        "Package",
        name,
        fleet.name,
        version="1.0.2",
        specification='{"a": 1.0,  "b": 12345678901234567890123}',
        metadata='"Ubuntu 17.10"',
        upgradableFrom=["1.0.1"],
        offer={
            "strategy": "targeted",
            "filters": [{"group": "canary", "from": "2019-04-20T13:19:57.848123456+02:00"}],
        },
    )
    shared_kubectl("apply", "-f", "-", stdin=text)
    eventually(lambda: fleet.caller.get(fleet.software).json())
    shown = fleet.caller.get(f"{fleet.software}/1.0.2").text
    assert '"specification":{"a": 1.0,  "b": 12345678901234567890123}' in shown
    assert json.loads(shown) == {
        "appName": fleet.name,
        "version": "1.0.2",
        "specification": {"a": 1.0, "b": 12345678901234567890123},
        "metadata": "Ubuntu 17.10",
        "upgradableFrom": ["1.0.1"],
        "rolloutStrategy": "targeted",
        "filters": [{"filterId": "canary", "rolloutDate": "2019-04-20T11:19:57.848Z"}],
    }
    assert fleet.post("1.0.2").status_code == 400
    assert fleet.caller.put(
        f"{fleet.software}/1.0.2", json={"rolloutStrategy": "general"}
    ).is_success
    spec = json.loads(shared_kubectl("get", "package", name, "-o", "json"))["spec"]
    assert spec["offer"] == {"strategy": "general", "filters": []}
    assert "metadata" not in spec
    shared_kubectl("delete", "package", name)
    eventually(lambda: fleet.caller.get(f"{fleet.software}/1.0.2").status_code == 404)


def test_software_made_here_is_a_package_of_kubectl(fleet: Fleet, shared_kubectl: Kubectl) -> None:
    body = b'{"rolloutStrategy": "targeted", "specification": [1, 1.0, "1"], "filters": []}'
    assert fleet.caller.post(f"{fleet.software}/1.0.0", content=body).status_code == 201
    selector = f"spec.application={fleet.name},spec.version=1.0.0"
    listing = shared_kubectl("get", "packages", "-o", "json", "--field-selector", selector)
    [document] = json.loads(listing)["items"]
    assert document["spec"]["specification"] == '[1, 1.0, "1"]'
    assert document["spec"]["offer"] == {"strategy": "targeted", "filters": []}
    assert document["metadata"]["labels"]["polyfleet.dev/application"] == fleet.name
    assert int(document["metadata"]["labels"]["polyfleet.dev/serial"]) > 0


def test_text_that_is_no_json_reads_as_null(fleet: Fleet, shared_kubectl: Kubectl) -> None:
    name = f"any-{secrets.token_hex(4)}"
    broken = {"specification": "{", "metadata": "nope"}
    text = manifest("Package", name, fleet.name, version="1.0.0", **broken)
    shared_kubectl("apply", "-f", "-", stdin=text)
    [shown] = eventually(lambda: fleet.caller.get(fleet.software).json())
    assert (shown["specification"], shown["metadata"]) == (None, None)


def upload(rdfm: httpx.Client, version: str, **fields: str) -> dict[str, Any]:
    form = {"rdfm.software.version": version, "rdfm.hardware.devtype": "kettle", **fields}
    reply = rdfm.post("/api/v1/packages", data=form, files={"file": b"the file"})
    assert reply.status_code == 200, reply.text
    document: dict[str, Any] = reply.json()
    return document


@pytest.fixture
def default(server: FacadeServer, manager: httpx.Client) -> Fleet:
    """Provide the default application, where RDFM's packages are."""
    return Fleet.of_default(server, manager)


def test_a_package_of_rdfm_is_software_with_a_link_to_its_file(
    default: Fleet, server: FacadeServer, anonymous: httpx.Client
) -> None:
    version = f"1.0.0-{secrets.token_hex(4)}a"
    with scoped_client(server, "rdfm", ["rdfm_admin_rw"]) as rdfm:
        uploaded = upload(rdfm, version, note="of RDFM")
        shown = default.show(version)
        assert shown.pop("specification") == {
            "link": (link := default.show(version)["specification"]["link"]),
            "sha256": uploaded["sha256"],
            "size": 8,
        }
        assert shown == {
            "appName": "default",
            "version": version,
            "metadata": {"note": "of RDFM"},
            "rolloutStrategy": "suspended",
            "filters": [],
        }
        assert anonymous.get(link).content == b"the file"
        assert default.post(version).status_code == 400
        change = {"rolloutStrategy": "general", "metadata": {"note": "of OTAO"}}
        assert default.caller.put(f"{default.software}/{version}", json=change).status_code == 204
        again = rdfm.get(f"/api/v1/packages/{uploaded['id']}").json()
        assert again["metadata"]["note"] == "of OTAO"
        assert again["sha256"] == uploaded["sha256"]
        assert rdfm.delete(f"/api/v1/packages/{uploaded['id']}").status_code == 200
        assert default.caller.get(f"{default.software}/{version}").status_code == 404


def test_of_packages_that_repeat_a_version_the_full_one_stands_for_it(
    default: Fleet, server: FacadeServer
) -> None:
    version = f"1.0.0-{secrets.token_hex(4)}a"
    with scoped_client(server, "rdfm", ["rdfm_admin_rw"]) as rdfm:
        delta = {"requires:rdfm.software.version": "0.9.0"}
        upload(rdfm, version, note="delta", **delta)
        assert default.show(version)["metadata"] == {"note": "delta"}
        upload(rdfm, version, note="full")
        upload(rdfm, version, note="full again")
    assert default.show(version)["metadata"] == {"note": "full"}
    listed = default.caller.get(default.software).json()
    assert [item["metadata"] for item in listed if item["version"] == version] == [{"note": "full"}]


def test_a_version_of_rdfm_that_is_no_semantic_one_is_shown_but_not_made(
    default: Fleet, server: FacadeServer
) -> None:
    version = f"v2.0-{secrets.token_hex(4)}"
    assert default.post(version).status_code == 400
    assert default.caller.get(f"{default.software}/{version}").status_code == 400
    with scoped_client(server, "rdfm", ["rdfm_admin_rw"]) as rdfm:
        upload(rdfm, version)
    assert default.show(version)["version"] == version
    assert default.caller.get(default.software).json()[-1]["version"].startswith("v2.0-")
    assert default.post(version).status_code == 400


def test_software_made_here_is_a_package_of_rdfm(default: Fleet, server: FacadeServer) -> None:
    version = f"1.0.0-{secrets.token_hex(4)}a"
    default.make(version, specification={"a": 1}, metadata={"note": "of OTAO"})
    with scoped_client(server, "rdfm", ["rdfm_admin_ro"]) as rdfm:
        listed = rdfm.get("/api/v1/packages").json()
    [found] = [item for item in listed if item["metadata"]["rdfm.software.version"] == version]
    assert (found["driver"], found["sha256"]) == ("none", "")
    assert found["metadata"]["note"] == "of OTAO"


def test_a_groups_policy_reaches_a_device_of_kaa(fleet: Fleet) -> None:
    fleet.make("1.0.0", specification=1, rolloutStrategy="suspended")
    facade = fleet.server.facade
    [package] = [
        item for item in facade.cache.packages.values() if item.spec.application == fleet.name
    ]
    group = fleet.group("kitchen")
    endpoint = fleet.device(groups=(group,))
    assert endpoint.ask() == {"configId": "", "config": None}
    policy = {"spec": {"packages": [package.metadata.name], "policy": "exact_match,1.0.0"}}
    fleet.server.call(facade.writer.patch(facade.cache.groups.kind, group, policy))
    assert endpoint.ask() == {"configId": "1.0.0", "config": 1}


def test_a_device_of_kaa_gets_the_file_of_a_package_of_rdfm(
    default: Fleet, server: FacadeServer, anonymous: httpx.Client
) -> None:
    version = f"99.0.0-{secrets.token_hex(4)}a"  # newer than what others offer here
    with scoped_client(server, "rdfm", ["rdfm_admin_rw"]) as rdfm:
        upload(rdfm, version)
    [package] = [
        item for item in server.facade.cache.packages.values() if item.spec.version == version
    ]
    kettle = [{"name": "device_type", "value": {"string": "kettle"}}]
    endpoint = default.device(pin=package.metadata.name, attributes=kettle)
    answer = endpoint.ask()
    assert answer["configId"] == version
    assert anonymous.get(answer["config"]["link"]).content == b"the file"
    endpoint.change({"spec": {"pin": None}})
    assert endpoint.ask(configId=version) == {}


def test_what_cannot_be_sent_is_not_offered(fleet: Fleet, server: FacadeServer) -> None:
    artifact = {"driver": "s3", "path": "0b0c7b56-5d0c-4c5c-8f2f-0a9c3b1d2e3f"}
    spec = {
        "application": fleet.name,
        "version": "2.0.0",
        "artifact": {**artifact, "sha256": "0" * 64, "size": 1},
        "offer": {"strategy": "general"},
    }
    fleet.make("1.0.0", specification=1)
    endpoint = fleet.device()
    endpoint.report("1.0.0")
    server.call(server.facade.writer.create(PACKAGES, f"{fleet.name}.elsewhere", spec))
    assert endpoint.ask(configId="1.0.0") == {}
    assert endpoint.ask() == {"configId": "1.0.0", "config": 1}
    assert "specification" not in fleet.show("2.0.0")


def test_a_device_of_kubectl_with_a_hash_speaks_for_itself(
    fleet: Fleet, shared_kubectl: Kubectl, anonymous: httpx.Client
) -> None:
    fleet.make("1.0.0", specification=1)
    token, name = secrets.token_hex(16), f"any-{secrets.token_hex(4)}"
    spec = {"deviceId": name, "endpointTokenHashes": [digest(token)]}
    shared_kubectl("apply", "-f", "-", stdin=manifest("Device", name, fleet.name, **spec))
    devices = fleet.server.facade.cache.devices
    eventually(lambda: devices.get(name))
    path = f"/kp1/{fleet.name}-v1/cmx_ota/{token}"
    assert anonymous.post(f"{path}/config/json").json() == {"configId": "1.0.0", "config": 1}
    anonymous.post(f"{path}/applied/json", json={"configId": "1.0.0"})
    shown = shared_kubectl("get", "device", name, "-o", "json")
    assert json.loads(shown)["status"]["software"]["version"] == "1.0.0"
