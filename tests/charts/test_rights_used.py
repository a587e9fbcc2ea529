"""The record of used rights: what it makes of an audit log, and what a real API server writes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from polyfleet.local.cluster import program_folder
from polyfleet.local.control_plane import ControlPlane
from polyfleet.local.install import install_definitions, install_namespace
from polyfleet.local.install import service_account_kubeconfig as kubeconfig_of
from tests.rights_record import Asked, Right, asked_in, forbidden, granted, rights_of, unused

KUBECTL = Path(sys.executable).with_name("kubectl")
Ask = Callable[..., int]


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Iterator[ControlPlane]:
    """Provide a control plane that writes down what service accounts ask for."""
    directory = tmp_path_factory.mktemp("audited")
    with ControlPlane(
        directory, program_folder(os.environ), fsync=False, ends_with_parent=True, audit=True
    ) as plane:
        install_definitions(plane.kubeconfig)
        install_namespace(plane.kubeconfig, "fleet")
        yield plane


def ask(plane: ControlPlane, folder: Path, component: str, *arguments: str) -> None:
    kubeconfig = kubeconfig_of(
        plane.kubeconfig,
        folder / f"{component}.kubeconfig",
        namespace="fleet",
        name=f"polyfleet-{component}",
    )
    subprocess.run(
        [KUBECTL, "--kubeconfig", kubeconfig, *arguments],
        check=False,
        timeout=60,
        capture_output=True,
    )


def test_the_api_server_writes_down_what_is_asked(audited: ControlPlane, tmp_path: Path) -> None:
    ask(audited, tmp_path, "operator", "get", "devices")
    ask(audited, tmp_path, "operator", "get", "endpoints", "elsewhere")
    ask(audited, tmp_path, "facade", "get", "configmap", "polyfleet-serials")
    seen = list(asked_in(audited.audit_log.read_text().splitlines()))
    assert Asked("operator", Right("polyfleet.dev", "devices", "list"), allowed=True) in seen
    endpoints = Right("", "endpoints", "get", "elsewhere")
    assert Asked("operator", endpoints, allowed=False) in seen
    serials = Right("", "configmaps", "get", "polyfleet-serials")
    assert Asked("facade", serials, allowed=True) in seen
    assert Right("polyfleet.dev", "devices", "list") not in unused(seen)["operator"]
    assert Right("polyfleet.dev", "devices", "watch") in unused(seen)["operator"]
    assert serials not in unused(seen)["facade"]
    assert forbidden(seen)["operator", Right("", "endpoints", "get")] == 1


def test_rules_are_taken_apart() -> None:
    rules = [
        {"apiGroups": [""], "resources": ["a", "b/status"], "verbs": ["get"]},
        {"apiGroups": ["g"], "resources": ["c"], "resourceNames": ["x"], "verbs": ["get", "patch"]},
    ]
    assert set(granted(rules)) == {
        Right("", "a", "get"),
        Right("", "b/status", "get"),
        Right("g", "c", "get", "x"),
        Right("g", "c", "patch", "x"),
    }


def test_a_right_to_one_object_is_not_used_by_asking_for_another() -> None:
    lease = Right("coordination.k8s.io", "leases", "get", "polyfleet-operator")
    assert lease in rights_of("operator")
    other = Asked("operator", lease._replace(name="another"), allowed=True)
    assert lease in unused([other])["operator"]
    assert lease not in unused([Asked("operator", lease, allowed=True)])["operator"]


def test_who_watches_all_may_read_one_but_not_the_other_way() -> None:
    watch = Right("polyfleet.dev", "rollouts", "watch")
    used = unused([Asked("operator", watch, allowed=True)])["operator"]
    assert not {watch, watch._replace(verb="list"), watch._replace(verb="get")} & set(used)
    used = unused([Asked("operator", watch._replace(verb="get"), allowed=True)])["operator"]
    assert {watch, watch._replace(verb="list")} <= set(used)


def test_other_people_are_not_counted() -> None:
    lines = [
        {"user": {"username": name}, "verb": "get", "objectRef": {"resource": "pods"}}
        for name in ("ann", "system:serviceaccount:fleet:default", "polyfleet-admin")
    ]
    assert not list(asked_in(map(json.dumps, lines)))
