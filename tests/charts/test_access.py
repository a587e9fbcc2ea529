"""What the cluster's own roles may do with our kinds, and who may call themselves whom."""

import json
import time
from collections.abc import Callable, Iterable

import pytest

from polyfleet.crds.base import GROUP
from polyfleet.crds.generate import KINDS
from tests.charts.conftest import Helm, Manifest
from tests.charts.table import TABLE

SECONDS = 60.0
Kubectl = Callable[..., str]


QUESTIONS = (
    ("view", "list", "devices", True),
    ("view", "patch", "devices", False),
    ("view", "get", "accesstokens", False),
    ("view", "get", "users", False),
    ("edit", "list", "rollouts", True),
    ("edit", "patch", "rollouts", True),
    ("edit", "delete", "packages", True),
    ("edit", "create", "users", False),
    ("edit", "create", "accesstokens", False),
    ("admin", "create", "users", True),
    ("admin", "delete", "accesstokens", True),
    ("admin", "deletecollection", "devices", True),
    ("admin", "patch", "devices/status", False),
)


READ = {"get", "list", "watch"}
WRITE = {"create", "update", "patch", "delete", "deletecollection"}
IDENTITY = {"users", "accesstokens"}


def resources() -> set[str]:
    """Return what people read and write: all kinds. Their status is what the operator says."""
    found = set()
    for kind in KINDS:
        names, [version] = kind.names, kind.definition()["spec"]["versions"]
        found.add(names.plural)
        found |= {f"{names.plural}/{name}" for name in version["subresources"] if name != "status"}
    return found


def granted(roles: Iterable[Manifest], to: str) -> set[tuple[str, str]]:
    """Return the resources and verbs that the cluster's own role `to` comes to have."""
    label = f"rbac.authorization.k8s.io/aggregate-to-{to}"
    return {
        (resource, verb)
        for role in roles
        if role["metadata"]["labels"].get(label) == "true"
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_clusters_roles_know_every_kind_and_nothing_else(helm: Helm) -> None:
    roles = [item for item in helm.rendered(TABLE["access"]) if item["kind"] == "ClusterRole"]
    assert {group for role in roles for rule in role["rules"] for group in rule["apiGroups"]} == {
        GROUP
    }
    fleet = resources() - IDENTITY
    viewed = {(resource, verb) for resource in fleet for verb in READ}
    edited = {(resource, verb) for resource in fleet for verb in READ | WRITE}
    administered = {(resource, verb) for resource in resources() for verb in READ | WRITE}
    assert granted(roles, "view") == viewed
    assert granted(roles, "edit") == edited
    assert granted(roles, "admin") == administered


@pytest.mark.controller_manager
def test_the_clusters_roles_reach_our_kinds(helm: Helm, kubectl: Kubectl) -> None:
    roles = [item for item in helm.rendered(TABLE["access"]) if item["kind"] == "ClusterRole"]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": roles})
    kubectl("apply", "-f", "-", stdin=text)
    try:
        for role in ("view", "edit", "admin"):
            kubectl("create", "rolebinding", role, f"--clusterrole={role}", f"--user={role}")
        end = time.monotonic() + SECONDS
        # What a role aggregates is added a moment later.
        for role, verb, resource, _ in (row for row in QUESTIONS if row[3]):
            while not may(kubectl, role, verb, resource):
                assert time.monotonic() < end, (role, verb, resource)
                time.sleep(0.2)
        for role, verb, resource, allowed in QUESTIONS:
            assert may(kubectl, role, verb, resource) is allowed, (role, verb, resource)
    finally:
        kubectl("delete", "-f", "-", stdin=text)


def may(kubectl: Kubectl, role: str, verb: str, resource: str) -> bool:
    """Whether a user with that role may do something."""
    plural, _, sub = resource.partition("/")
    question = (verb, f"{plural}.polyfleet.dev", f"--subresource={sub}", f"--as={role}")
    try:
        return kubectl("auth", "can-i", *question).strip() == "yes"
    except AssertionError as no:
        if "Error" in str(no):
            raise
        return False


def test_it_is_off_by_default(helm: Helm) -> None:
    assert not [item for item in helm.rendered() if item["kind"] == "ClusterRole"]
