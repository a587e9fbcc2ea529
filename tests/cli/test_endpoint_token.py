"""`polyfleet endpoint-token`: made, taken over, replaced, revoked."""

import json
from collections.abc import Callable

import pytest

from polyfleet.api.core.identity.endpoint_tokens import digest
from tests.cli.conftest import RunCommand

Kubectl = Callable[..., str]


def make_device(kubectl: Kubectl, name: str, device_id: str) -> None:
    manifest = {
        "apiVersion": "polyfleet.dev/v1alpha1",
        "kind": "Device",
        "metadata": {"name": name},
        "spec": {"application": "default", "deviceId": device_id},
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(manifest))


def hashes(kubectl: Kubectl, name: str) -> list[str]:
    spec = json.loads(kubectl("get", "device", name, "-o", "json"))["spec"]
    found: list[str] = spec.get("endpointTokenHashes", [])
    return found


def test_a_new_token_is_shown_once_and_kept_as_a_hash(
    polyfleet: RunCommand, kubectl: Kubectl
) -> None:
    make_device(kubectl, "default.lamp", "lamp")
    done = polyfleet("endpoint-token", "lamp")
    assert done.exit_code == 0, done.output
    token = done.stdout.strip()
    assert len(token) == 32
    assert hashes(kubectl, "default.lamp") == [digest(token)]
    assert token not in kubectl("get", "device", "default.lamp", "-o", "yaml")


def test_a_device_may_have_several_until_they_are_replaced_or_revoked(
    polyfleet: RunCommand, kubectl: Kubectl
) -> None:
    make_device(kubectl, "default.lamp", "lamp")
    first, second = (polyfleet("endpoint-token", "lamp").stdout.strip() for _ in range(2))
    assert hashes(kubectl, "default.lamp") == [digest(first), digest(second)]
    third = polyfleet("endpoint-token", "lamp", "--replace").stdout.strip()
    assert hashes(kubectl, "default.lamp") == [digest(third)]
    done = polyfleet("endpoint-token", "lamp", "--revoke")
    assert done.stdout == "lamp has no endpoint token any more.\n"
    assert hashes(kubectl, "default.lamp") == []
    assert polyfleet("endpoint-token", "lamp", "--revoke").exit_code == 0


def test_a_device_keeps_the_token_that_it_was_born_with(
    polyfleet: RunCommand, kubectl: Kubectl
) -> None:
    make_device(kubectl, "any-name", "Lamp, of the hall = 7")
    for _ in range(2):
        done = polyfleet(
            "endpoint-token", "Lamp, of the hall = 7", "--token-stdin", stdin="JTjdbENzHh\n"
        )
        assert (done.exit_code, "JTjdbENzHh" in done.output) == (0, False), done.output
    assert hashes(kubectl, "any-name") == [digest("JTjdbENzHh")]


@pytest.mark.parametrize("token", ["", "short", "x" * 257, "with a space in it", "with/a/slash"])
def test_a_text_that_can_be_no_token_is_refused(
    polyfleet: RunCommand, kubectl: Kubectl, token: str
) -> None:
    make_device(kubectl, "default.lamp", "lamp")
    done = polyfleet("endpoint-token", "lamp", "--token-stdin", stdin=f"{token}\n")
    assert done.exit_code == 1
    assert done.stderr.startswith("the token m")
    assert hashes(kubectl, "default.lamp") == []


def test_there_is_an_end_to_the_tokens_of_a_device(polyfleet: RunCommand, kubectl: Kubectl) -> None:
    make_device(kubectl, "default.lamp", "lamp")
    made = [polyfleet("endpoint-token", "lamp") for _ in range(9)]
    assert [done.exit_code for done in made] == [0] * 8 + [1]
    assert "--replace revokes them" in made[-1].stderr


def test_a_device_that_is_not_there_gets_none(polyfleet: RunCommand) -> None:
    done = polyfleet("endpoint-token", "ghost")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "there is no device ghost in application default\n"


def test_revoking_makes_no_token(polyfleet: RunCommand) -> None:
    done = polyfleet("endpoint-token", "lamp", "--revoke", "--replace")
    assert done.exit_code == 1
    assert "give it alone" in done.stderr
