"""One-off commands: which of their Pods nobody waits for any more."""

from datetime import datetime, timedelta

from polyfleet.fleet.instants import parse
from polyfleet.fleet.objects.workload import Pod
from polyfleet.fleet.workloads.processes import RUN


def is_run(pod: Pod, *, owned: bool) -> bool:
    """Say whether the Pod is that of a one-off command of an application.

    A process type may be called the same, but its Pods have no deadline, and another controller.
    `owned` says that the Application can be its controller: that they share a namespace.
    """
    metadata, deadline = pod.metadata, pod.spec.active_deadline_seconds
    controller = metadata.application_uid if owned else None
    return (
        metadata.process_type == RUN
        and deadline is not None
        and metadata.controller_uid == controller
    )


def is_left_over(pod: Pod, *, owned: bool, grace: timedelta, now: datetime) -> bool:
    """Say whether it is a command's Pod that ended long ago, and that nobody has taken away."""
    deadline = pod.spec.active_deadline_seconds
    if deadline is None or pod.metadata.terminating or not is_run(pod, owned=owned):
        return False
    return now - parse(pod.metadata.creation_timestamp) > timedelta(seconds=deadline) + grace
