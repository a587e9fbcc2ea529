"""`polyfleet rollout`: who is next, and a person's word in it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from polyfleet.fleet.objects.rollout import RolloutSpec
from polyfleet.fleet.rollout.plan import plan_digest
from tests.cli.conftest import RunCommand
from tests.facade_fixtures import FacadeServer, StartFacade

Kubectl = Callable[..., str]
NAME = "default.ring"


def manifest(kind: str, name: str, /, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "polyfleet.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"application": "default"} | spec,
    }


FLEET = [
    manifest("Application", "default", application=None, name="default"),
    manifest("Package", "p2", version="2.0.0", specification="{}"),
    *(manifest("Device", f"default.d{number}", deviceId=f"d{number}") for number in range(4)),
    manifest(
        "Rollout",
        NAME,
        package="p2",
        targets={"selector": {}},
        steps=[{"limit": "50%", "pause": {}}],
        targetSelection="Continuous",
    ),
]
FLEET[0]["spec"] = {"name": "default"}


@pytest.fixture
def fleet(kubectl: Kubectl) -> Kubectl:
    kubectl(
        "apply", "-f", "-", stdin=json.dumps({"kind": "List", "apiVersion": "v1", "items": FLEET})
    )
    return kubectl


def spec(kubectl: Kubectl) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(kubectl("get", "rollout", NAME, "-o", "json"))["spec"]
    return found


def plan_of(kubectl: Kubectl) -> str:
    return plan_digest(msgspec.convert(spec(kubectl), RolloutSpec))


def set_status(kubectl: Kubectl, **status: Any) -> None:
    patch = json.dumps({"status": status})
    kubectl("patch", "rollout", NAME, "--subresource=status", "--type=merge", "-p", patch)


@pytest.fixture
def server(
    fleet: Kubectl, start_facade: StartFacade, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FacadeServer]:
    with start_facade() as server:
        monkeypatch.setenv("POLYFLEET_URL", server.url)
        token = server.user_token("ada", administrator=True)
        monkeypatch.setenv("POLYFLEET_ADMIN_TOKEN", token)
        yield server


def test_a_plan_tells_the_steps_and_who_is_next(
    server: FacadeServer, polyfleet: RunCommand
) -> None:
    done = polyfleet("rollout", "plan", NAME)
    assert done.exit_code == 0, done.output
    assert "brings p2 (2.0.0) to 4 devices: 0 run it, 0 failed" in done.stdout
    assert "the next step adds 2 devices" in done.stdout
    answer = json.loads(polyfleet("rollout", "plan", NAME, "--output", "json").stdout)
    assert [(step["population"], step["reaches"]) for step in answer["steps"]] == [(4, 2), (4, 4)]
    assert answer["state"] == "Unplanned"
    places = [device["position"] for device in answer["nextDevices"]]
    assert places == sorted(places)
    assert places[-1] == answer["steps"][0]["frontier"]


def test_a_plan_is_shown_to_who_may_see_the_application_only(
    server: FacadeServer, polyfleet: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert polyfleet("rollout", "plan", "default.other").exit_code == 1
    monkeypatch.setenv("POLYFLEET_ADMIN_TOKEN", server.user_token("eve"))
    done = polyfleet("rollout", "plan", NAME)
    assert done.exit_code == 1
    assert "no such rollout" in done.stderr


def test_without_its_package_nothing_can_be_planned(
    server: FacadeServer, fleet: Kubectl, polyfleet: RunCommand
) -> None:
    token = server.user_token("bob", administrator=True)
    fleet("patch", "rollout", NAME, "--type=merge", "-p", '{"spec":{"package":"gone"}}')
    with server.client(token) as client:
        for _ in range(600):
            answer = client.get(f"/polyfleet/v1/rollouts/{NAME}/plan")
            if answer.status_code == 409:
                break
    assert answer.status_code == 409
    assert answer.json()["error"]["reason"] == "Conflict"


def test_a_person_promotes_the_plan_that_waits(fleet: Kubectl, polyfleet: RunCommand) -> None:
    plan = plan_of(fleet)
    set_status(fleet, plan=plan)
    done = polyfleet("rollout", "promote", NAME)
    assert done.exit_code == 1
    assert "waits for nothing" in done.stderr
    set_status(fleet, awaits=f"{plan[:8]}/1")
    assert polyfleet("rollout", "promote", NAME).exit_code == 0
    assert spec(fleet)["promoted"] == f"{plan[:8]}/1"


def test_a_plan_that_is_not_that_of_the_spec_is_not_promoted(
    fleet: Kubectl, polyfleet: RunCommand
) -> None:
    plan = plan_of(fleet)
    set_status(fleet, plan=plan, awaits=f"{plan[:8]}/1")
    edit = json.dumps({"spec": {"steps": [{"limit": "25%", "pause": {}}]}})
    fleet("patch", "rollout", NAME, "--type=merge", "-p", edit)
    done = polyfleet("rollout", "promote", NAME)
    assert done.exit_code == 1
    assert "no plan of its spec" in done.stderr
    assert "promoted" not in spec(fleet)


def test_a_person_pauses_resumes_retries_and_aborts(fleet: Kubectl, polyfleet: RunCommand) -> None:
    assert polyfleet("rollout", "pause", NAME).exit_code == 0
    assert spec(fleet)["paused"] is True
    assert polyfleet("rollout", "resume", NAME).exit_code == 0
    assert "paused" not in spec(fleet)
    assert polyfleet("rollout", "retry", NAME).exit_code == 0
    assert spec(fleet)["retryFailedBefore"].endswith("Z")
    assert polyfleet("rollout", "abort", NAME).exit_code == 0
    assert spec(fleet)["aborted"] is True
    for word in ("resume", "retry", "promote"):
        done = polyfleet("rollout", word, NAME)
        assert done.exit_code == 1
        assert "was aborted" in done.stderr
    assert polyfleet("rollout", "abort", "default.other").exit_code == 1


def test_the_status_is_shown_in_words(fleet: Kubectl, polyfleet: RunCommand) -> None:
    condition = {
        "type": "Progressing",
        "status": "False",
        "reason": "AwaitingPromotion",
        "message": "step 2 waits for promotion",
        "lastTransitionTime": "2030-01-01T00:00:00Z",
    }
    failure = {"device": "default.d1", "message": "no power", "at": "2030-01-01T00:00:00Z"}
    counts = {"total": 4, "reached": 2, "offered": 2, "updated": 1, "failed": 1}
    set_status(fleet, step="1/2", conditions=[condition], counts=counts, failures=[failure])
    done = polyfleet("rollout", "status", NAME)
    assert done.exit_code == 0, done.output
    assert "step 1/2: 4 devices, 2 reached, 2 offered, 1 updated, 1 failed" in done.stdout
    assert "AwaitingPromotion: step 2 waits for promotion" in done.stdout
    assert "default.d1 at 2030-01-01T00:00:00Z: no power" in done.stdout
    shown = fleet("get", "rollouts").splitlines()
    assert shown[0].split()[:7] == [
        "NAME", "PACKAGE", "STATE", "STEP", "UPDATED", "FAILED", "TOTAL",
    ]  # fmt: skip
    assert shown[1].split()[:7] == [NAME, "p2", "AwaitingPromotion", "1/2", "1", "1", "4"]
