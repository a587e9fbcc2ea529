"""`polyfleet enroll`: who asks to be let in, and the answer."""

import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from polyfleet.fleet.keys import fingerprint
from polyfleet.fleet.names import enrollment_name
from tests.cli.conftest import RunCommand

Kubectl = Callable[..., str]


def make_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def ask(kubectl: Kubectl, device_id: str) -> tuple[str, str]:
    """Make an Enrollment; return its name and its key's fingerprint."""
    key = make_key()
    name = enrollment_name("default", device_id, fingerprint(key))
    manifest = {
        "apiVersion": "polyfleet.dev/v1alpha1",
        "kind": "Enrollment",
        "metadata": {"name": name},
        "spec": {"application": "default", "deviceId": device_id, "publicKey": key},
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    return name, fingerprint(key)


def approval(kubectl: Kubectl, name: str) -> str | None:
    spec = json.loads(kubectl("get", "enrollment", name, "-o", "json"))["spec"]
    answer: str | None = spec.get("approval")
    return answer


def test_those_who_wait_are_listed_with_their_keys(polyfleet: RunCommand, kubectl: Kubectl) -> None:
    keys = [ask(kubectl, device)[1] for device in ("lamp 1", "lamp 2")]
    done = polyfleet("enroll", "list")
    assert done.exit_code == 0, done.output
    for text in ("lamp 1", "lamp 2", "waits", *(key[:16] for key in keys)):
        assert text in done.stdout


@pytest.mark.parametrize(("command", "answer"), [("approve", "Approved"), ("deny", "Denied")])
def test_an_answer_is_written_to_the_enrollment(
    polyfleet: RunCommand, kubectl: Kubectl, command: str, answer: str
) -> None:
    name, _ = ask(kubectl, "lamp")
    other, _ = ask(kubectl, "other")
    done = polyfleet("enroll", command, "lamp")
    assert done.exit_code == 0, done.output
    assert approval(kubectl, name) == answer
    assert approval(kubectl, other) is None


def test_of_several_keys_one_must_be_chosen(polyfleet: RunCommand, kubectl: Kubectl) -> None:
    (first, key), (second, _) = ask(kubectl, "lamp"), ask(kubectl, "lamp")
    refused = polyfleet("enroll", "approve", "lamp")
    assert refused.exit_code == 1
    assert key[:16] in refused.stderr
    assert polyfleet("enroll", "approve", "lamp", "--key", key[:12].upper()).exit_code == 0
    assert (approval(kubectl, first), approval(kubectl, second)) == ("Approved", None)


def test_a_device_that_does_not_ask_is_told(polyfleet: RunCommand) -> None:
    done = polyfleet("enroll", "approve", "nobody")
    assert done.exit_code == 1
    assert "nobody" in done.stderr


def known_device(kubectl: Kubectl, device_id: str, key: str) -> None:
    manifest = {
        "apiVersion": "polyfleet.dev/v1alpha1",
        "kind": "Device",
        "metadata": {"name": f"default.{device_id}"},
        "spec": {"application": "default", "deviceId": device_id, "publicKeys": [key]},
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(manifest))


def test_another_key_for_a_known_device_is_approved_only_when_that_is_said(
    polyfleet: RunCommand, kubectl: Kubectl
) -> None:
    old = make_key()
    known_device(kubectl, "lamp", old)
    name, new = ask(kubectl, "lamp")

    refused = polyfleet("enroll", "approve", "lamp")

    assert refused.exit_code == 1
    assert approval(kubectl, name) is None
    for text in (fingerprint(old)[:16], new[:16], "--replace-key"):
        assert text in refused.stderr
    assert polyfleet("enroll", "approve", "lamp", "--replace-key").exit_code == 0
    assert approval(kubectl, name) == "Approved"


def test_a_change_of_the_key_shows_in_the_list(polyfleet: RunCommand, kubectl: Kubectl) -> None:
    name, _ = ask(kubectl, "lamp")
    ask(kubectl, "other")
    condition = {
        "type": "KeyChange",
        "status": "True",
        "reason": "AnotherKey",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    patch = json.dumps({"status": {"conditions": [condition]}})
    kubectl("patch", "enrollment", name, "--subresource=status", "--type=merge", f"--patch={patch}")

    rows = polyfleet("enroll", "list").stdout.splitlines()

    assert [row for row in rows if "another key" in row] == [row for row in rows if "lamp" in row]
