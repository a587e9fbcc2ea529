"""Devices, route by route."""

import json
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.dialects.drogue.registry import (
    CONFLICT,
    NO_REFERENCE,
    NOT_FOUND,
    Registry,
    apps,
    device,
    devices,
    error,
)
from tests.dialects.people import Person
from tests.dialects.waiting import eventually

NAMES = ["d1", "Upper", "a/b/c", "with space", "ü/ö", "100%", "%2F", "~x", "a?b#c", "é" * 127]


def put(registry: Registry, app: str, name: str, **body: Any) -> httpx.Response:
    return registry.owner.put(devices(app, name), json=device(app, name, **body))


@pytest.mark.parametrize("name", NAMES)
def test_any_name_comes_back_and_leads_to_the_device(
    registry: Registry, app: str, name: str
) -> None:
    reply = registry.owner.post(devices(app), json=device(app, name))
    assert (reply.status_code, reply.content) == (201, b"")
    location = reply.headers["location"]
    assert location == f"{registry.server.url}{devices(app, name)}"
    shown = registry.owner.get(devices(app, name))
    assert shown.json()["metadata"]["name"] == name
    assert registry.owner.get(devices(app)).json() == [shown.json()]


@pytest.mark.parametrize("odd", ["\x00", "\n", "\x1b[2K", "\x7f", "\x9b2K"])
def test_a_name_has_no_control_characters(registry: Registry, app: str, odd: str) -> None:
    reply = registry.owner.post(devices(app), json=device(app, f"lamp{odd}"))
    assert reply.status_code == 400
    assert "control characters" in reply.json()["message"]


def test_a_slash_that_is_not_escaped_is_another_route(registry: Registry, app: str) -> None:
    registry.device(app, "a/b")
    assert error(registry.owner.get(f"{devices(app)}/a/b")) == NOT_FOUND


def test_a_new_device_has_exactly_six_fields(registry: Registry, app: str) -> None:
    name = registry.device(app)
    shown = registry.shown(devices(app, name))
    assert set(shown) == {"metadata"}
    assert set(shown["metadata"]) == {
        "name",
        "application",
        "uid",
        "creationTimestamp",
        "generation",
        "resourceVersion",
    }
    assert shown["metadata"]["application"] == app
    assert shown["metadata"]["generation"] == 0


def test_devices_of_an_application_with_dots_are_its_own(
    registry: Registry, shared_kubectl: Callable[..., str]
) -> None:
    long = f"{'y' * 60}.{'z' * 60}.example.org"
    one, other = (registry.app(f"{secrets.token_hex(4)}.{long}") for _ in range(2))
    name = registry.device(one, "d1")
    assert registry.shown(devices(one, name))["metadata"]["application"] == one
    assert registry.owner.get(devices(other)).json() == []
    listed = shared_kubectl("get", "applications", "-o", r"jsonpath={.items[*].metadata.name}")
    home = shared_kubectl(
        "get",
        "devices",
        "-o",
        f'jsonpath={{.items[?(@.metadata.uid=="{uid(registry, one, name)}")].spec.application}}',
    )
    assert home == one
    assert home in listed.split()


def uid(registry: Registry, app: str, name: str) -> str:
    return str(registry.shown(devices(app, name))["metadata"]["uid"])


def test_the_application_may_be_left_to_the_path(registry: Registry, app: str) -> None:
    reply = registry.owner.post(devices(app), json={"metadata": {"name": "d1"}})
    assert reply.status_code == 201


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata": {"name": ""}},
        {"metadata": {"name": "é" * 128}},
        {"metadata": {"name": None}},
        {"metadata": {"application": "other"}},
        {"metadata": {"extra": 1}},
        {"spec": {"core": {"disabled": 1}}},
        {"spec": {"credentials": []}},
        {"spec": {"credentials": {"credentials": [{}]}}},
        {"spec": {"credentials": {"credentials": [{"pass": "a", "cert": "b"}]}}},
        {"spec": {"credentials": {"credentials": [{"other": "a"}]}}},
        {"spec": {"credentials": {"credentials": [{"pass": 1}]}}},
        {"spec": {"credentials": {"credentials": [{"pass": {"md5": "a"}}]}}},
        {"spec": {"credentials": {"credentials": [{"pass": {"sha512": "a"}}]}}},
        {"spec": {"credentials": {"credentials": [{"pass": {"bcrypt": "a"}}]}}},
        {"spec": {"credentials": {"credentials": [{"pass": "x" * 257}]}}},
        {"spec": {"credentials": {"credentials": [{"pass": "x"}] * 33}}},
        {"spec": {"authentication": {"credentials": [{"user": {"username": "a"}}]}}},
        {"spec": {"authentication": {"credentials": [{"user": {"password": "a"}}]}}},
        {"spec": {"authentication": {"credentials": [{"psk": {"key": "no base64!"}}]}}},
        {"spec": {"gatewaySelector": {"matchNames": "a"}}},
        {"spec": {"alias": "a"}},
        {"spec": {"alias": [1]}},
        {"spec": {"alias": [""]}},
        {"spec": {"alias": [f"a{n}" for n in range(65)]}},
        {"spec": {"commands": {"commands": [{}]}}},
        {"spec": {"n": {"m": [2**63]}}},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_bad_body_is_refused(
    registry: Registry, app: str, method: str, changes: dict[str, Any]
) -> None:
    path = devices(app) if method == "POST" else devices(app, registry.device(app, "d1"))
    reply = registry.owner.request(method, path, json=device(app, "d1", **changes))
    status, word, text = error(reply)
    assert (status, word) == (400, "BadRequest")
    assert text.startswith(("Bad request: metadata", "Bad request: spec."))


def test_a_name_is_taken_once_in_each_application(registry: Registry, app: str) -> None:
    registry.device(app, "d1")
    assert error(registry.owner.post(devices(app), json=device(app, "d1"))) == CONFLICT
    registry.device(registry.app(), "d1")


def test_a_device_is_not_made_where_there_is_no_application(
    registry: Registry, app: str, stranger: Person
) -> None:
    none = f"none-{secrets.token_hex(4)}"
    assert error(registry.owner.post(devices(none), json=device(none, "d"))) == NO_REFERENCE
    assert error(stranger.post(devices(app), json=device(app, "d"))) == NO_REFERENCE
    registry.owner.delete(apps(app))
    assert error(registry.owner.post(devices(app), json=device(app, "d"))) == NO_REFERENCE


def test_what_is_put_replaces_all_that_clients_write(registry: Registry, app: str) -> None:
    registry.device(app, "d", spec={"a": None}, metadata={"labels": {"x": "1"}})
    assert put(registry, app, "d", status={"s": [None]}).status_code == 204
    shown = registry.shown(devices(app, "d"))
    assert shown["status"] == {"s": [None]}
    assert "spec" not in shown
    assert "labels" not in shown["metadata"]


@pytest.mark.parametrize("changes", [{"name": "other"}, {"application": "other"}])
def test_a_put_under_another_name_is_refused(
    registry: Registry, app: str, changes: dict[str, str]
) -> None:
    registry.device(app, "d")
    assert error(put(registry, app, "d", metadata=changes))[:2] == (400, "BadRequest")


def test_a_put_never_creates(registry: Registry, app: str) -> None:
    assert error(put(registry, app, "none")) == NOT_FOUND


def test_two_writers_with_one_version_do_not_both_win(registry: Registry, app: str) -> None:
    registry.device(app, "d")
    meta = registry.shown(devices(app, "d"))["metadata"]
    lock = {"resourceVersion": meta["resourceVersion"]}
    assert put(registry, app, "d", metadata=lock, spec={"a": 1}).status_code == 204
    assert error(put(registry, app, "d", metadata=lock, spec={"a": 2})) == CONFLICT


def test_a_patch_changes_a_device(registry: Registry, app: str) -> None:
    registry.device(app, "d")
    patch = [{"op": "add", "path": "/spec", "value": {"core": {"disabled": True}}}]
    assert registry.owner.patch(devices(app, "d"), json=patch).status_code == 204
    assert registry.shown(devices(app, "d"))["spec"] == {"core": {"disabled": True}}
    rename = [{"op": "replace", "path": "/metadata/application", "value": "other"}]
    assert error(registry.owner.patch(devices(app, "d"), json=rename))[0] == 400
    stale = [{"op": "test", "path": "/spec/core/disabled", "value": False}, *patch]
    assert error(registry.owner.patch(devices(app, "d"), json=stale)) == CONFLICT
    large = [{"op": "add", "path": "/spec", "value": {"a": "x" * 70_000}}]
    assert error(registry.owner.patch(devices(app, "d"), json=large))[0] == 413


@pytest.mark.parametrize("form", ["query", "body"])
def test_a_deletion_checks_its_preconditions(registry: Registry, app: str, form: str) -> None:
    registry.device(app, "d")
    meta = registry.shown(devices(app, "d"))["metadata"]

    def delete(**wanted: str) -> int:
        options: dict[str, Any] = (
            {"params": wanted} if form == "query" else {"json": {"preconditions": wanted}}
        )
        return int(registry.owner.request("DELETE", devices(app, "d"), **options).status_code)

    assert delete(uid="another") == 409
    assert delete(uid=meta["uid"], resourceVersion="another") == 409
    assert delete(uid=meta["uid"], resourceVersion=meta["resourceVersion"]) == 204
    assert delete() == 404


def test_a_deletion_may_say_no_more_than_other_requests(registry: Registry, app: str) -> None:
    for path in (devices(app, registry.device(app)), apps(app)):
        reply = registry.owner.request("DELETE", path, content=b" " * 70_000)
        assert error(reply)[:2] == (413, "PayloadTooLarge")
        reply = registry.owner.request("DELETE", path, content=b"[]")
        assert error(reply)[:2] == (400, "BadRequest")
        assert registry.owner.get(path).status_code == 200


def test_a_device_made_again_has_another_uid(registry: Registry, app: str) -> None:
    registry.device(app, "d")
    first = uid(registry, app, "d")
    registry.owner.delete(devices(app, "d"))
    assert error(registry.owner.get(devices(app, "d"))) == NOT_FOUND
    registry.device(app, "d")
    assert uid(registry, app, "d") != first


def test_a_finalizer_holds_a_device_until_it_is_taken_away(registry: Registry, app: str) -> None:
    registry.device(app, "d", metadata={"finalizers": ["cleanup", "other"]})
    assert registry.owner.delete(devices(app, "d")).status_code == 204
    shown = registry.shown(devices(app, "d"))
    assert "deletionTimestamp" in shown["metadata"]
    assert shown["metadata"]["finalizers"] == ["cleanup", "other"]
    assert error(registry.owner.delete(devices(app, "d"))) == NOT_FOUND
    assert put(registry, app, "d", metadata={"finalizers": ["other"]}).status_code == 204
    assert registry.owner.get(devices(app, "d")).status_code == 200
    assert put(registry, app, "d").status_code == 204
    assert error(registry.owner.get(devices(app, "d"))) == NOT_FOUND
    registry.device(app, "d")


def test_a_finalizer_may_have_any_characters(
    registry: Registry, app: str, shared_kubectl: Callable[..., str]
) -> None:
    names = ["example.org/x", "a b", "has_devices", "a_2F", "a_2f", "a_é_2Fé", "1é\x1b"]
    registry.device(app, "d", metadata={"finalizers": names})
    assert registry.shown(devices(app, "d"))["metadata"]["finalizers"] == names
    stored = shared_kubectl("get", "device", f"{app}.d", "-o", "jsonpath={.metadata.finalizers}")
    kept = json.loads(stored)
    assert kept[0] == "drogue.polyfleet.dev/example.org_2Fx"
    assert len(set(kept)) == len(names)
    assert put(registry, app, "d").status_code == 204
    assert "finalizers" not in registry.shown(devices(app, "d"))["metadata"]


def test_of_a_deleted_application_only_devices_with_finalizers_are_shown(
    registry: Registry, app: str
) -> None:
    registry.device(app, "plain")
    registry.device(app, "held", metadata={"finalizers": ["cleanup"]})
    registry.owner.delete(apps(app))
    listed = registry.owner.get(devices(app)).json()
    assert [item["metadata"]["name"] for item in listed] == ["held"]
    assert error(registry.owner.get(devices(app, "plain"))) == NOT_FOUND
    assert put(registry, app, "held").status_code == 204


SELECTORS = [
    ("zone=europe", "ab"),
    ("zone==europe", "ab"),
    ("zone!=europe", "cd"),
    ("country in (france, germany)", "ac"),
    ("country notin (france, germany)", "bd"),
    ("power", "bd"),
    ("!power", "ac"),
    ("zone=europe,power", "b"),
    ("zone=europe,!power,country in (france)", "a"),
    ("zone=none", ""),
    ("example.org/x", "d"),
    ("example.org/x=", "d"),
    ("", "abcd"),
]


@pytest.fixture(scope="module")
def labelled(registry: Registry) -> str:
    app = registry.app()
    labels = {
        "a": {"zone": "europe", "country": "france"},
        "b": {"zone": "europe", "power": "on", "country": "spain"},
        "c": {"zone": "asia", "country": "germany"},
        "d": {"power": "", "example.org/x": ""},
    }
    for name, own in labels.items():
        registry.device(app, name, metadata={"labels": own})
    registry.device(registry.app(), "a", metadata={"labels": labels["a"]})
    return app


@pytest.mark.parametrize(("selector", "expected"), SELECTORS)
def test_labels_select_as_in_kubernetes(
    registry: Registry, labelled: str, selector: str, expected: str
) -> None:
    reply = registry.owner.get(devices(labelled), params={"labels": selector})
    assert "".join(item["metadata"]["name"] for item in reply.json()) == expected


def test_several_selectors_must_all_hold(registry: Registry, labelled: str) -> None:
    reply = registry.owner.get(devices(labelled), params={"labels": ["zone=europe", "power"]})
    assert [item["metadata"]["name"] for item in reply.json()] == ["b"]


@pytest.mark.parametrize(
    "selector",
    ["foo/", "/bar", "foo/bar/bar", "foo,#", "a in", "a in ()x", "a=b=c", "polyfleet.dev/serial=1"],
)
def test_a_bad_selector_is_refused(registry: Registry, labelled: str, selector: str) -> None:
    status, word, text = error(registry.owner.get(devices(labelled), params={"labels": selector}))
    assert (status, word) == (400, "InvalidRequest")
    assert text.startswith("ParserError: ")


def test_limit_and_offset_count_what_the_labels_leave(registry: Registry, labelled: str) -> None:
    def names(**query: Any) -> str:
        reply = registry.owner.get(devices(labelled), params=query)
        return "".join(item["metadata"]["name"] for item in reply.json())

    assert names(limit=2) == "ab"
    assert names(limit=2, offset=3) == "d"
    assert names(limit=1, offset=1, labels="power") == "d"
    assert names(limit=1, offset=1, labels="!power") == "c"


def test_a_list_of_hundreds_is_one_valid_document(registry: Registry, app: str) -> None:
    names = [f"d{number:03}" for number in range(510)]
    for name in names:
        registry.device(app, name)
    listed = registry.owner.get(devices(app)).json()
    assert [item["metadata"]["name"] for item in listed] == names


def test_the_head_of_a_device_is_answered(registry: Registry, app: str) -> None:
    reply = registry.owner.head(devices(app, registry.device(app)))
    assert (reply.status_code, reply.content) == (200, b"")


def test_a_name_that_is_no_utf8_is_refused(registry: Registry, app: str) -> None:
    url = httpx.URL(registry.server.url, raw_path=f"{devices(app)}/%ff".encode())
    assert error(registry.owner.get(url))[:2] == (400, "BadRequest")


def test_a_device_of_kubectl_is_shown_and_keeps_what_is_native(
    registry: Registry, app: str, shared_kubectl: Callable[..., str]
) -> None:
    shared_kubectl(
        "apply",
        "-f",
        "-",
        stdin=f"""
apiVersion: polyfleet.dev/v1alpha1
kind: Device
metadata: {{name: {app}.k1, labels: {{ring: canary, group.polyfleet.dev/x: "true"}}}}
spec:
  application: {app}
  deviceId: k1
  disabled: true
  attributes: [{{name: colour, value: {{string: red}}}}]
""",
    )
    shown = eventually(
        lambda: (r := registry.owner.get(devices(app, "k1"))).status_code == 200 and r.json()
    )
    assert shown["metadata"]["labels"] == {"ring": "canary"}
    assert shown["spec"] == {"core": {"disabled": True}}
    meta = {"resourceVersion": shown["metadata"]["resourceVersion"]}
    assert put(registry, app, "k1", metadata=meta, spec={"a": 1}).status_code == 204
    text = shared_kubectl("get", "device", f"{app}.k1", "-o", "yaml")
    assert "colour" in text
    assert "group.polyfleet.dev/x" in text
    assert "disabled: false" in text
    labels = shared_kubectl("get", "device", f"{app}.k1", "-o", "jsonpath={.metadata.labels}")
    assert "ring" not in labels


def test_a_device_of_the_default_application_is_the_same_over_rdfm(
    registry: Registry, person: Callable[..., Person]
) -> None:
    admin = person("admin", administrator=True)
    name = f"cross-{secrets.token_hex(4)}"
    body = device("default", name, spec={"note": "x"})
    assert admin.post(devices("default"), json=body).status_code == 201
    bearer = {"Authorization": f"Bearer token={admin.token}"}
    with registry.server.client(headers=bearer) as rdfm:
        listed = rdfm.get("/api/v1/devices").json()
        assert [item["name"] for item in listed].count(name) == 1
        serial = next(item["id"] for item in listed if item["name"] == name)
        assert rdfm.delete(f"/api/v1/devices/{serial}").status_code == 200
    assert error(admin.get(devices("default", name))) == NOT_FOUND


def test_the_names_of_applications_are_unescaped_too(registry: Registry, app: str) -> None:
    escaped = quote(app[0]).replace(app[0], f"%{ord(app[0]):02x}") + app[1:]
    assert registry.owner.get(apps(escaped)).status_code == 200
