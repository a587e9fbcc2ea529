"""What strangers wrote reaches a person's terminal as text only."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rich.console import Console

from polyfleet.cli.explain import tree
from polyfleet.cli.terminal import cell, printable
from polyfleet.fleet.keys import fingerprint
from tests.cli.conftest import RunCommand
from tests.cli.test_enroll import make_key
from tests.facade_fixtures import FacadeServer, StartFacade

Kubectl = Callable[..., str]
EVIL = "evil\x1b[1A\x1b[2K\x1b[31mspoofed\u202e[bold]\n\x9b2J"
SHOWN = r"evil\x1b[1A\x1b[2K\x1b[31mspoofed\u202e[bold]\n\x9b2J"


def manifest(kind: str, name: str, spec: dict[str, Any]) -> str:
    head = {"apiVersion": "polyfleet.dev/v1alpha1", "kind": kind, "metadata": {"name": name}}
    return json.dumps(head | {"spec": spec})


def check(output: str, shown: str = SHOWN) -> None:
    assert shown in output
    left = output.replace("\n", "")
    assert left.isprintable(), repr(left)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("lamp 1", "lamp 1"),
        ("Lämpchen-灯", "Lämpchen-灯"),
        ("a\tb\r\n", r"a\tb\r\n"),
        ("a\x7f\x85", r"a\x7f\x85"),
        ("a\u200b\u2066b\u2069\ufeff", r"a\u200b\u2066b\u2069\ufeff"),
        ("a\u2028b", r"a\u2028b"),
        ("a\ud800b", r"a\ud800b"),
    ],
)
def test_what_does_not_show_as_itself_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert cell(text).plain == shown


def test_those_who_wait_are_listed_as_text(polyfleet: RunCommand, kubectl: Kubectl) -> None:
    key = make_key()
    # The resource takes no control characters in an id; marks of direction it does.
    device_id = "lamp\u202e\u2066[red]"
    spec = {"application": "default", "deviceId": device_id, "publicKey": key}
    kubectl("apply", "-f", "-", stdin=manifest("Enrollment", "asks", spec))
    done = polyfleet("enroll", "list")
    assert done.exit_code == 0, done.output
    assert r"lamp\u202e\u2066[red]" in done.stdout
    assert done.stdout.replace("\n", "").isprintable()
    done = polyfleet("enroll", "approve", device_id, "--key", fingerprint(key))
    assert done.exit_code == 0, done.output
    assert r"Approved: lamp\u202e\u2066[red] with key" in done.stdout


def test_a_complaint_is_one_line(polyfleet: RunCommand) -> None:
    done = polyfleet("enroll", "approve", EVIL)
    assert done.exit_code == 1
    check(done.stderr)


@pytest.fixture
def server(start_facade: StartFacade, monkeypatch: pytest.MonkeyPatch) -> Iterator[FacadeServer]:
    with start_facade() as server:
        monkeypatch.setenv("POLYFLEET_URL", server.url)
        token = server.user_token("ada", administrator=True)
        monkeypatch.setenv("POLYFLEET_ADMIN_TOKEN", token)
        yield server


def test_an_explanation_shows_a_version_that_a_device_told(
    server: FacadeServer, polyfleet: RunCommand, kubectl: Kubectl
) -> None:
    spec = {"application": "default", "deviceId": "lamp"}
    kubectl("apply", "-f", "-", stdin=manifest("Device", "default.lamp", spec))
    # Control characters are refused by the API server already.
    patch = {"status": {"software": {"version": "spoofed\u202e[bold]"}}}
    answer = kubectl(
        "patch", "device", "default.lamp", "--subresource=status", "--type=merge",
        "-o", "json", "-p", json.dumps(patch),
    )  # fmt: skip
    version = json.loads(answer)["metadata"]["resourceVersion"]
    devices = server.facade.cache.devices
    assert server.call(devices.wait_for_version("default.lamp", version, 30))
    done = polyfleet("explain", "lamp")
    assert done.exit_code == 0, done.output
    check(done.stdout, r"spoofed\u202e[bold]")


def test_every_part_of_an_explanation_is_text() -> None:
    answer = {
        "device": {"id": EVIL, "application": EVIL},
        "facts": {"version": EVIL, "deviceType": EVIL, "groups": [EVIL]},
        "hypothetical": False,
        "trace": [{"verdict": "info", "check": EVIL, "message": EVIL}],
        "offersAllowed": True,
        "decision": {
            "package": {"version": EVIL, "name": EVIL},
            "reason": EVIL,
            "targetVersion": EVIL,
        },
    }
    console = Console(width=10_000)
    with console.capture() as capture:
        console.print(tree(answer))
    check(capture.get())
    assert capture.get().count(SHOWN) == 10


def test_a_failure_that_a_device_told_is_shown_as_text(
    polyfleet: RunCommand, kubectl: Kubectl
) -> None:
    spec = {"application": "default", "package": "p2", "targets": {"selector": {}}}
    kubectl("apply", "-f", "-", stdin=manifest("Rollout", "default.ring", spec))
    failure = {"device": "default.d1", "message": EVIL, "at": "2030-01-01T00:00:00Z"}
    kubectl(
        "patch", "rollout", "default.ring", "--subresource=status", "--type=merge",
        "-p", json.dumps({"status": {"failures": [failure]}}),
    )  # fmt: skip
    done = polyfleet("rollout", "status", "default.ring")
    assert done.exit_code == 0, done.output
    check(done.stdout)
