"""Releases that do not come to run: what is told of them, and what runs instead."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operator.conftest import Start, condition_of, eventually
from tests.operator.workload import Place, Workload, running, running_place, waiting

pytestmark = pytest.mark.controller_manager


@pytest.fixture(scope="module")
def place(admin_kubeconfig: Path, start_operator: Start) -> Iterator[Place]:
    with running_place(admin_kubeconfig, start_operator, workload_deadline=3600) as found:
        yield found


@pytest.fixture
def shop(place: Place, unique: str) -> Workload:
    """Provide an application without anything to run."""
    return place.application(unique)


def test_a_broken_release_fails_and_the_last_good_one_runs_again(shop: Workload) -> None:
    name = shop.application
    shop.build(f"{name}-1", "registry/shop:1")
    shop.comes_to_run(1)
    (good,) = shop.pods("v1")
    shop.build(f"{name}-2", "registry/broken:1")
    broken = waiting("InvalidImageName", "cannot parse registry/broken:1")
    eventually(lambda: shop.set_pods("v2", broken) == 1, "the pod of v2")
    shop.fleet.condition("Release", f"{name}-v2", "Ready", "False", "ImagePullFailed")
    assert shop.pods("v1")[0]["metadata"]["uid"] == good["metadata"]["uid"]

    message = shop.fleet.condition("Release", f"{name}-v2", "Failed", "True", "ImagePullFailed")
    assert "registry/broken:1" in message
    told = shop.fleet.condition("Application", name, "WorkloadReady", "False", "ReturnedToLastGood")
    assert "v2 failed" in told
    shop.fleet.comes_to("Application", name, lambda item: item["status"]["release"] == 1)
    eventually(lambda: shop.pods("v2") == [], "the pods of v2 go")
    assert [pod["metadata"]["uid"] for pod in shop.pods("v1")] == [good["metadata"]["uid"]]
    assert (
        len([item for item in shop.fleet.all("Release") if item["spec"]["application"] == name])
        == 2
    )
    # The events of Kubernetes' own controllers have no eventTime, which the client does not read.
    wanted = ("get", "events", "--field-selector=reason=ReleaseFailed", "-o=name")
    eventually(lambda: bool(shop.kubectl(*wanted)), "an event")


def test_the_last_good_release_may_have_been_replaced_before_it_was_judged(
    admin_kubeconfig: Path, start_operator: Start, unique: str
) -> None:
    with running_place(admin_kubeconfig, start_operator, workload_deadline=3600) as place:
        shop = place.application(unique)
        shop.build(f"{unique}-1", "registry/shop:1")
        shop.comes_to_run(1)
        shop.build(f"{unique}-2", "registry/shop:2")
        eventually(lambda: len(shop.pods("v2")) == 1, "the pod of v2")
        place.operator.process.kill()
        place.operator.process.wait()

        def only_the_second() -> bool:
            shop.set_pods("v2", running())
            status = shop.deployment("cmd")["status"]
            return not shop.pods("v1") and status.get("availableReplicas") == 1

        eventually(only_the_second, "v2 runs, and nobody has seen it")
        shop.build(f"{unique}-3", "registry/broken:1")
        with start_operator(place.fleet.namespace, workload_deadline=3600, workload_settle=0):
            broken = waiting("InvalidImageName", "cannot parse registry/broken:1")
            eventually(lambda: shop.set_pods("v3", broken) == 1, "the pod of v3")
            shop.fleet.condition("Release", f"{unique}-v3", "Failed", "True", "ImagePullFailed")
            found = shop.comes_to_run(2)
            assert found["status"]["release"] == 2


def test_a_release_that_was_scaled_to_nothing_is_judged_when_it_is_to_run(shop: Workload) -> None:
    name = shop.application
    shop.build(f"{name}-1", "registry/shop:1")
    shop.comes_to_run(1)
    shop.scale(cmd=0)
    eventually(lambda: shop.pods("v1") == [], "none runs")
    shop.build(f"{name}-2", "registry/broken:1")
    shop.fleet.condition("Release", f"{name}-v2", "Ready", "True", "Deployed")
    message = shop.fleet.condition("Application", name, "WorkloadReady", "True", "Deployed")
    assert message == "nothing of v2 is to run"

    shop.scale(cmd=1)
    broken = waiting("InvalidImageName", "cannot parse registry/broken:1")
    eventually(lambda: shop.set_pods("v2", broken) == 1, "the pod of v2")
    shop.fleet.condition("Release", f"{name}-v2", "Failed", "True", "ImagePullFailed")
    assert shop.comes_to_run(1)["status"]["release"] == 1


def test_a_release_that_crashes_says_so(shop: Workload) -> None:
    name = f"{shop.application}-v1"
    shop.build(f"{shop.application}-1", "registry/shop:1")
    ended = {"terminated": {"exitCode": 3, "reason": "Error"}}
    crashed = waiting("CrashLoopBackOff", restartCount=2, lastState=ended)
    eventually(lambda: shop.set_pods("v1", crashed) == 1, "the pod")
    message = shop.fleet.condition("Release", name, "Ready", "False", "CrashLoop")
    assert "exit code 3" in message
    found = shop.fleet.get("Release", name)
    assert found is not None
    assert condition_of(found, "Progressing")[0] == "True"


def test_a_release_that_is_late_fails_and_may_recover_if_it_is_the_only_one(
    admin_kubeconfig: Path, start_operator: Start, unique: str
) -> None:
    settings = {"workload_deadline": 1, "workload_pull_deadline": 0}
    with running_place(admin_kubeconfig, start_operator, **settings) as hasty:
        shop = hasty.application(unique)
        shop.build(f"{unique}-1", "registry/shop:1")
        shop.fleet.condition(
            "Release", f"{unique}-v1", "Failed", "True", "ProgressDeadlineExceeded"
        )
        shop.comes_to_run(1)
        shop.fleet.condition("Release", f"{unique}-v1", "Failed", "False", "Recovered")


def test_an_autoscaler_keeps_its_number(shop: Workload) -> None:
    name = shop.application
    shop.build(f"{name}-1", "registry/shop:1")
    shop.comes_to_run(1)
    shop.kubectl("autoscale", f"deployment/app-{name}-cmd", "--min=3", "--max=5")
    eventually(
        lambda: shop.deployment("cmd")["spec"]["replicas"] == 3, "the autoscaler raises the number"
    )
    eventually(lambda: shop.set_pods("v1", running()) == 3, "three pods")
    shop.build(f"{name}-2", "registry/shop:2")
    found = shop.comes_to_run(2)
    assert shop.deployment("cmd")["spec"]["replicas"] == 3
    assert found["status"]["processes"][0]["replicas"] == 3
