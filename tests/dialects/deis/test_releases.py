"""Builds and releases: numbered, never changed, rolled back to."""

import json
import threading
from typing import Any

import httpx
import pytest

from tests.dialects.deis.controller import (
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


def test_a_build_is_shown_as_it_was_given(controller: Controller, app: str, ada: Person) -> None:
    given = {
        "image": "deis/example-go:latest",
        "sha": "060da68f",
        "dockerfile": "FROM scratch\n",
        "procfile": {"web": "run web", "worker": "run worker"},
    }
    reply = ada.post(f"/v1/apps/{app}/builds/", json=given)
    assert (reply.status_code, reply.headers["x-deis-release"]) == (201, "2")
    assert reply.headers["deis-release"] == "2"
    document = reply.json()
    assert document == {
        **given,
        "app": app,
        "owner": ada.name,
        "created": document["created"],
        "updated": document["updated"],
        "uuid": document["uuid"],
    }
    second = controller.build(app, procfile='{"web": "other"}')
    assert second["procfile"] == {"web": "other"}
    third = controller.build(app)
    assert (third["procfile"], third["sha"], third["dockerfile"]) == ({}, "", "")
    found = results(ada.get(f"/v1/apps/{app}/builds"))
    assert found == [third, second, document]
    assert controller.shown(f"{app}/builds/{second['uuid']}") == second
    assert detail(ada.get(f"/v1/apps/{app}/builds/{unique('x')}")) == NOT_FOUND
    summaries = [item["summary"] for item in controller.releases(app)]
    assert summaries[2] == f"{ada.name} deployed 060da68"
    assert summaries[0] == f"{ada.name} deployed deis/example-go"


@pytest.mark.parametrize(
    ("fields", "structure"),
    [
        ({}, {"cmd": 1}),
        ({"sha": "a" * 40, "dockerfile": "FROM x"}, {"cmd": 1}),
        ({"sha": "a" * 40}, {"cmd": 1}),
        ({"procfile": {"worker": "w"}}, {"cmd": 1}),
        ({"procfile": {"web": "w", "worker": "x"}}, {"web": 1}),
        ({"sha": "a" * 40, "procfile": {"web": "w"}}, {"web": 1}),
    ],
)
def test_the_first_build_scales(
    controller: Controller, app: str, fields: dict[str, Any], structure: dict[str, int]
) -> None:
    controller.build(app, **fields)
    assert controller.shown(app)["structure"] == structure
    controller.owner.post(f"/v1/apps/{app}/scale", json=dict.fromkeys(structure, 0))
    controller.build(app, procfile={"web": "again"})
    assert controller.shown(app)["structure"] == dict.fromkeys(structure, 0)


@pytest.mark.parametrize(
    ("change", "field", "text"),
    [
        ({"image": ""}, "image", REQUIRED[0]),
        ({"image": None}, "image", REQUIRED[0]),
        ({"image": "two words"}, "image", "An image's name has no spaces."),
        (
            {"image": "x" * 257},
            "image",
            "Ensure this value has at most 256 characters (it has 257).",
        ),
        ({"sha": "a" * 41}, "sha", "Ensure this value has at most 40 characters (it has 41)."),
        ({"procfile": "web: run"}, "procfile", "Must be a JSON object."),
        (
            {"procfile": {"Web": "x"}},
            "procfile",
            "'Web' is no process type: a-z, 0-9 and -",
        ),
        (
            {"procfile": {"web": 3}},
            "procfile",
            "A command is a text of 1 to 4096 characters.",
        ),
        (
            {"procfile": {f"t{number}": "x" for number in range(65)}},
            "procfile",
            "There are at most 64 process types.",
        ),
    ],
)
def test_a_build_that_cannot_be_says_why_and_changes_nothing(
    controller: Controller, app: str, change: dict[str, Any], field: str, text: str
) -> None:
    reply = controller.owner.post(f"/v1/apps/{app}/builds", json={"image": "x", **change})
    assert mistakes(reply) == {field: [text]}
    assert len(controller.releases(app)) == 1
    assert results(controller.owner.get(f"/v1/apps/{app}/builds")) == []


def test_a_release_is_shown_by_its_number(controller: Controller, app: str, ada: Person) -> None:
    build = controller.build(app)
    newest, first = controller.releases(app)
    assert newest == {
        "app": app,
        "build": build["uuid"],
        "config": first["config"],
        "created": newest["created"],
        "owner": ada.name,
        "summary": f"{ada.name} deployed deis/example-go",
        "updated": newest["updated"],
        "uuid": newest["uuid"],
        "version": 2,
    }
    assert controller.shown(f"{app}/releases/v2/") == newest
    for junk in ("2", "v3", "vx", "v0", "v-1", "v02"):
        assert detail(ada.get(f"/v1/apps/{app}/releases/{junk}")) == NOT_FOUND
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert ada.request(method, f"/v1/apps/{app}/releases/v2").status_code == 405


def test_a_rollback_is_a_new_release_of_an_earlier_pair(
    controller: Controller, app: str, ada: Person
) -> None:
    def roll_back(body: dict[str, Any] | None) -> int:
        options = {} if body is None else {"json": body}
        reply = ada.post(f"/v1/apps/{app}/releases/rollback/", **options)
        assert reply.status_code == 201, reply.text
        assert set(reply.json()) == {"version"}
        number: int = reply.json()["version"]
        return number

    first = controller.build(app, "one")  # v2
    controller.configure(app, values={"A": "1"}, memory={"web": "1G"})  # v3
    second = controller.build(app, "two")  # v4
    assert roll_back({"version": 2}) == 5
    newest, *_ = controller.releases(app)
    assert (newest["build"], newest["summary"]) == (first["uuid"], f"{ada.name} rolled back to v2")
    assert controller.shown(f"{app}/config")["values"] == {}
    assert roll_back({}) == 6  # to v4
    assert roll_back({"version": None}) == 7  # to v5
    assert roll_back({"version": "4"}) == 8
    assert roll_back({"version": 0}) == 9  # to v7, which is v5, which is v2
    by_number = {item["version"]: item for item in controller.releases(app)}
    assert by_number[9]["summary"] == f"{ada.name} rolled back to v7"
    assert by_number[8]["build"] == second["uuid"]
    assert controller.shown(f"{app}/config")["memory"] == {}
    assert roll_back({"version": 8}) == 10
    assert controller.shown(f"{app}/config")["memory"] == {"web": "1G"}
    merged = controller.configure(app, values={"B": "2"})
    assert merged["values"].items() >= {"A": "1", "B": "2"}.items()


def test_a_rollback_to_a_release_without_a_build_runs_nothing_until_the_next(
    controller: Controller, app: str, ada: Person
) -> None:
    controller.build(app)
    reply = ada.post(f"/v1/apps/{app}/releases/rollback", json={"version": 1})
    assert reply.json() == {"version": 3}
    assert controller.releases(app)[0]["build"] is None
    controller.configure(app, values={"A": "b"})
    assert controller.releases(app)[0]["build"] is None
    scale = ada.post(f"/v1/apps/{app}/scale", json={"cmd": 2})
    assert detail(scale) == (400, "No build associated with this release")
    again = controller.build(app)
    assert controller.releases(app)[0]["build"] == again["uuid"]


def test_a_rollback_that_cannot_be_says_why_and_takes_no_number(
    controller: Controller, app: str, ada: Person
) -> None:
    path = f"/v1/apps/{app}/releases/rollback"
    assert detail(ada.post(path, json={})) == (400, "version cannot be below 0")
    assert detail(ada.post(path, json={"version": 7})) == NOT_FOUND
    for junk in ("two", True, 1.5, [1], "-1"):
        assert mistakes(ada.post(path, json={"version": junk})) == {
            "version": ["A version is a number, such as 3."]
        }
    controller.build(app)
    assert controller.releases(app)[0]["version"] == 2


def test_numbers_are_never_used_again(
    controller: Controller, app: str, shared_kubectl: Any
) -> None:
    controller.build(app)
    shared_kubectl("delete", "release", f"{app}-v2")
    releases = controller.server.facade.cache.releases
    eventually(lambda: releases.get(f"{app}-v2") is None)
    reply = controller.owner.post(f"/v1/apps/{app}/config", json={"values": {"A": "b"}})
    # What v2 stood for is still wanted, so it is released again before it is overwritten.
    assert int(reply.headers["deis-release"]) > 2
    numbers = [release["version"] for release in controller.releases(app)]
    assert 2 not in numbers


def test_changes_of_all_sorts_at_once_each_get_their_own_number(
    controller: Controller, app: str
) -> None:
    controller.build(app, procfile={"web": "x"})
    replies: list[httpx.Response] = []
    calls: list[tuple[str, dict[str, Any]]] = [
        ("config", {"values": {"A": "1"}}),
        ("builds", {"image": "two"}),
        ("releases/rollback", {"version": 1}),
        ("scale", {"web": 3}),
        ("config", {"memory": {"web": "1G"}}),
        ("builds", {"image": "three"}),
    ]

    def call(path: str, body: dict[str, Any]) -> None:
        headers = {"Authorization": f"token {controller.owner.token}"}
        with controller.server.client(headers=headers) as client:
            replies.append(client.post(f"/v1/apps/{app}/{path}", json=body))

    threads = [threading.Thread(target=call, args=item) for item in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {reply.status_code for reply in replies} <= {201, 204, 400, 409}
    numbers = [
        int(reply.headers.get("deis-release") or reply.json()["version"])
        for reply in replies
        if reply.status_code == 201
    ]
    assert len(numbers) == len(set(numbers)) >= 1
    assert set(numbers) <= {release["version"] for release in controller.releases(app)}


@pytest.mark.parametrize("body", [{"web": 3}, {"web": "3"}, {"web": 3.9}])
def test_scaling_changes_the_named_types_only(
    controller: Controller, app: str, body: dict[str, Any]
) -> None:
    controller.build(app, procfile={"web": "x", "worker": "y"})
    path = f"/v1/apps/{app}/scale"
    assert controller.owner.post(f"{path}/", json={"worker": 2}).status_code == 204
    reply = controller.owner.post(path, json=body)
    assert (reply.status_code, reply.content) == (204, b"")
    assert controller.shown(app)["structure"] == {"web": 3, "worker": 2}
    assert controller.owner.post(path, json={}).status_code == 204
    assert controller.owner.post(path, json={"web": 0, "cmd": True}).status_code == 204
    assert controller.shown(app)["structure"] == {"web": 0, "worker": 2, "cmd": 1}
    assert controller.releases(app)[0]["version"] == 2


def test_after_a_failure_what_runs_is_the_last_good_release(
    controller: Controller, app: str, ada: Person, shared_kubectl: Any
) -> None:
    controller.build(app, procfile={"web": "x", "worker": "y"})
    controller.build(app, procfile={"web": "x", "clock": "z"})
    for number, type_ in ((2, "Deployed"), (3, "Failed")):
        told = {
            "type": type_,
            "status": "True",
            "reason": "Said",
            "message": "",
            "lastTransitionTime": "2030-01-01T00:00:00Z",
        }
        patch = json.dumps({"status": {"conditions": [told]}})
        shared_kubectl(
            "patch", "release", f"{app}-v{number}", "--subresource=status", "--type=merge",
            "-p", patch,
        )  # fmt: skip
    path = f"/v1/apps/{app}/scale"
    eventually(lambda: ada.post(path, json={"worker": 1}).status_code == 204)
    refused = ada.post(path, json={"clock": 1})
    assert detail(refused) == (400, "Container type clock does not exist in application")


def test_a_process_that_no_build_has_is_unknown_though_kubectl_wants_it(
    controller: Controller, app: str, shared_kubectl: Any
) -> None:
    controller.build(app, procfile={"web": "x"})
    processes = [{"type": "web", "replicas": 1}, {"type": "wrker", "replicas": 1}]
    patch = json.dumps({"spec": {"workload": {"processes": processes}}})
    shared_kubectl("patch", "application", app, "--type=merge", "-p", patch)

    def scale(number: int) -> tuple[int, str]:
        return detail(controller.owner.post(f"/v1/apps/{app}/scale", json={"wrker": number}))

    eventually(lambda: "wrker" in controller.owner.get(f"/v1/apps/{app}").json()["structure"])
    assert scale(2) == (400, "Container type wrker does not exist in application")
    reply = controller.owner.post(f"/v1/apps/{app}/scale", json={"wrker": 0})
    assert reply.status_code == 204


def test_a_build_that_is_gone_keeps_the_configuration_as_it_is(
    controller: Controller, app: str, ada: Person, shared_kubectl: Any
) -> None:
    given = controller.configure(app, values={"A": "1"})
    controller.build(app)
    before = controller.shown(f"{app}/config")
    assert before["uuid"] == given["uuid"]
    shared_kubectl("delete", "builds", "-l", f"polyfleet.dev/application={app}")
    eventually(lambda: results(ada.get(f"/v1/apps/{app}/builds")) == [])
    gone = (409, "The build that is to run is gone; give another one.")
    assert detail(ada.post(f"/v1/apps/{app}/config", json={"values": {"B": "2"}})) == gone
    assert detail(ada.post(f"/v1/apps/{app}/releases/rollback", json={"version": 3})) == gone
    assert controller.shown(f"{app}/config") == before
    controller.build(app)
    assert controller.releases(app)[0]["version"] == 4


def test_scaling_that_cannot_be_says_why(controller: Controller, app: str) -> None:
    def scale(body: Any) -> tuple[int, str]:
        return detail(controller.owner.post(f"/v1/apps/{app}/scale", json=body))

    assert scale({"web": 1}) == (400, "No build associated with this release")
    controller.build(app, procfile={"web": "x"})
    assert scale({"worker": 1}) == (400, "Container type worker does not exist in application")
    for junk in (None, [], "three", "1_0", "\u0663", "", {"a": 1}):
        assert scale({"web": junk}) == (400, "Invalid scaling format")
    assert scale({"web": -1}) == (400, "Must be greater than or equal to zero")
    assert scale({"web": 10**9}) == (400, "Must be less than or equal to 10000")
    reply = controller.owner.post(f"/v1/apps/{app}/scale", json=[1])
    assert mistakes(reply) == {"non_field_errors": ["Invalid data"]}
    assert controller.shown(app)["structure"] == {"web": 1}
