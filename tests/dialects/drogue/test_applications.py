"""Applications, route by route."""

import json
import re
import secrets
from collections.abc import Callable
from typing import Any

import pytest

from tests.dialects.drogue.registry import APPS, CONFLICT, NOT_FOUND, Registry, apps, error
from tests.dialects.people import Person
from tests.dialects.waiting import eventually

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def put(registry: Registry, app: str, **body: Any) -> int:
    metadata = {"name": app, **body.pop("metadata", {})}
    return int(registry.owner.put(apps(app), json={"metadata": metadata, **body}).status_code)


def is_at(path: str, value: object) -> list[dict[str, Any]]:
    return [{"op": "test", "path": path, "value": value}]


def copied_below(levels: int) -> list[dict[str, Any]]:
    ends = ("/a" * levels * 2**number for number in range(4))
    return [{"op": "copy", "from": "/spec", "path": f"/spec{end}"} for end in ends]


def deep(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(levels):
        found = {"a": found}
    return found


def test_a_new_application_is_answered_by_its_address_and_nothing_else(
    registry: Registry,
) -> None:
    name = f"new-{secrets.token_hex(4)}"
    reply = registry.owner.post(APPS, json={"metadata": {"name": name}})
    assert (reply.status_code, reply.content) == (201, b"")
    assert reply.headers["location"] == f"{registry.server.url}{APPS}/{name}"


def test_a_new_application_has_exactly_five_fields(registry: Registry, app: str) -> None:
    shown = registry.shown(apps(app))
    assert set(shown) == {"metadata"}
    meta = shown["metadata"]
    assert set(meta) == {"name", "uid", "creationTimestamp", "generation", "resourceVersion"}
    assert (meta["name"], meta["generation"]) == (app, 0)
    assert UUID4.fullmatch(meta["uid"])
    assert UUID4.fullmatch(meta["resourceVersion"])
    assert INSTANT.fullmatch(meta["creationTimestamp"])


def test_all_that_is_sent_comes_back(registry: Registry) -> None:
    body = {
        "spec": {"a": {"b": [1, "2", None, True, 0.5, {}]}, "core": {"disabled": False}},
        "status": {"x": None, "y": -7},
    }
    metadata = {
        "labels": {"zone": "europe", "example.org/x": ""},
        "annotations": {"note": "free text, any {key}"},
        "finalizers": ["one", "two"],
    }
    app = registry.app(metadata=metadata, **body)
    shown = registry.shown(apps(app))
    assert {key: shown[key] for key in body} == body
    assert {key: shown["metadata"][key] for key in metadata} == metadata


def test_unknown_fields_beside_metadata_are_passed_over(registry: Registry) -> None:
    app = registry.app(kind="App", apiVersion="v1")
    assert set(registry.shown(apps(app))) == {"metadata"}


@pytest.mark.parametrize("name", ["3rd", "a.b.example", "x" * 63, f"{'y' * 60}.{'z' * 60}"])
def test_an_application_may_have_any_host_name(registry: Registry, name: str) -> None:
    unique = f"{secrets.token_hex(4)}.{name}"
    registry.app(unique)
    assert registry.shown(apps(unique))["metadata"]["name"] == unique


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "{",
        "",
        "{}",
        '{"metadata": null}',
        '{"metadata": {}}',
        '{"metadata": {"name": 1}}',
        '{"metadata": {"name": ""}}',
        '{"metadata": {"name": "Upper"}}',
        '{"metadata": {"name": "-a"}}',
        '{"metadata": {"name": "a..b"}}',
        '{"metadata": {"name": "a_b"}}',
        '{"metadata": {"name": "a/b"}}',
        '{"metadata": {"name": "%s"}}' % ("a" * 64),
        '{"metadata": {"name": "ok", "namespace": "x"}}',
        '{"metadata": {"name": "ok", "application": "x"}}',
        '{"metadata": {"name": "ok", "labels": {"a": 1}}}',
        '{"metadata": {"name": "ok", "labels": ["a"]}}',
        '{"metadata": {"name": "ok", "labels": {"a b": "c"}}}',
        '{"metadata": {"name": "ok", "labels": {"a": "c d"}}}',
        '{"metadata": {"name": "ok", "labels": {"a": "%s"}}}' % ("c" * 64),
        '{"metadata": {"name": "ok", "labels": {"polyfleet.dev/serial": "1"}}}',
        '{"metadata": {"name": "ok", "labels": {"app.kubernetes.io/name": "1"}}}',
        '{"metadata": {"name": "ok", "annotations": {"a": {}}}}',
        '{"metadata": {"name": "ok", "finalizers": "a"}}',
        '{"metadata": {"name": "ok", "finalizers": [""]}}',
        '{"metadata": {"name": "ok", "finalizers": ["/a"]}}',
        '{"metadata": {"name": "ok", "finalizers": ["%s"]}}' % ("a" * 64),
        '{"metadata": {"name": "ok", "finalizers": ["%s"]}}' % ("a/" * 16),
        '{"metadata": {"name": "ok", "finalizers": [1]}}',
        '{"metadata": {"name": "ok"}, "spec": []}',
        '{"metadata": {"name": "ok"}, "status": 1}',
        '{"metadata": {"name": "ok"}, "spec": {"a": 9223372036854775808}}',
        '{"metadata": {"name": "ok"}, "spec": {"a": 1e400}}',
        '{"metadata": {"name": "ok"}, "spec": {"a": NaN}}',
        '{"metadata": {"name": "ok"}, "spec": {"a": "\\ud800"}}',
        '{"metadata": {"name": "ok"}, "spec": {"core": {"disabled": "yes"}}}',
        '{"metadata": {"name": "ok"}, "spec": {"core": 1}}',
        '{"metadata": {"name": "ok"}, "spec": {"trustAnchors": {"anchors": [{}]}}}',
        '{"metadata": {"name": "ok"}, "spec": {"publish": {"rules": [{}]}}}',
        '{"metadata": {"name": "ok"}, "spec": {"mqtt": {"dialect": {"type": "x"}}}}',
        '{"metadata": {"name": "ok"}, "spec": ' + '{"a":' * 80 + "1" + "}" * 81,
        '{"metadata": {"name": "ok"}, "spec": ' + '{"a":' * 5000 + "1" + "}" * 5001,
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_bad_body_is_refused(registry: Registry, app: str, method: str, body: str) -> None:
    path = APPS if method == "POST" else apps(app)
    reply = registry.owner.request(
        method, path, content=body, headers={"content-type": "application/json"}
    )
    status, word, text = error(reply)
    assert (status, word) == (400, "BadRequest")
    assert text.startswith("Bad request: ")


def test_the_path_of_a_number_that_would_change_is_told(registry: Registry) -> None:
    body = b'{"metadata": {"name": "ok"}, "spec": {"a": [{"b": 1}, {"b": 92233720368547758080}]}}'
    headers = {"content-type": "application/json"}
    _, _, text = error(registry.owner.post(APPS, content=body, headers=headers))
    assert "spec.a[1].b" in text
    assert "92233720368547758080" in text


def test_a_number_is_the_number_that_it_was(registry: Registry, app: str) -> None:
    numbers = (
        "[20.0, 1e3, -0.0, 0.1, 0.10000000000000001, 1.5e300, 1e19, 1e20, 9007199254740993, -1]"
    )
    body = f'{{"metadata": {{"name": "{app}"}}, "spec": {{"a": {numbers}}}}}'
    headers = {"content-type": "application/json"}
    assert registry.owner.put(apps(app), content=body, headers=headers).status_code == 204
    before = registry.shown(apps(app))
    assert before["spec"] == {"a": json.loads(numbers)}
    assert registry.owner.put(apps(app), content=body, headers=headers).status_code == 204
    assert registry.shown(apps(app)) == before


def test_another_content_type_is_refused(registry: Registry) -> None:
    reply = registry.owner.post(APPS, content=b"{}", headers={"content-type": "text/plain"})
    assert error(reply)[:2] == (400, "BadRequest")


def test_a_body_of_more_than_64_kib_is_too_large(registry: Registry) -> None:
    body = {"metadata": {"name": "ok"}, "spec": {"a": "x" * 70_000}}
    assert error(registry.owner.post(APPS, json=body))[:2] == (413, "PayloadTooLarge")


def test_a_name_is_taken_once(registry: Registry, app: str, stranger: Person) -> None:
    for caller in (registry.owner, stranger):
        assert error(caller.post(APPS, json={"metadata": {"name": app}})) == CONFLICT


def test_the_default_application_is_there_and_cannot_be_removed(
    person: Callable[..., Person],
) -> None:
    admin = person("admin", administrator=True)
    assert error(admin.post(APPS, json={"metadata": {"name": "default"}})) == CONFLICT
    assert error(admin.delete(apps("default"))) == CONFLICT


def test_a_full_replacement_takes_away_what_it_does_not_name(registry: Registry) -> None:
    app = registry.app(
        metadata={"labels": {"a": "1"}, "annotations": {"n": "1"}}, spec={"a": 1}, status={"b": 2}
    )
    assert put(registry, app, spec={"c": 3}) == 204
    shown = registry.shown(apps(app))
    assert shown["spec"] == {"c": 3}
    assert "status" not in shown
    assert not {"labels", "annotations"} & set(shown["metadata"])


def test_a_change_gives_a_new_version_and_a_higher_generation(registry: Registry, app: str) -> None:
    before = registry.shown(apps(app))["metadata"]
    assert put(registry, app, spec={"a": 1}) == 204
    after = registry.shown(apps(app))["metadata"]
    assert after["resourceVersion"] != before["resourceVersion"]
    assert after["generation"] == before["generation"] + 1
    assert after["uid"] == before["uid"]


def test_no_change_leaves_the_version_as_it_is(registry: Registry) -> None:
    app = registry.app(spec={"a": None, "b": {"z": 1, "a": 2}})
    before = registry.shown(apps(app))
    assert put(registry, app, spec={"b": {"a": 2, "z": 1}, "a": None}) == 204
    assert registry.shown(apps(app)) == before


def test_true_is_not_one(registry: Registry) -> None:
    app = registry.app(spec={"a": True})
    put(registry, app, spec={"a": 1})
    assert registry.shown(apps(app))["spec"]["a"] is not True


def test_a_put_with_the_version_that_was_read_succeeds_once(registry: Registry, app: str) -> None:
    meta = registry.shown(apps(app))["metadata"]
    lock = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
    assert put(registry, app, metadata=lock, spec={"a": 1}) == 204
    assert put(registry, app, metadata=lock, spec={"a": 2}) == 409
    assert registry.shown(apps(app))["spec"] == {"a": 1}


def test_empty_preconditions_are_none(registry: Registry, app: str) -> None:
    assert put(registry, app, metadata={"uid": "", "resourceVersion": ""}, spec={"a": 1}) == 204


def test_a_put_never_creates(registry: Registry) -> None:
    assert put(registry, f"none-{secrets.token_hex(4)}") == 404


def test_a_put_under_another_name_is_refused(registry: Registry, app: str) -> None:
    reply = registry.owner.put(apps(app), json={"metadata": {"name": "other"}})
    assert error(reply)[:2] == (400, "BadRequest")


def test_what_others_do_to_the_object_is_no_conflict(
    registry: Registry, app: str, shared_kubectl: Callable[..., str]
) -> None:
    meta = registry.shown(apps(app))["metadata"]
    shared_kubectl("label", "application", app, "polyfleet.dev/serial=77")
    lock = {"resourceVersion": meta["resourceVersion"]}
    assert put(registry, app, metadata=lock, spec={"a": 1}) == 204
    assert "labels" not in registry.shown(apps(app))["metadata"]
    assert "polyfleet.dev/serial" in shared_kubectl("get", "application", app, "-o", "yaml")


def test_a_deleted_application_is_gone_or_shows_that_it_goes(registry: Registry, app: str) -> None:
    reply = registry.owner.delete(apps(app))
    assert (reply.status_code, reply.content) == (204, b"")
    assert "deletionTimestamp" in registry.shown(apps(app))["metadata"]  # no operator runs here
    assert error(registry.owner.delete(apps(app))) == NOT_FOUND
    assert error(registry.owner.post(APPS, json={"metadata": {"name": app}})) == CONFLICT


@pytest.mark.parametrize("form", ["query", "body"])
def test_a_deletion_checks_its_preconditions(registry: Registry, app: str, form: str) -> None:
    meta = registry.shown(apps(app))["metadata"]

    def delete(**wanted: str) -> int:
        options: dict[str, Any] = (
            {"params": wanted} if form == "query" else {"json": {"preconditions": wanted}}
        )
        return int(registry.owner.request("DELETE", apps(app), **options).status_code)

    assert delete(uid="00000000-0000-4000-8000-000000000000") == 409
    assert delete(resourceVersion="00000000-0000-4000-8000-000000000000") == 409
    assert delete(uid=meta["uid"], resourceVersion=meta["resourceVersion"]) == 204


def test_preconditions_that_contradict_each_other_are_refused(registry: Registry, app: str) -> None:
    reply = registry.owner.request(
        "DELETE", apps(app), params={"uid": "a"}, json={"preconditions": {"uid": "b"}}
    )
    assert error(reply)[:2] == (400, "BadRequest")


def test_a_patch_changes_what_it_names(registry: Registry) -> None:
    app = registry.app(metadata={"labels": {"a": "1"}}, spec={"x": 1, "y": None})
    patch = [
        {"op": "test", "path": "/spec/x", "value": 1},
        {"op": "add", "path": "/metadata/labels/b", "value": "2"},
        {"op": "replace", "path": "/spec/x", "value": {"z": None}},
    ]
    reply = registry.owner.patch(apps(app), json=patch)
    assert (reply.status_code, reply.content) == (204, b"")
    shown = registry.shown(apps(app))
    assert shown["spec"] == {"x": {"z": None}, "y": None}
    assert shown["metadata"]["labels"] == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("patch", "status"),
    [
        ({}, 400),
        ([1], 400),
        ([{"op": "fly", "path": "/spec"}], 400),
        ([{"path": "/spec"}], 400),
        ([{"op": "remove", "path": "/spec/none"}], 400),
        ([{"op": "add", "path": "spec", "value": 1}], 400),
        ([{"op": "add", "path": "/metadata/name/x", "value": 1}], 400),
        ([{"op": "replace", "path": "/metadata/name", "value": "other"}], 400),
        ([{"op": "replace", "path": "", "value": []}], 400),
        ([{"op": "add", "path": "/metadata/labels", "value": {"k8s.io/a": "b"}}], 400),
        ([{"op": "test", "path": "/metadata/name", "value": "other"}], 409),
        ([{"op": "replace", "path": "/metadata/uid", "value": "other"}], 409),
        ([{"op": "add", "path": "/spec/a", "value": 1}, *is_at("/spec/a", True)], 409),
        (is_at("/metadata/generation", False), 409),
        ([{"op": "add", "path": "/spec", "value": deep(50)}, *copied_below(50)], 400),
        (
            [{"op": "add", "path": "/spec", "value": {"a": "x" * 1000}}]
            + [{"op": "copy", "from": "/spec", "path": f"/spec/c{n}"} for n in range(60)],
            413,
        ),
        ([{"op": "test", "path": "", "value": {}}] * 101, 400),
    ],
)
def test_a_patch_that_cannot_be_applied_changes_nothing(
    registry: Registry, app: str, patch: Any, status: int
) -> None:
    before = registry.shown(apps(app))
    reply = registry.owner.patch(apps(app), json=patch)
    assert error(reply)[0] == status
    assert registry.shown(apps(app)) == before


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/spec/a", {"b": 1}),
        ("/status/a", [1]),
        ("/metadata/labels/a", "b"),
        ("/metadata/annotations/a", "b"),
        ("/metadata/finalizers/-", "a"),
    ],
)
def test_a_patch_reaches_parts_that_are_not_shown_while_they_are_empty(
    registry: Registry, app: str, path: str, value: Any
) -> None:
    before = registry.shown(apps(app))
    add = [{"op": "add", "path": path, "value": value}]
    assert registry.owner.patch(apps(app), json=add).status_code == 204
    shown = registry.shown(apps(app))
    part = path.split("/")[-2]
    found = {**shown, **shown["metadata"]}[part]
    assert found == ([value] if part == "finalizers" else {"a": value})
    path = path.replace("/-", "/0")
    remove = [{"op": "remove", "path": path}]
    assert registry.owner.patch(apps(app), json=remove).status_code == 204
    after = registry.shown(apps(app))
    assert after["metadata"].keys() == before["metadata"].keys()
    assert after.keys() == before.keys()


def test_a_patch_checks_the_preconditions_of_its_query(registry: Registry, app: str) -> None:
    meta = registry.shown(apps(app))["metadata"]
    patch = [{"op": "add", "path": "/spec", "value": {"a": 1}}]
    lock = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
    assert registry.owner.patch(apps(app), json=patch, params=lock).status_code == 204
    assert error(registry.owner.patch(apps(app), json=patch, params=lock)) == CONFLICT


def test_lists_are_cut_and_in_the_order_of_names(
    registry: Registry, person: Callable[..., Person]
) -> None:
    owner = person("lister")
    mine = Registry(registry.server, owner)
    names = sorted(f"{letter}-{secrets.token_hex(4)}" for letter in "dacbe")
    for name in reversed(names):
        mine.app(name, metadata={"labels": {"odd": str(names.index(name) % 2)}})

    def listed(**query: Any) -> list[str]:
        reply = owner.get(APPS, params=query)
        assert reply.status_code == 200
        return [item["metadata"]["name"] for item in reply.json()]

    assert listed() == names
    assert listed(limit=2, offset=1) == names[1:3]
    assert listed(limit=0) == []
    assert listed(offset=9) == []
    assert listed(labels="odd=1") == names[1::2]
    assert listed(labels="odd=0", limit=1, offset=1) == [names[2]]


@pytest.mark.parametrize(
    "query", [{"limit": "-1"}, {"limit": "x"}, {"offset": "1.5"}, {"limit": ["1", "2"]}]
)
def test_a_limit_that_is_no_number_is_refused(registry: Registry, query: Any) -> None:
    assert error(registry.owner.get(APPS, params=query))[:2] == (400, "BadRequest")


def test_an_application_made_by_kubectl_is_shown(
    registry: Registry, person: Callable[..., Person], shared_kubectl: Callable[..., str]
) -> None:
    name = f"kube-{secrets.token_hex(4)}"
    shared_kubectl(
        "apply",
        "-f",
        "-",
        stdin=f"""
apiVersion: polyfleet.dev/v1alpha1
kind: Application
metadata: {{name: {name}, labels: {{zone: north}}}}
spec: {{name: {name}, data: {{spec: {{a: 1}}, annotations: {{note: m}}}}}}
""",
    )
    admin = person("admin", administrator=True)
    shown = eventually(lambda: (r := admin.get(apps(name))).status_code == 200 and r.json())
    assert shown["spec"] == {"a": 1}
    assert shown["metadata"]["labels"] == {"zone": "north"}
    assert shown["metadata"]["annotations"] == {"note": "m"}
