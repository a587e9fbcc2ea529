"""Deploys: whether processes are available, and why they are not."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from polyfleet.fleet.conditions import condition
from polyfleet.fleet.instants import parse
from polyfleet.fleet.objects.workload import ContainerStatus, Deployment, Pod
from polyfleet.fleet.workloads.refusals import is_over_quota

_PULLING = frozenset({"ContainerCreating", "PodInitializing"})
_PULL_FAILED = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
    }
)
_NOT_CREATED = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "StartError",
        "ContainerCannotRun",
    }
)
_RESTARTS_OF_A_LOOP = 1
NOT_READY = "NotReady"
# What is wrong first: others follow from it.
_ORDER = (
    "QuotaExceeded",
    "PodsRefused",
    "ImagePullFailed",
    "ContainerNotCreated",
    "CrashLoop",
    "Unschedulable",
    "NotReady",
)


class Trouble(NamedTuple):
    """Why a process type is not available: in one word, and in words for people."""

    reason: str
    message: str


@dataclass(frozen=True)
class ProcessState:
    """A process type of the release that is to run: its Deployment and its Pods, if there."""

    type: str
    replicas: int
    deployment: Deployment | None
    pods: tuple[Pod, ...] = ()

    @property
    def ready(self) -> int:
        """How many instances are ready, of whatever release."""
        return 0 if self.deployment is None else self.deployment.status.ready_replicas


def is_available(process: ProcessState, label: str) -> bool:
    """Say whether all instances of a process type are of that release, and available."""
    found = process.deployment
    if found is None or found.metadata.release != label:
        return False
    status = found.status
    wanted = found.spec.replicas
    return (
        status.observed_generation >= found.metadata.generation
        and status.updated_replicas == wanted
        and status.replicas == wanted
        and status.available_replicas >= wanted
    )


def stands(processes: Sequence[ProcessState], label: str, now: datetime) -> bool:
    """Say whether a release that is to be replaced still has all its instances, available.

    Its Deployments tell of the newer release already, so its Pods are counted.
    """
    counted = [(process, _available_pods(process, label, now)) for process in processes]
    # Nothing is proven of a release of which nothing is to run any more.
    return any(count for _, count in counted) and all(
        count >= process.replicas for process, count in counted
    )


def trouble(processes: Sequence[ProcessState], label: str) -> Trouble | None:
    """Return what keeps a release from being available; None if it only needs time."""
    found = [
        Trouble(one.reason, f"{process.type}: {one.message}")
        for process in processes
        for one in _troubles(process, label)
    ]
    return min(found, key=lambda one: _ORDER.index(one.reason), default=None)


def refusal(message: str, reason: str) -> Trouble:
    """Return what the API server's refusal of an object means: a quota is told apart."""
    return Trouble("QuotaExceeded" if is_over_quota(message) else reason, message)


def is_pulling(processes: Iterable[ProcessState], label: str) -> bool:
    """Say whether an image of the release may be being pulled: a Pod has a node and waits."""
    return any(
        status.state.waiting is not None and status.state.waiting.reason in _PULLING
        for process in processes
        for pod in process.pods
        if pod.metadata.release == label
        for status in pod.status.container_statuses
    )


def is_hopeless(found: Trouble | None) -> bool:
    """Say whether waiting cannot help."""
    return found is not None and "InvalidImageName" in found.message


def counts(processes: Iterable[ProcessState]) -> Mapping[str, object]:
    """Return the fields of the Application's status that count its instances."""
    listed = sorted(processes, key=lambda process: process.type)
    wanted = sum(process.replicas for process in listed)
    ready = sum(process.ready for process in listed)
    return {
        "processes": [
            {"type": process.type, "replicas": process.replicas, "ready": process.ready}
            for process in listed
        ],
        "running": f"{ready}/{wanted}",
    }


def _available_pods(process: ProcessState, label: str, now: datetime) -> int:
    found = process.deployment
    least = timedelta(seconds=found.spec.min_ready_seconds if found is not None else 0)
    return sum(
        pod.metadata.release == label
        and not pod.metadata.terminating
        and pod.spec.active_deadline_seconds is None
        and _ready_for(pod, least, now)
        for pod in process.pods
    )


def _ready_for(pod: Pod, least: timedelta, now: datetime) -> bool:
    ready = condition(pod, "Ready")
    if ready is None or ready.status != "True":
        return False
    since = ready.last_transition_time
    return not least or (since is not None and parse(since) + least <= now)


def _troubles(process: ProcessState, label: str) -> Iterable[Trouble]:
    deployment = process.deployment
    if deployment is None or is_available(process, label):
        return
    refused = condition(deployment, "ReplicaFailure")
    if refused is not None and refused.status == "True":
        yield refusal(refused.message, "PodsRefused")
    for pod in process.pods:
        if pod.metadata.release == label and not pod.metadata.terminating:
            yield from _pod_troubles(pod)


def _pod_troubles(pod: Pod) -> Iterable[Trouble]:
    scheduled = condition(pod, "PodScheduled")
    if scheduled is not None and scheduled.reason == "Unschedulable":
        yield Trouble("Unschedulable", scheduled.message)
    for status in pod.status.container_statuses:
        found = _container_trouble(status)
        if found is not None:
            yield found


def _container_trouble(status: ContainerStatus) -> Trouble | None:
    waiting = status.state.waiting
    if waiting is not None and waiting.reason in _PULL_FAILED:
        return Trouble("ImagePullFailed", f"{waiting.reason}: {waiting.message}")
    if waiting is not None and waiting.reason in _NOT_CREATED:
        return Trouble("ContainerNotCreated", f"{waiting.reason}: {waiting.message}")
    ended = status.state.terminated or status.last_state.terminated
    looping = waiting is not None and waiting.reason == "CrashLoopBackOff"
    if looping or (ended is not None and status.restart_count >= _RESTARTS_OF_A_LOOP):
        how = "it ends again and again"
        if ended is not None:
            how = f"it ended with exit code {ended.exit_code} ({ended.reason or 'no reason'})"
        return Trouble("CrashLoop", f"{how}, and was started again {status.restart_count} times")
    if waiting is None and ended is None and not status.ready:
        return Trouble("NotReady", "it runs, but does not answer its readiness probe")
    return None
