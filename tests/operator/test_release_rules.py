"""How far a deploy is, what is to run, and what people are told; all from facts alone."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.release import Release
from polyfleet.fleet.objects.workload import Deployment, Pod
from polyfleet.fleet.releases import release_to_run
from polyfleet.operator.reconcile.progress import (
    ProcessState,
    Trouble,
    is_available,
    stands,
    trouble,
)
from polyfleet.operator.reconcile.releases import (
    ReleaseFacts,
    judge_application,
    judge_releases,
    unjudged,
)

NOW = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)
DEADLINE = timedelta(seconds=120)
PULLING = timedelta(seconds=600)
APPLICATION = msgspec.convert({"metadata": {"name": "shop"}, "spec": {"name": "shop"}}, Application)


def condition(type_: str, status: str, reason: str = "R", *, ago: float = 0) -> dict[str, Any]:
    at = NOW - timedelta(seconds=ago)
    since = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": type_, "status": status, "reason": reason, "lastTransitionTime": since}


def release(number: int, *conditions: dict[str, Any], build: str | None = "b") -> Release:
    spec: dict[str, Any] = {"application": "shop", "version": number, "config": {"uuid": "u"}}
    if build is not None:
        spec["build"] = build
    return msgspec.convert(
        {
            "metadata": {"name": f"shop-v{number}", "generation": 1},
            "spec": spec,
            "status": {"conditions": list(conditions)},
        },
        Release,
    )


def deployment(number: int, *, wanted: int = 2, **status: int) -> Deployment:
    full = {"observedGeneration": 3, "replicas": wanted, "updatedReplicas": wanted}
    full |= {"availableReplicas": wanted, "readyReplicas": wanted}
    return msgspec.convert(
        {
            "metadata": {
                "name": "d",
                "generation": 3,
                "labels": {"polyfleet.dev/release": f"v{number}"},
            },
            "spec": {"replicas": wanted},
            "status": full | status,
        },
        Deployment,
    )


def pod(number: int, **status: Any) -> Pod:
    metadata = {"name": "p", "labels": {"polyfleet.dev/release": f"v{number}"}}
    return msgspec.convert({"metadata": metadata, "status": status}, Pod)


def container(state: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"state": state, **fields}]}


def process(found: Deployment | None, *pods: Pod) -> ProcessState:
    return ProcessState("web", 2, found, pods)


def facts(*releases: Release, state: ProcessState, **fields: Any) -> ReleaseFacts:
    newest = releases[-1]
    return ReleaseFacts(
        application=APPLICATION,
        newest=newest,
        chosen=release_to_run(newest, releases),
        releases=releases,
        processes=(state,),
        deadline=DEADLINE,
        pulling=PULLING,
        **fields,
    )


def told(of: ReleaseFacts, number: int) -> dict[str, tuple[str, str]]:
    """Return the conditions that the release of that number gets."""
    verdicts, _ = judge_releases(of, NOW)
    for item, verdict in verdicts:
        if item.spec.version == number and verdict.status is not None:
            listed = verdict.status["status"]["conditions"]
            return {one["type"]: (one["status"], one["reason"]) for one in listed}
    return {}


def told_of_application(of: ReleaseFacts) -> dict[str, tuple[str, str, str]]:
    """Return the conditions that the application gets."""
    status = judge_application(of, NOW).status
    assert status is not None
    listed = status["status"]["conditions"]
    return {one["type"]: (one["status"], one["reason"], one["message"]) for one in listed}


STARTING = process(deployment(1, availableReplicas=0, readyReplicas=0))
PULL = process(
    deployment(1, availableReplicas=1), pod(1, **container({"waiting": {"reason": "ErrImagePull"}}))
)


@pytest.mark.parametrize(
    ("found", "available"),
    [
        (deployment(1), True),
        (deployment(1, wanted=0), True),
        (deployment(2), False),
        (None, False),
        (deployment(1, observedGeneration=2), False),
        (deployment(1, updatedReplicas=1), False),
        (deployment(1, replicas=3), False),
        (deployment(1, availableReplicas=1), False),
    ],
)
def test_all_instances_must_be_new_and_available(found: Deployment | None, available: bool) -> None:
    assert is_available(process(found), "v1") is available


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (container({"waiting": {"reason": "ImagePullBackOff"}}), "ImagePullFailed"),
        (container({"waiting": {"reason": "InvalidImageName"}}), "ImagePullFailed"),
        (container({"waiting": {"reason": "CreateContainerConfigError"}}), "ContainerNotCreated"),
        (container({"waiting": {"reason": "CrashLoopBackOff"}}), "CrashLoop"),
        (
            container(
                {},
                restartCount=1,
                lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
            ),
            "CrashLoop",
        ),
        (container({"waiting": {"reason": "ContainerCreating"}}), None),
        (container({}), "NotReady"),
        (
            {"conditions": [condition("PodScheduled", "False", "Unschedulable")]},
            "Unschedulable",
        ),
        ({}, None),
    ],
)
def test_the_reason_is_read_from_the_pods(status: dict[str, Any], reason: str | None) -> None:
    state = process(deployment(1, availableReplicas=1), pod(1, **status))
    found = trouble([state], "v1")
    assert (found.reason if found else None) == reason
    assert trouble([process(deployment(1, availableReplicas=1), pod(2, **status))], "v1") is None


def test_a_refusal_of_pods_comes_first() -> None:
    found = msgspec.convert(
        {
            "metadata": {"name": "d", "labels": {"polyfleet.dev/release": "v1"}},
            "spec": {"replicas": 2},
            "status": {
                "conditions": [
                    {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: q"}
                ]
            },
        },
        Deployment,
    )
    crashing = pod(1, **container({"waiting": {"reason": "CrashLoopBackOff"}}))
    assert trouble([process(found, crashing)], "v1") == Trouble(
        "QuotaExceeded", "web: exceeded quota: q"
    )


def test_a_deploy_goes_on_until_its_deadline() -> None:
    begun = facts(release(1), state=STARTING)
    assert told(begun, 1) == {
        "Current": ("True", "Running"),
        "Ready": ("False", "Deploying"),
        "Progressing": ("True", "Deploying"),
    }
    assert judge_releases(begun, NOW)[1] == 120

    later = release(1, condition("Progressing", "True", ago=100))
    assert judge_releases(facts(later, state=STARTING), NOW)[1] == 20
    late = release(1, condition("Progressing", "True", ago=121))
    found = told(facts(late, state=STARTING), 1)
    assert found["Failed"] == ("True", "ProgressDeadlineExceeded")
    assert found["Progressing"] == ("False", "ProgressDeadlineExceeded")


def test_pulling_an_image_takes_the_time_it_takes() -> None:
    late = release(1, condition("Progressing", "True", ago=300))
    creating = pod(1, **container({"waiting": {"reason": "ContainerCreating"}}))
    slow = process(deployment(1, availableReplicas=0), creating)
    assert "Failed" not in told(facts(late, state=slow), 1)
    assert judge_releases(facts(late, state=slow), NOW)[1] == 420


def test_an_image_that_cannot_be_named_fails_at_once() -> None:
    broken = pod(1, **container({"waiting": {"reason": "InvalidImageName"}}))
    state = process(deployment(1, availableReplicas=0), broken)
    assert told(facts(release(1), state=state), 1)["Failed"] == ("True", "ImagePullFailed")


def test_the_reason_is_told_before_the_deadline_and_kept_after() -> None:
    early = told(facts(release(1), state=PULL), 1)
    assert early["Ready"] == ("False", "ImagePullFailed")
    assert "Failed" not in early
    late = release(1, condition("Progressing", "True", ago=121))
    assert told(facts(late, state=PULL), 1)["Failed"] == ("True", "ImagePullFailed")


def test_the_last_good_release_runs_again_after_a_failure() -> None:
    good = release(1, condition("Deployed", "True"))
    worse = release(2, condition("Failed", "True"), condition("Deployed", "True"))
    nothing = release(3, condition("Deployed", "True"), build=None)
    failed = release(4, condition("Failed", "True", "CrashLoop"))
    assert release_to_run(failed, [good, worse, nothing, failed]) is good
    assert release_to_run(failed, [failed]) is failed
    assert release_to_run(release(5), [good, failed]).spec.version == 5

    again = facts(good, failed, state=process(deployment(1)))
    assert told(again, 4)["Ready"] == ("False", "CrashLoop")
    assert told_of_application(again) == {
        "WorkloadReady": ("False", "ReturnedToLastGood", "v4 failed (CrashLoop: ); v1 runs again"),
        "Progressing": ("False", "ReturnedToLastGood", "v4 failed (CrashLoop: ); v1 runs again"),
    }
    status = judge_application(again, NOW).status
    assert status is not None
    assert status["status"]["release"] == status["status"]["deployedRelease"] == 1


def test_the_last_good_release_is_under_way_until_something_keeps_it() -> None:
    good, failed = (
        release(1, condition("Deployed", "True")),
        release(2, condition("Failed", "True")),
    )
    status, _, message = told_of_application(facts(good, failed, state=STARTING))["Progressing"]
    assert (status, message) == ("True", "v2 failed (R: ); v1 is being deployed again")
    status, _, message = told_of_application(facts(good, failed, state=PULL))["Progressing"]
    assert status == "False"
    assert "v1 does not run either (ImagePullFailed: web: ErrImagePull" in message


def ready_pod(number: int, *, ago: float = 0, **fields: Any) -> Pod:
    metadata = {"name": "p", "labels": {"polyfleet.dev/release": f"v{number}"}}
    document = {
        "metadata": metadata,
        "status": {"conditions": [condition("Ready", "True", ago=ago)]},
        **fields,
    }
    return msgspec.convert(document, Pod)


@pytest.mark.parametrize(
    ("found", "it_stands"),
    [
        ((ready_pod(2), ready_pod(2)), True),
        ((ready_pod(2), ready_pod(2), pod(3)), True),
        ((ready_pod(2), ready_pod(3)), False),
        ((ready_pod(2), pod(2)), False),
        ((ready_pod(2), pod(2, conditions=[condition("Ready", "False")])), False),
        ((ready_pod(2), ready_pod(2, spec={"activeDeadlineSeconds": 60})), False),
        ((), False),
    ],
)
def test_a_replaced_release_stands_while_all_its_instances_do(
    found: tuple[Pod, ...], it_stands: bool
) -> None:
    assert stands([process(deployment(3), *found)], "v2", NOW) is it_stands


def test_a_release_stands_once_its_instances_were_ready_for_as_long_as_they_must() -> None:
    settling = msgspec.convert(
        {"metadata": {"name": "d"}, "spec": {"minReadySeconds": 5}}, Deployment
    )
    young = process(settling, ready_pod(2, ago=6), ready_pod(2, ago=4))
    assert not stands([young], "v2", NOW)
    assert stands([process(settling, ready_pod(2, ago=6), ready_pod(2, ago=5))], "v2", NOW)


def test_nothing_is_proven_of_a_release_of_which_nothing_is_to_run() -> None:
    none_wanted = ProcessState("web", 0, deployment(3, wanted=0), ())
    assert not stands([none_wanted], "v2", NOW)
    assert stands([none_wanted, process(deployment(3), ready_pod(2), ready_pod(2))], "v2", NOW)


def test_a_release_that_was_replaced_at_once_is_good_if_it_stands() -> None:
    good, worse = release(1, condition("Deployed", "True")), release(2)
    failing = release(3, condition("Progressing", "True", ago=121))
    assert unjudged(failing, [good, worse, release(4, build=None), failing]) == [worse]

    of = facts(good, worse, failing, state=PULL, standing=frozenset({2}))
    found = told(of, 2)
    assert found["Deployed"] == ("True", "Available")
    assert found["Ready"] == ("False", "Superseded")
    # A process that dies between two writes must not leave the failure without what is good.
    assert [item.spec.version for item, _ in judge_releases(of, NOW)[0]] == [1, 2, 3]
    assert "Deployed" not in told(facts(good, worse, failing, state=PULL), 2)


def test_a_release_that_was_good_does_not_fail_later() -> None:
    was_good = release(1, condition("Deployed", "True"), condition("Progressing", "False", ago=999))
    found = told(facts(was_good, state=PULL), 1)
    assert found["Ready"] == ("False", "ImagePullFailed")
    assert "Failed" not in found
    assert judge_releases(facts(was_good, state=PULL), NOW)[1] == float("inf")


def test_a_good_release_that_lacks_instances_is_not_being_deployed() -> None:
    was_good = release(1, condition("Deployed", "True"))
    of = facts(was_good, state=STARTING)
    assert told(of, 1)["Ready"] == ("False", "Incomplete")
    message = "not all instances of v1 are available"
    assert told_of_application(of) == {
        "WorkloadReady": ("False", "Incomplete", message),
        "Progressing": ("False", "Incomplete", message),
    }


def test_a_failure_keeps_its_reason_while_there_is_none_to_return_to() -> None:
    failed = release(1, condition("Failed", "True", "ProgressDeadlineExceeded"))
    of = facts(failed, state=STARTING)
    assert told(of, 1)["Ready"] == ("False", "ProgressDeadlineExceeded")
    assert told_of_application(of)["WorkloadReady"][1] == "ProgressDeadlineExceeded"
    assert told(facts(failed, state=PULL), 1)["Ready"] == ("False", "ImagePullFailed")


def test_a_release_that_is_scaled_to_nothing_is_not_proven_good() -> None:
    none_wanted = ProcessState("web", 0, deployment(2, wanted=0))
    good, newer = release(1, condition("Deployed", "True")), release(2)
    of = facts(good, newer, state=none_wanted)
    found = told(of, 2)
    assert found["Ready"] == ("True", "Deployed")
    assert found["Progressing"] == ("False", "Complete")
    assert "Deployed" not in found
    assert judge_releases(of, NOW)[0][-1][1].notices == ()
    workload = told_of_application(of)["WorkloadReady"]
    assert workload == ("True", "Deployed", "nothing of v2 is to run")

    waits = release(2, condition("Ready", "True"), condition("Progressing", "False", ago=999))
    begun = facts(good, waits, state=process(deployment(2, availableReplicas=0)))
    assert told(begun, 2)["Progressing"] == ("True", "Deploying")
    late = release(2, condition("Progressing", "True", ago=121))
    failed = facts(good, late, state=process(deployment(2, availableReplicas=0)))
    assert told(failed, 2)["Failed"] == ("True", "ProgressDeadlineExceeded")


def test_a_failure_is_not_over_because_nothing_is_to_run() -> None:
    failed = release(1, condition("Failed", "True"))
    none_wanted = ProcessState("web", 0, deployment(1, wanted=0))
    assert told(facts(failed, state=none_wanted), 1)["Failed"] == ("True", "R")
    assert told(facts(failed, state=process(deployment(1))), 1)["Failed"] == ("False", "Recovered")


def test_what_cannot_become_a_release_is_told_while_the_one_before_is_judged() -> None:
    unmade = Trouble("ReleaseRefused", "b is no Build of application shop")
    found = told_of_application(facts(release(1), state=STARTING, unmade=unmade))
    assert found["WorkloadReady"] == ("False", *unmade)
    assert found["Progressing"] == ("True", "Deploying", "v1 is being deployed")


def test_what_is_deployed_is_told_once() -> None:
    of = facts(release(1), state=process(deployment(1)))
    (_, verdict), *_rest = judge_releases(of, NOW)[0]
    assert [notice.reason for notice in verdict.notices] == ["ReleaseDeployed"]
    assert verdict.status is not None
    settled = msgspec.convert(
        msgspec.to_builtins(release(1)) | {"status": verdict.status["status"]}, Release
    )
    assert judge_releases(facts(settled, state=process(deployment(1))), NOW)[0] == []


def test_a_release_without_a_build_runs_nothing() -> None:
    empty = ReleaseFacts(
        application=APPLICATION,
        newest=release(1, build=None),
        chosen=release(1, build=None),
        releases=(release(1, build=None),),
        processes=(),
        deadline=DEADLINE,
        pulling=PULLING,
    )
    assert told(empty, 1)["Ready"] == ("True", "NoBuild")
    status = judge_application(empty, NOW).status
    assert status is not None
    assert "deployedRelease" not in status["status"]


def test_a_process_that_the_build_does_not_have_is_named() -> None:
    wanted = [{"type": "web", "replicas": 2}, {"type": "wrker", "replicas": 1}]
    wanted.append({"type": "lost", "replicas": 0})
    spec = {"name": "shop", "workload": {"processes": wanted}}
    application = msgspec.convert({"metadata": {"name": "shop"}, "spec": spec}, Application)
    running = facts(release(1), state=process(deployment(1), pod(1)))
    of = dataclasses.replace(running, application=application)
    message = "v1 runs; its build has no process wrker"
    assert told_of_application(of)["WorkloadReady"] == ("True", "Deployed", message)
