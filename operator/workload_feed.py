"""Which applications' workloads have to be looked at again when something changes."""

from collections.abc import Callable
from typing import Any

from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.kinds import (
    AUTOSCALERS,
    DEPLOYMENTS,
    GIVEN_CONFIGS,
    INGRESSES,
    PODS,
    SERVICES,
    Kind,
)
from polyfleet.fleet.objects.workload import Autoscaler
from polyfleet.kube.cache import Cache
from polyfleet.kube.store import Change
from polyfleet.operator.indexes import GIVEN_CONFIG
from polyfleet.operator.queue import Key

CONFIGS_KEY = "config secrets"
RUNS_KEY = "one-off commands"
WORKLOAD_KEY = "workload"

_RUNNING: tuple[Kind[Any], ...] = (DEPLOYMENTS, PODS, SERVICES, INGRESSES)


class WorkloadFeed:
    """Turns changes of what an application runs, and of what runs, into keys for the queue."""

    def __init__(self, cache: Cache, workloads: Cache, add: Callable[[Key], None]) -> None:
        self._cache = cache
        self._workloads = workloads
        self._add = add
        self._ends: list[Callable[[], None]] = []

    def subscribe(self) -> None:
        """Begin to listen; what is in the caches already is not told."""
        cache, workloads = self._cache, self._workloads
        self._ends = [
            cache.applications.subscribe(self._application),
            cache.builds.subscribe(self._belonging),
            cache.releases.subscribe(self._belonging),
            cache.domains.subscribe(self._belonging),
            cache.store(GIVEN_CONFIGS).subscribe(self._given),
            *(workloads.store(kind).subscribe(self._running) for kind in _RUNNING),
            workloads.store(AUTOSCALERS).subscribe(self._autoscaler),
        ]

    def unsubscribe(self) -> None:
        """Stop listening."""
        while self._ends:
            self._ends.pop()()

    def _application(self, change: Change[Application]) -> None:
        old, new = change.old, change.new
        if new is not None and (old is None or _matters(old, new)):
            self._add(Key(WORKLOAD_KEY, new.metadata.name))

    def _belonging(self, change: Change[Any]) -> None:
        item = change.new or change.old
        if item is not None:
            self._add(Key(WORKLOAD_KEY, item.spec.application))

    def _given(self, change: Change[Any]) -> None:
        item = change.new or change.old
        if item is not None:
            for name in self._cache.applications.names(GIVEN_CONFIG, item.metadata.name):
                self._add(Key(WORKLOAD_KEY, name))

    def _running(self, change: Change[Any]) -> None:
        item = change.new or change.old
        if item is not None:
            self._of_uid(item.metadata.application_uid)

    def _autoscaler(self, change: Change[Autoscaler]) -> None:
        for item in (change.old, change.new):
            if item is None:
                continue
            found = self._workloads.store(DEPLOYMENTS).get(item.spec.scale_target_ref.name)
            if found is not None:
                self._of_uid(found.metadata.application_uid)

    def _of_uid(self, uid: str) -> None:
        application = self._cache.applications.by_uid(uid)
        if application is not None:
            self._add(Key(WORKLOAD_KEY, application.metadata.name))


def _matters(old: Application, new: Application) -> bool:
    """Say whether more changed than what is told of the workload itself."""
    return (
        old.metadata.uid != new.metadata.uid
        or old.spec != new.spec
        or old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
        or old.status.observed_generation != new.status.observed_generation
    )
