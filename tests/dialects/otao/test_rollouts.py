"""What rollouts bring to devices that ask over Kaa's protocol, and what is noted of it."""

import json
from collections.abc import Callable

import msgspec
import pytest

from polyfleet.fleet.objects.device import Update
from polyfleet.fleet.objects.rollout import Rollout
from polyfleet.fleet.rollout.plan import plan_digest, seed_for
from tests.dialects.otao.fleet import Endpoint, Fleet
from tests.dialects.waiting import eventually

Kubectl = Callable[..., str]
VERSION = "2.0.0"
NOTHING = {"configId": "", "config": None}
STEPS = [{"limit": 3, "pause": {}}, {"pause": {}}]
BEFORE_ANY_LABEL, AFTER_ALL_LABELS = "2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z"


def make_package(fleet: Fleet) -> str:
    """Make a package that comes by rollouts only; return its object name."""
    fleet.make(VERSION, specification=2, rolloutStrategy="suspended")
    packages = fleet.server.facade.cache.packages.values()
    (found,) = (item for item in packages if item.spec.application == fleet.name)
    return found.metadata.name


class Rollouts:
    """What an administrator and the operator write of the application's rollouts."""

    def __init__(self, fleet: Fleet, kubectl: Kubectl) -> None:
        self._store = fleet.server.facade.cache.rollouts
        self._kubectl = kubectl
        self.application = fleet.name
        self.package = make_package(fleet)

    def start(self, name: str, opened_at: str) -> Rollout:
        """Make a rollout whose first step is open for all who were targets by then."""
        name = f"{self.application}.{name}"
        document = {
            "apiVersion": "polyfleet.dev/v1alpha1",
            "kind": "Rollout",
            "metadata": {"name": name},
            "spec": {
                "application": self.application,
                "package": self.package,
                "targets": {"selector": {"matchLabels": {"ring": self.application}}},
                "steps": STEPS,
            },
        }
        self._kubectl("create", "-f", "-", stdin=json.dumps(document))
        return self.open(eventually(lambda: self._store.get(name)), opened_at)

    def open(self, rollout: Rollout, opened_at: str) -> Rollout:
        """Say when the first step opened; return the rollout as the facade has it then."""
        name = rollout.metadata.name
        status = {
            "plan": plan_digest(rollout.spec),
            "seed": seed_for(rollout.metadata.uid, rollout.spec.package),
            "steps": [{"population": 3, "frontier": 1, "openedAt": opened_at}],
        }
        patch = json.dumps({"status": status})
        kind = ("rollout", name, "--subresource=status", "--type=merge")
        self._kubectl("patch", *kind, "-p", patch)

        def seen() -> Rollout | None:
            found = self._store.get(name)
            steps = found.status.steps if found is not None else ()
            return found if steps and steps[0].opened_at == opened_at else None

        return eventually(seen)

    def delete(self, rollout: Rollout) -> None:
        """Delete a rollout, and wait until the facade knows it."""
        name = rollout.metadata.name
        self._kubectl("delete", "rollout", name)
        eventually(lambda: self._store.get(name) is None)


@pytest.fixture
def rollouts(fleet: Fleet, shared_kubectl: Kubectl) -> Rollouts:
    return Rollouts(fleet, shared_kubectl)


def target(fleet: Fleet) -> Endpoint:
    endpoint = fleet.device()
    endpoint.change({"metadata": {"labels": {"ring": fleet.name}}})
    return endpoint


def noted(endpoint: Endpoint, rollout: Rollout) -> Update:
    """Wait until it is noted that the rollout offered the device what it is given."""

    def look() -> Update | None:
        update = endpoint.device.status.update
        uid = update.rollout_uid if update is not None else None
        return update if uid == rollout.metadata.uid else None

    return eventually(look)


def test_who_has_the_same_offer_of_an_earlier_rollout_stays_in_the_later_one_s_step(
    fleet: Fleet, rollouts: Rollouts
) -> None:
    endpoint, other = target(fleet), target(fleet)
    earlier = rollouts.start("z", AFTER_ALL_LABELS)
    assert endpoint.ask()["configId"] == VERSION
    first = noted(endpoint, earlier)
    rollouts.delete(earlier)
    assert endpoint.ask() == NOTHING

    later = rollouts.start("x", AFTER_ALL_LABELS)
    assert endpoint.ask()["configId"] == VERSION
    assert noted(endpoint, later) == msgspec.structs.replace(
        first, rollout=later.metadata.name, rollout_uid=later.metadata.uid
    )

    # As if they had been labelled since: dates say that they came later than the step.
    rollouts.open(later, BEFORE_ANY_LABEL)
    assert other.ask() == NOTHING
    assert endpoint.ask()["configId"] == VERSION


def test_a_rollout_made_again_under_its_name_has_offered_nobody_anything(
    fleet: Fleet, rollouts: Rollouts
) -> None:
    endpoint = target(fleet)
    before = rollouts.start("x", AFTER_ALL_LABELS)
    assert endpoint.ask()["configId"] == VERSION
    noted(endpoint, before)
    rollouts.delete(before)

    rollouts.start("x", BEFORE_ANY_LABEL)

    assert endpoint.ask() == NOTHING
