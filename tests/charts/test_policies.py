"""The admission policies of the chart, each refused and let through by a real API server."""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.charts.conftest import CHART, Helm
from tests.charts.table import POLICIES
from tests.conftest import kubectl_in

SECONDS = 60.0
Kubectl = Callable[..., str]
Put = Callable[..., None]

AS_ANYBODY = ("--as=ann", "--as-group=system:masters")
AS_APPROVER = (*AS_ANYBODY, "--as-group=fleet-admins")
AS_CAPTAIN = (*AS_ANYBODY, "--as-group=release-captains")
SHA = "0" * 64


def document(kind: str, name: str, /, **spec: Any) -> str:
    return json.dumps(
        {
            "apiVersion": "polyfleet.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": {"application": "default", **spec},
        }
    )


@pytest.fixture(scope="module")
def policed(
    helm_program: Path,
    admin_kubeconfig: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """Provide a namespace whose policies are in force, with one Rollout that is older than they."""
    name = f"test-{secrets.token_hex(5)}"
    home = tmp_path_factory.mktemp("policies")
    kubectl = kubectl_in(name, admin_kubeconfig, home)
    helm = Helm(helm_program, admin_kubeconfig, name, home)
    kubectl("create", "namespace", name)
    kubectl("apply", "-f", "-", stdin=rollout("old"))
    objects = [
        item
        for item in helm.rendered({"policies": POLICIES})
        if item["kind"].startswith("ValidatingAdmissionPolicy")
    ]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    kubectl("apply", "-f", "-", stdin=text)
    try:
        end = time.monotonic() + SECONDS
        # The API server takes a policy up a moment after it is made.
        for probe, words in (
            (rollout("probe"), "must begin with a canary"),
            (package("probe", url="http://elsewhere/x"), "must be an https address"),
            (enrollment("probe", approval="Denied"), "is for members of"),
        ):
            while words not in refused(kubectl, probe, "--dry-run=server", *AS_ANYBODY):
                assert time.monotonic() < end, "the policies are not in force"
                time.sleep(0.1)
        yield name
    finally:
        kubectl("delete", "-f", "-", stdin=text)
        kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def policies(policed: str, admin_kubeconfig: Path, tmp_path: Path) -> Kubectl:
    """Provide kubectl in that namespace."""
    return kubectl_in(policed, admin_kubeconfig, tmp_path)


def refused(kubectl: Kubectl, text: str, *options: str) -> str:
    """Return what an apply is refused with, empty if it is not."""
    try:
        kubectl("apply", *options, "-f", "-", stdin=text)
    except AssertionError as refusal:
        return str(refusal)
    return ""


def rollout(name: str, **spec: Any) -> str:
    return document("Rollout", name, **{"package": "p", "targets": {"selector": {}}, **spec})


def package(name: str, url: str | None = None, **spec: Any) -> str:
    if url is not None:
        spec["artifact"] = {"driver": "url", "url": url, "sha256": SHA, "size": 1}
    return document("Package", name, version="1.0.0", **spec)


def enrollment(name: str, **spec: Any) -> str:
    return document("Enrollment", name, **{"deviceId": name, "publicKey": "PEM", **spec})


@pytest.mark.parametrize(
    ("steps", "taken"),
    [
        (None, False),
        ([], False),
        ([{"limit": "50%"}], False),
        ([{"limit": 101}], False),
        ([{"selector": {"matchLabels": {"ring": "1"}}}], False),
        ([{"limit": "10%"}], True),
        ([{"limit": 100}], True),
        ([{"limit": "5%", "pause": {}}, {"limit": "50%"}], True),
    ],
)
def test_a_rollout_begins_with_a_canary(policies: Kubectl, steps: Any, taken: bool) -> None:
    spec = {} if steps is None else {"steps": steps}
    said = refused(policies, rollout("new", **spec), "--dry-run=server")
    assert ("must begin with a canary" not in said) is taken, said


def test_a_rollout_cannot_lose_its_canary_later(policies: Kubectl) -> None:
    assert refused(policies, rollout("kept", steps=[{"limit": 5}])) == ""
    assert "canary" in refused(policies, rollout("kept", steps=[{"limit": "100%"}]))
    policies("patch", "rollout", "kept", "--type=merge", "-p", '{"spec": {"paused": true}}')


def test_what_is_older_than_the_policies_can_still_be_stopped_and_labelled(
    policies: Kubectl,
) -> None:
    policies("label", "rollout", "old", "polyfleet.dev/application=default")
    policies("patch", "rollout", "old", "--type=merge", "-p", '{"spec": {"aborted": true}}')


def test_a_freeze_stops_what_is_new_and_lets_what_stops(policies: Kubectl, policed: str) -> None:
    steps = [{"limit": 5}]
    group = {"name": "g", "policy": "exact_match,1.0.0", "packages": ["p"]}
    assert refused(policies, rollout("running", steps=steps)) == ""
    assert refused(policies, rollout("waiting", steps=steps, paused=True)) == ""
    held = {"name": "held", "priority": 5, "hold": True}
    assert refused(policies, document("DeviceGroup", "g", **group)) == ""
    assert refused(policies, document("DeviceGroup", "held", **held)) == ""
    assert refused(policies, package("offered", offer={"strategy": "general"})) == ""
    policies("label", "namespace", policed, "polyfleet.dev/freeze=")
    end = time.monotonic() + SECONDS
    while "frozen" not in refused(policies, rollout("new", steps=steps), "--dry-run=server"):
        assert time.monotonic() < end
        time.sleep(0.1)
    for text in (
        rollout("waiting", steps=steps),
        rollout("running", steps=[{"limit": 9}]),
        document("DeviceGroup", "g", **{**group, "policy": "exact_match,2.0.0"}),
        document("DeviceGroup", "g", **{**group, "packages": ["q"]}),
        document("DeviceGroup", "h", name="h", policy="exact_match,1.0.0"),
        document("DeviceGroup", "held", **{**held, "hold": False}),
        # Where this group decides no more, the next one does.
        document("DeviceGroup", "held", **{**held, "priority": 50}),
        document("DeviceGroup", "held", **held, selector={"matchLabels": {"site": "x"}}),
        package("suspended", offer={"strategy": "general"}),
        package("offered", offer={"strategy": "general"}, upgradableFrom=["1.0.0"]),
    ):
        assert "frozen" in refused(policies, text), text
    for text in (
        rollout("new", steps=steps, paused=True),
        rollout("running", steps=steps, aborted=True),
        document("DeviceGroup", "g", **{**group, "policy": "no_update,"}),
        document("DeviceGroup", "g", **{**group, "policy": "no_update,", "hold": True}),
        document("DeviceGroup", "empty", name="empty"),
        package("offered", offer={"strategy": "suspended"}),
        package("uploaded"),
    ):
        assert refused(policies, text) == "", text
    policies("label", "devicegroup", "g", "polyfleet.dev/serial=7")
    captain = rollout("captains", steps=steps)
    assert refused(policies, captain, *AS_CAPTAIN) == ""
    policies("label", "namespace", policed, "polyfleet.dev/freeze-")
    while refused(policies, rollout("after", steps=steps)):
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://files.example.org/kettle.img", True),
        ("https://files.example.org:8443/kettle.img", True),
        ("http://files.example.org/kettle.img", False),
        ("https://elsewhere.example.org/kettle.img", False),
        ("https://files.example.org.evil.example/kettle.img", False),
        ("https://files.example.org@evil.example/kettle.img", False),
    ],
)
def test_packages_come_from_known_hosts(policies: Kubectl, url: str, taken: bool) -> None:
    said = refused(policies, package("outside", url=url), "--dry-run=server")
    assert ("must be an https address of one of: files.example.org" not in said) is taken, said


def test_packages_of_our_own_store_are_not_asked(policies: Kubectl) -> None:
    path = "5b4bb239-db06-4e2f-9b22-83bed001e48d"
    artifact = {"driver": "local", "path": path, "sha256": SHA, "size": 1}
    assert refused(policies, package("ours", artifact=artifact)) == ""


def test_enrollments_are_answered_by_approvers(policies: Kubectl, policed: str) -> None:
    assert refused(policies, enrollment("e"), *AS_ANYBODY) == ""
    answered = enrollment("e", approval="Approved")
    assert "spec.approval is for members of: fleet-admins" in refused(
        policies, answered, *AS_ANYBODY
    )
    assert refused(policies, answered, *AS_APPROVER) == ""
    # An answer cannot be taken back by others either; other changes are nobody's business here.
    assert "fleet-admins" in refused(policies, enrollment("e"), *AS_ANYBODY)
    policies("label", "enrollment", "e", "note=a", *AS_ANYBODY)
    facade = f"--as=system:serviceaccount:{policed}:polyfleet-facade"
    asked = (facade, "--as-group=system:masters")
    assert refused(policies, enrollment("f", approval="Denied"), *asked) == ""


def test_the_policies_hold_in_their_namespace_alone(policies: Kubectl, namespace: str) -> None:
    options = ("--dry-run=server", "-n", namespace)
    assert refused(policies, rollout("elsewhere"), *options) == ""
    assert "canary" in refused(policies, rollout("elsewhere"), "--dry-run=server")


def test_all_are_off_by_default(helm: Helm) -> None:
    kinds = {item["kind"] for item in helm.rendered()}
    assert not {kind for kind in kinds if kind.startswith("Validating")}
    assert (CHART / "templates" / "policies.yaml").read_text().count("if .enabled") == len(POLICIES)
