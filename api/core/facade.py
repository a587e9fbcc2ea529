"""Everything that a dialect needs to answer a request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from polyfleet.fleet.objects.kinds import GROUPS, PACKAGES, ROLLOUTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from polyfleet.api.core.activity import Activity
    from polyfleet.api.core.artifacts.links import LinkSigner
    from polyfleet.api.core.artifacts.store import ArtifactStore
    from polyfleet.api.core.catalogue import CatalogueSource
    from polyfleet.api.core.identity.authenticator import Identity
    from polyfleet.api.core.membership import MembershipWriter
    from polyfleet.api.core.metrics import DecisionMetrics
    from polyfleet.api.core.reports import ReportWriter
    from polyfleet.api.settings import Settings
    from polyfleet.fleet.objects.device import Device
    from polyfleet.fleet.objects.enrollment import Enrollment
    from polyfleet.fleet.resolve.catalogue import Catalogue
    from polyfleet.kube.cache import Cache
    from polyfleet.kube.client import Client
    from polyfleet.kube.serials import SerialAllocator
    from polyfleet.kube.writer import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Facade:
    """The parts of one facade process; dialects translate between them and their wire."""

    settings: Settings
    client: Client
    cache: Cache
    writer: Writer
    serials: SerialAllocator
    identity: Identity
    artifacts: ArtifactStore
    links: LinkSigner
    activity: Activity[Device]
    """When each device was last heard of."""
    appearances: Activity[Enrollment]
    """When each device that waits to be let in last asked."""
    reports: ReportWriter
    members: MembershipWriter
    offers: CatalogueSource
    decisions: DecisionMetrics
    clock: Callable[[], datetime]
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the process is told to end: whoever waits for news is to answer at once."""

    def catalogue(self) -> Catalogue:
        """Return the packages, groups and rollouts as they are now; cheap if nothing changed.

        Its objects are current in all that decisions read, but not in their resourceVersion:
        take an object that is to be written from the cache.
        """
        return self.offers.current()

    def offers_allowed(self) -> bool:
        """Whether what this replica knows of groups, packages and rollouts is fresh enough."""
        stale = self.cache.stale_seconds(GROUPS, PACKAGES, ROLLOUTS)
        return stale <= self.settings.stale_after
