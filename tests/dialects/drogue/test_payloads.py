"""What commands and answers carry, and a command that cannot be delivered."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.objects.kinds import COMMANDS
from polyfleet.kube import errors as kube_errors
from tests.dialects.drogue.inbox import answer, fetch, send
from tests.dialects.drogue.registry import NOT_FOUND, Registry, error
from tests.dialects.waiting import eventually


@pytest.mark.parametrize(
    "payload",
    [
        {"json": {"q": "what???"}},
        {"content": "Grüße ☃ ÿÿÿ".encode(), "headers": {"content-type": "text/plain"}},
        {"content": b"\xff\xfe"},
        {"content": b"\xfb\xef\xbe"},
        {"content": b"x"},
    ],
)
def test_every_payload_comes_through_both_ways(
    registry: Registry,
    app: str,
    name: str,
    itself: httpx.Client,
    payload: dict[str, Any],
) -> None:
    sent = send(registry, app, name, "j", **payload)
    assert sent.status_code == 202
    got = fetch(itself, app, name)
    assert (got.status_code, got.content) == (200, sent.request.content)
    told = {"params": {"request": got.headers["request"], "status": "200"}, **payload}
    assert [answer(itself, app, name, **told).status_code for _ in range(2)] == [200, 200]


@pytest.mark.parametrize(
    "content_type", ["application/octet-stream", "application/json", "text/plain; charset=utf-8"]
)
def test_a_content_type_without_a_body_is_an_empty_payload(
    registry: Registry, app: str, name: str, itself: httpx.Client, content_type: str
) -> None:
    headers = {"content-type": content_type}
    assert send(registry, app, name, "ping", headers=headers).status_code == 202
    got = fetch(itself, app, name)
    assert (got.status_code, got.headers["content-type"], got.content) == (200, content_type, b"")
    told = {"params": {"request": got.headers["request"], "status": "200"}, "headers": headers}
    assert answer(itself, app, name, **told).status_code == 200


@pytest.fixture
def stuck(app: str, shared_kubectl: Callable[..., str]) -> Iterator[str]:
    """The name of a command that the API server lets nobody mark as delivered."""
    command = f"stuck-{app}"
    shared_kubectl("apply", "-f", "-", stdin=STUCK.format(name=command))
    try:
        yield command
    finally:
        for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            shared_kubectl("delete", kind, command)


STUCK = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: {name}}}
spec:
  matchConstraints:
    resourceRules:
    - apiGroups: [polyfleet.dev]
      apiVersions: ["*"]
      operations: [UPDATE]
      resources: [commands/status]
      resourceNames: ["{name}"]
  validations: [{{expression: "false", message: it is stuck}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {name}}}
spec: {{policyName: {name}, validationActions: [Deny]}}
"""


def test_a_command_that_cannot_be_delivered_keeps_none_behind_it(
    registry: Registry, app: str, name: str, itself: httpx.Client, stuck: str
) -> None:
    facade = registry.server.facade
    now = facade.clock()
    spec = {
        "application": app,
        "device": name,
        "name": "stuck",
        "createdAt": timestamp(now),
        "expiresAt": timestamp(now + timedelta(minutes=5)),
    }
    command = registry.server.call(facade.writer.create(COMMANDS, stuck, spec))

    def is_stuck() -> bool:
        patch = {"status": {"observedGeneration": 1}}
        try:
            registry.server.call(
                facade.client.patch(COMMANDS, command.metadata.name, patch, subresource="status")
            )
        except kube_errors.Invalid:
            return True
        return False

    eventually(is_stuck)
    assert error(fetch(itself, app, name)) == NOT_FOUND
    send(registry, app, name, "next")
    assert fetch(itself, app, name).headers["command"] == "next"
