"""What every controller works with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from polyfleet.fleet.objects.kinds import GIVEN_CONFIGS, AnyObject, Kind, Object
from polyfleet.fleet.objects.workload import GivenConfig
from polyfleet.kube.cache import Cache
from polyfleet.kube.client import Client
from polyfleet.kube.events import EventRecorder
from polyfleet.kube.serials import SerialAllocator
from polyfleet.kube.store import Store
from polyfleet.kube.writer import Writer
from polyfleet.operator.limiter import Limiter
from polyfleet.operator.reconcile.verdict import Notice
from polyfleet.operator.rollout_counts import RolloutCounts
from polyfleet.operator.serial_memory import SerialMemory
from polyfleet.operator.settings import Settings
from polyfleet.operator.sweep_counts import SweepCounts
from polyfleet.operator.workload_memory import WorkloadMemory


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Workloads:
    """The view of the namespace in which applications run, and what was applied there."""

    client: Client
    cache: Cache
    memory: WorkloadMemory = field(default_factory=WorkloadMemory)


@dataclass(frozen=True)
class Context:
    """The operator's settings, its view of the cluster, and its ways to write."""

    settings: Settings
    client: Client
    cache: Cache
    writer: Writer
    serials: SerialAllocator
    events: EventRecorder
    limiter: Limiter
    counts: RolloutCounts
    workloads: Workloads
    serial_memory: SerialMemory = field(default_factory=SerialMemory)
    clock: Callable[[], datetime] = field(default=_now)
    swept: SweepCounts = field(default_factory=SweepCounts)

    @property
    def given_configs(self) -> Store[GivenConfig]:
        """The Secrets that people made themselves."""
        return self.cache.store(GIVEN_CONFIGS)

    def tell(self, item: AnyObject, *notices: Notice) -> None:
        """Show people what happened to an object."""
        for notice in notices:
            self.events.event(item, notice.type, notice.reason, notice.message)

    async def write(
        self,
        kind: Kind[Object],
        item: Object,
        *,
        metadata: Mapping[str, Any] | None = None,
        status: Mapping[str, Any] | None = None,
    ) -> Object:
        """Write what is given, checked by the object's version; return the object as it is then."""
        if metadata is not None:
            item = await self.writer.patch(kind, item, metadata)
        if status is not None:
            item = await self.writer.patch(kind, item, status, subresource="status")
        return item
