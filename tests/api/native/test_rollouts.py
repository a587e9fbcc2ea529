"""A dry run of a rollout, over REST."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.api.native.test_decisions import manifest
from tests.facade_fixtures import FacadeServer, StartFacade

PATH = "/polyfleet/v1/rollouts/{}/plan"
FLEET: list[dict[str, Any]] = [
    manifest("Application", "default", name="default"),
    manifest("Application", "factory", name="factory"),
    manifest("Package", "p2", application="default", version="2.0.0", specification="{}"),
    *(
        manifest("Device", f"default.d{number}", application="default", deviceId=f"d{number}")
        for number in range(5)
    ),
    manifest("Device", "factory.robot", application="factory", deviceId="robot"),
    *(
        manifest(
            "Rollout",
            name,
            application="default",
            package=package,
            targets={"selector": {}},
            steps=[{"limit": "50%", "pause": {}}],
            targetSelection="Continuous",
            paused=True,
        )
        for name, package in (("ring", "p2"), ("empty", "gone"))
    ),
    manifest(
        "Rollout",
        "factory.ring",
        application="factory",
        package="p2",
        targets={"selector": {}},
    ),
]


@pytest.fixture
def server(start_facade: StartFacade, kubectl: Callable[..., str]) -> Iterator[FacadeServer]:
    kubectl(
        "apply", "-f", "-", stdin=json.dumps({"kind": "List", "apiVersion": "v1", "items": FLEET})
    )
    with start_facade() as server:
        yield server


def test_a_dry_run_says_who_would_be_next(server: FacadeServer) -> None:
    with server.client(server.user_token("ada", administrator=True)) as client:
        answer = client.get(PATH.format("ring"))
        assert answer.status_code == 200, answer.text
        body = answer.json()
    assert (body["state"], body["package"], body["version"]) == ("Paused", "p2", "2.0.0")
    assert body["counts"] == {"total": 5, "reached": 0, "offered": 0, "updated": 0, "failed": 0}
    assert [(s["number"], s["open"], s["population"], s["reaches"]) for s in body["steps"]] == [
        (1, False, 5, 3),
        (2, False, 5, 5),
    ]
    assert body["nextCount"] == len(body["nextDevices"]) == 3
    assert body["nextDevices"][-1]["position"] == body["steps"][0]["frontier"]


def test_only_readers_of_the_application_get_a_dry_run(server: FacadeServer) -> None:
    with server.client(server.user_token("eve")) as client:
        assert client.get(PATH.format("ring")).status_code == 404
    with server.client(server.user_token("ada", administrator=True)) as client:
        assert client.get(PATH.format("absent")).status_code == 404
        assert client.get(PATH.format("x" * 254)).status_code == 400
        # Neither a package that is not there nor one of another application can be planned.
        for name in ("empty", "factory.ring"):
            answer: httpx.Response = client.get(PATH.format(name))
            assert answer.status_code == 409
            assert answer.json()["error"]["reason"] == "Conflict"
