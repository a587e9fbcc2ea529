"""What the cluster's own roles may do with our kinds, and who may call themselves whom."""

import json
import time
from collections.abc import Callable

import pytest

from tests.charts.conftest import Helm
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
