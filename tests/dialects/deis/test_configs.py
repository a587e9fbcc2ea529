"""Configuration: merged key by key, each change a release."""

import threading
from typing import Any

import httpx
import pytest

from polyfleet.fleet.names import config_secret_name
from polyfleet.kube.resources import SECRETS
from tests.dialects.deis.controller import Controller, mistakes
from tests.dialects.people import Person


def test_a_configuration_has_four_maps(controller: Controller, app: str, ada: Person) -> None:
    document = controller.shown(f"{app}/config")
    assert document == {
        "owner": ada.name,
        "app": app,
        "values": {},
        "memory": {},
        "cpu": {},
        "tags": {},
        "created": document["created"],
        "updated": document["updated"],
        "uuid": document["uuid"],
    }


@pytest.mark.parametrize("as_text", [False, True])
def test_what_is_given_is_merged_and_null_removes(
    controller: Controller, app: str, *, as_text: bool
) -> None:
    def give(**maps: Any) -> dict[str, Any]:
        given = {name: httpx.Response(200, json=value).text for name, value in maps.items()}
        return controller.configure(app, **(given if as_text else maps))

    give(values={"A": "1", "B": 5, "C": True, "D": 1.5, "E": [1], "with space": "x"})
    give(memory={"web": "512M", "worker": "1GB"}, cpu={"web": "512", "cmd": 0})
    give(tags={"rack": "east"}, values={"B": None, "absent": None, "A": "2"})
    shown = controller.shown(f"{app}/config")
    assert shown["values"] == {"A": "2", "C": True, "D": 1.5, "E": [1], "with space": "x"}
    assert shown["memory"] == {"web": "512M", "worker": "1GB"}
    assert shown["cpu"] == {"web": 512, "cmd": 0}
    assert shown["tags"] == {"rack": "east"}
    give(memory={"web": None}, cpu={"web": None, "cmd": None}, tags={"rack": None})
    shown = controller.shown(f"{app}/config")
    assert (shown["memory"], shown["cpu"], shown["tags"]) == ({"worker": "1GB"}, {}, {})


def test_each_change_is_a_release_also_one_of_nothing(
    controller: Controller, app: str, ada: Person
) -> None:
    headers = []
    for body in ({"values": {"FOO": "1", "N": 5}}, {"values": {"FOO": "2"}}, {}, None):
        options: dict[str, Any] = {} if body is None else {"json": body}
        reply = ada.post(f"/v1/apps/{app}/config/", **options)
        assert reply.status_code == 201
        headers.append((reply.headers["x-deis-release"], reply.headers["deis-release"]))
    assert headers == [("2", "2"), ("3", "3"), ("4", "4"), ("5", "5")]
    controller.configure(app, memory={"web": "1G"}, cpu={"web": 1}, tags={"rack": "a"})
    controller.configure(app, values={"FOO": None, "NEW": 1}, tags={"rack": "b"})
    found = controller.releases(app)
    assert [release["summary"].removeprefix(f"{ada.name} ") for release in found] == [
        "added NEW, deleted FOO and changed tag rack",
        "changed limits for memory, cpu and added tag rack",
        "changed nothing",
        "changed nothing",
        "changed FOO",
        "added FOO, N",
        "created initial release",
    ]
    assert len({release["config"] for release in found}) == 7
    assert [release["version"] for release in found] == [7, 6, 5, 4, 3, 2, 1]


def test_what_processes_are_told_shows_in_the_answer_only_and_only_with_a_build(
    controller: Controller, app: str
) -> None:
    assert controller.configure(app, values={"A": "b"})["values"] == {"A": "b"}
    controller.build(app)
    document = controller.configure(app, values={"A": "c"})
    assert document["values"] == {"A": "c", "DEIS_APP": app, "DEIS_RELEASE": "v4"}
    assert controller.shown(f"{app}/config")["values"] == {"A": "c"}
    # Processes see what the user says.
    assert controller.configure(app, values={"DEIS_APP": "mine"})["values"] == {
        "A": "c",
        "DEIS_APP": "mine",
        "DEIS_RELEASE": "v5",
    }


@pytest.mark.parametrize(
    ("body", "field", "text"),
    [
        ({"values": "no json"}, "values", "Must be a JSON object."),
        ({"values": [1]}, "values", "Must be a JSON object."),
        ({"values": 3}, "values", "Must be a JSON object."),
        (
            {"values": {"A=B": "c"}},
            "values",
            "'A=B' is no name: 1 to 256 of ASCII, without '='",
        ),
        ({"values": {"": 1}}, "values", "'' is no name: 1 to 256 of ASCII, without '='"),
        ({"values": {"N": 2**70}}, "values", "A number has more than 64 bits."),
        ({"values": {"N": [{"a": 2**70}]}}, "values", "A number has more than 64 bits."),
        (
            {"values": {f"K{number}": 1 for number in range(1001)}},
            "values",
            "There are at most 1000 values.",
        ),
        ({"memory": {"Web": "1G"}}, "memory", "Process types can only contain [a-z]"),
        ({"memory": {"1": "1G"}}, "memory", "Process types can only contain [a-z]"),
        (
            {"memory": {"web": "1T"}},
            "memory",
            "Limit format: <number><unit>, where unit = B, K, M or G",
        ),
        (
            {"memory": {"web": 512}},
            "memory",
            "Limit format: <number><unit>, where unit = B, K, M or G",
        ),
        ({"cpu": {"web": -1}}, "cpu", "CPU shares must be an integer"),
        ({"cpu": {"web": "half"}}, "cpu", "CPU shares must be an integer"),
        ({"cpu": {"web": True}}, "cpu", "CPU shares must be an integer"),
        ({"cpu": {"web": 1025}}, "cpu", "CPU shares must be between 0 and 1024"),
        ({"cpu": {"Web": 1}}, "cpu", "Process types can only contain [a-z]"),
        ({"tags": {"in valid": "a"}}, "tags", "Tag keys can only contain [a-z]"),
        ({"tags": {"rack": "a b"}}, "tags", "Invalid tag value"),
        ({"tags": {"rack": ""}}, "tags", "Invalid tag value"),
    ],
)
def test_what_cannot_be_says_why_and_changes_nothing(
    controller: Controller, app: str, body: dict[str, Any], field: str, text: str
) -> None:
    reply = controller.owner.post(f"/v1/apps/{app}/config", json=body)
    assert mistakes(reply) == {field: [text]}
    assert len(controller.releases(app)) == 1


def test_values_that_are_too_many_bytes_are_refused(controller: Controller, app: str) -> None:
    body = {"values": {"A": "x" * 300_000}}
    reply = controller.owner.post(f"/v1/apps/{app}/config", json=body)
    assert reply.status_code == 400
    assert "larger than" in reply.json()["detail"]
    assert len(controller.releases(app)) == 1


def test_of_many_writers_at_once_none_is_lost(controller: Controller, app: str) -> None:
    replies: list[httpx.Response] = []

    def give(number: int) -> None:
        with controller.server.client(
            headers={"Authorization": f"token {controller.owner.token}"}
        ) as client:
            body = {"values": {f"KEY_{number}": number}}
            replies.append(client.post(f"/v1/apps/{app}/config", json=body))

    threads = [threading.Thread(target=give, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = [reply for reply in replies if reply.status_code == 201]
    assert {reply.status_code for reply in replies} <= {201, 409}
    assert len(done) >= 1
    values = controller.shown(f"{app}/config")["values"]
    told = {
        key
        for reply in done
        for key in reply.json()["values"]
        if key in reply.request.content.decode()
    }
    assert told <= values.keys()
    numbers = sorted(int(reply.headers["deis-release"]) for reply in done)
    assert numbers == list(range(2, 2 + len(done)))
    by_number = {release["version"]: release for release in controller.releases(app)}
    for reply in done:
        release = by_number[int(reply.headers["deis-release"])]
        assert release["config"] == reply.json()["uuid"]


def test_the_values_are_in_a_secret_that_goes_with_its_release(
    controller: Controller, app: str
) -> None:
    document = controller.configure(app, values={"TOKEN": "hush"})
    server = controller.server
    name = config_secret_name(app, document["uuid"])
    secret = server.call(server.facade.client.get_document(SECRETS, name))
    [owner] = secret["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("Release", f"{app}-v2")
    assert secret["immutable"] is True
    application = server.facade.cache.applications.get(app)
    assert "hush" not in repr(application)
