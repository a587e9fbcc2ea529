"""`polyfleet simulate`, against a running facade."""

import json
from collections.abc import Callable
from typing import Any

from tests.cli.conftest import RunCommand
from tests.facade_fixtures import StartFacade

Kubectl = Callable[..., str]


def manifest(kind: str, name: str, /, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "polyfleet.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


FLEET = [
    manifest("Application", "default", name="default"),
    manifest(
        "Package",
        "p2",
        application="default",
        version="2.0.0",
        deviceType="simulated",
        specification="{}",
        offer={"strategy": "general"},
    ),
]


def test_devices_of_kaa_are_made_and_take_packages_for_their_type(
    kubectl: Kubectl, start_facade: StartFacade, polyfleet: RunCommand
) -> None:
    text = json.dumps({"kind": "List", "apiVersion": "v1", "items": FLEET})
    kubectl("apply", "-f", "-", stdin=text)
    with start_facade() as server:
        arguments = ("--dialect", "otao", "--devices", "3", "--version", "1.0.0", "--json")
        done = polyfleet(
            "simulate",
            *arguments,
            *("--url", server.url, "--until-version", "2.0.0", "--duration", "300"),
        )
    assert done.exit_code == 0, done.output
    outcome = json.loads(done.stdout)
    assert outcome["versions"] == {"2.0.0": 3}
    assert outcome["updates"]["installed"] == 3
